//! Memories: found by their words, by nobody else, until they are old.

use claw_core::MemoryId;
use claw_core::memory::{Memory, Whose};
use claw_core::terms::terms;

use super::*;
use crate::{Cursor, Page};

fn whose(owner: &str, agent: &str) -> Whose {
    Whose { owner: PrincipalId::from_stored(owner.into()), agent: AgentId::parse(agent).unwrap() }
}

fn memory(n: u128, whose: &Whose, text: &str) -> Memory {
    Memory {
        id: MemoryId::from_uuid(Uuid::from_u128(n)),
        whose: whose.clone(),
        text: text.into(),
        session: Some(SessionKey::main(&whose.agent)),
        created_at: at(i64::try_from(n).unwrap()),
        untrusted: n.is_multiple_of(2),
    }
}

async fn remember(store: &dyn Store, memory: &Memory) {
    assert!(store.add_memory(memory.clone(), 100).await.await.unwrap());
}

/// The texts of what is found, best first.
async fn found(store: &dyn Store, whose: &Whose, query: &str) -> Vec<String> {
    let hits = store.search_memories(whose, &terms(query), 10).await.unwrap();
    assert!(hits.is_sorted_by(|(_, a), (_, b)| a >= b), "{hits:?}");
    hits.into_iter().map(|(memory, _)| memory.text).collect()
}

pub(super) async fn a_memory_is_found_by_its_words_best_first(fixture: &mut dyn Fixture) {
    let mine = whose("operator", "main");
    let texts = ["Ada's birthday is in May", "The café in Ada's street, Ada's café", "Tea, not coffee", "世界和平"];
    for (n, text) in (1..).zip(texts) {
        remember(fixture.store(), &memory(n, &mine, text)).await;
    }
    // What is there is there once, also where there is no room.
    let again = Memory { text: "Something else".into(), ..memory(1, &mine, texts[0]) };
    assert!(fixture.store().add_memory(again, 1).await.await.unwrap());
    assert!(!fixture.store().add_memory(memory(9, &mine, "One more"), 4).await.await.unwrap());
    fixture.restart().await;
    let store = fixture.store();
    assert_eq!(found(store, &mine, "When are the BIRTHDAYS of Ada?").await[0], texts[0]);
    assert_eq!(found(store, &mine, "cafe").await, [texts[1]]);
    assert_eq!(found(store, &mine, "ada cafe").await, [texts[1], texts[0]]);
    assert_eq!(found(store, &mine, "世界").await, [texts[3]]);
    assert_eq!(found(store, &mine, "nothing like it").await, [""; 0]);
    let one = store.memory(MemoryId::from_uuid(Uuid::from_u128(3)), &mine.owner).await.unwrap();
    assert_eq!(one, Some(memory(3, &mine, texts[2])));
}

pub(super) async fn no_query_is_a_command_or_a_mistake(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let mine = whose("operator", "main");
    remember(store, &memory(1, &mine, "apples and pears")).await;
    for query in [
        "\"",
        "apples\"",
        "apples AND",
        "NEAR(apples pears",
        "terms:apples",
        "apples*",
        "-apples",
        "^apples",
        "'; DROP TABLE memories",
    ] {
        let texts = found(store, &mine, query).await;
        assert!(texts.len() <= 1, "{query}");
    }
    assert_eq!(found(store, &mine, "(apples) OR \"pears").await, ["apples and pears"]);
    // Terms that are none, too.
    for term in ["\"", "a b", "a\" OR \"s1qapple", "", "s1qapples"] {
        assert_eq!(store.search_memories(&mine, &[term.to_owned()], 10).await, Ok(vec![]), "{term}");
    }
    let many: Vec<String> = (0..5000).map(|n| format!("word{n}")).collect();
    assert_eq!(store.search_memories(&mine, &many, 10).await, Ok(vec![]));
}

/// G13
pub(super) async fn memories_of_others_are_not_there(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let [mine, of_agent, theirs] =
        [("operator", "main"), ("operator", "ops"), ("key_1", "main")].map(|(o, a)| whose(o, a));
    for (n, whose) in (1..).zip([&mine, &of_agent, &theirs]) {
        remember(store, &memory(n, whose, &format!("the secret of {} {}", whose.owner, whose.agent))).await;
    }
    for whose in [&mine, &of_agent, &theirs] {
        assert_eq!(found(store, whose, "secret").await, [format!("the secret of {} {}", whose.owner, whose.agent)]);
    }
    let id = MemoryId::from_uuid(Uuid::from_u128(1));
    assert_eq!(store.memory(id, &theirs.owner).await, Ok(None));
    assert_eq!(store.delete_memory(id, theirs.owner.clone()).await.await, Ok(false));
    let page = store.memories(&theirs.owner, None, None, 10).await.unwrap();
    assert_eq!(page.items, [memory(3, &theirs, "the secret of key_1 main")]);
    // Not even how often others use a word shows: two words of one memory weigh the same.
    for n in 4..20 {
        remember(store, &memory(n, &mine, "secret upon secret")).await;
    }
    let mut scores = Vec::new();
    for word in ["secret", "key"] {
        scores
            .extend(store.search_memories(&theirs, &terms(word), 9).await.unwrap().into_iter().map(|(_, score)| score));
    }
    assert!(matches!(scores.as_slice(), [one, other] if one.total_cmp(other).is_eq()), "{scores:?}");
}

pub(super) async fn what_is_deleted_or_old_is_found_no_more(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let mine = whose("operator", "main");
    for n in 1..=4 {
        remember(store, &memory(n, &mine, &format!("apple number {n}"))).await;
    }
    let id = MemoryId::from_uuid(Uuid::from_u128(2));
    assert_eq!(store.delete_memory(id, mine.owner.clone()).await.await, Ok(true));
    assert_eq!(store.delete_memory(id, mine.owner.clone()).await.await, Ok(false));
    assert_eq!(store.expire_memories(at(3)).await.await, Ok(1));
    let mut left = found(store, &mine, "apple").await;
    left.sort();
    assert_eq!(left, ["apple number 3", "apple number 4"]);
    assert_eq!(store.memory(id, &mine.owner).await, Ok(None));
}

pub(super) async fn a_full_scope_takes_no_more_and_harms_no_other(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let (mine, theirs) = (whose("operator", "main"), whose("key_1", "main"));
    let add = |memory: Memory| async { store.add_memory(memory, 2).await.await.unwrap() };
    assert!(add(memory(1, &mine, "a")).await && add(memory(2, &mine, "b")).await);
    assert!(!add(memory(3, &mine, "c")).await && add(memory(4, &theirs, "d")).await);
    store.delete_memory(MemoryId::from_uuid(Uuid::from_u128(1)), mine.owner.clone()).await.await.unwrap();
    assert!(add(memory(5, &mine, "e")).await && !add(memory(6, &mine, "f")).await);
}

pub(super) async fn memories_are_listed_newest_first_in_pages(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let (main, ops) = (whose("operator", "main"), whose("operator", "ops"));
    for n in 1..=5 {
        remember(store, &memory(n, if n % 2 == 0 { &ops } else { &main }, "x")).await;
    }
    let list = |agent: Option<AgentId>, from: Option<Cursor>| {
        let owner = main.owner.clone();
        async move {
            let Page { items, next } = store.memories(&owner, agent.as_ref(), from, 2).await.unwrap();
            (items.into_iter().map(|memory| memory.id.uuid().as_u128()).collect::<Vec<_>>(), next)
        }
    };
    let (first, next) = list(None, None).await;
    let (second, further) = list(None, next).await;
    assert_eq!((first, second, list(None, further).await), (vec![5, 4], vec![3, 2], (vec![1], None)));
    assert_eq!(list(Some(ops.agent.clone()), None).await, (vec![4, 2], None));
}

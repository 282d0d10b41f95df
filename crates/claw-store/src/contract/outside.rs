//! What reaches beyond the store: tool steps, callbacks, keys.

use claw_core::run::ToolOutcome;
use claw_core::{Callback, PlanName};

use super::recovery::step;
use super::*;
use crate::{ApiKey, DeliveryResult};

fn done(text: &str) -> ToolOutcome {
    ToolOutcome { text: text.into(), is_error: false }
}

async fn give_back(store: &dyn Store, n: u128, attempt: u32) {
    finish(store, end(n, attempt, Outcome::Yielded { not_before: at(9), why: None }, 0)).await;
}

pub(super) async fn a_journal_is_read_back_at_the_next_attempt(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    for call in ["a", "b", "c"] {
        assert_eq!(store.journal_intent(id(1), 1, step(call, false)).await.await, Ok(true));
        assert_eq!(store.journal_result(id(1), 1, call.into(), done(call)).await.await, Ok(true));
    }
    // Some providers name every round's first call the same.
    let again = claw_core::run::JournalEntry { round: 1, ..step("a", false) };
    store.journal_intent(id(1), 1, again.clone()).await.await.unwrap();
    store.journal_result(id(1), 1, "a".into(), done("second")).await.await.unwrap();
    give_back(store, 1, 1).await;
    fixture.restart().await;
    let journal = won(fixture.store(), 1, 1).await.journal;
    let told: Vec<_> = journal.iter().map(|step| (step.round, step.result.as_ref().unwrap().text.as_str())).collect();
    assert_eq!(told, [(0, "a"), (0, "b"), (0, "c"), (1, "second")]);
}

pub(super) async fn a_step_cut_off_is_journaled_once_more_in_its_place(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    store.journal_intent(id(1), 1, step("a", true)).await.await.unwrap();
    give_back(store, 1, 1).await;
    assert_eq!(won(store, 1, 1).await.journal, [step("a", true)]);
    store.journal_intent(id(1), 2, step("a", true)).await.await.unwrap();
    store.journal_result(id(1), 2, "a".into(), done("x")).await.await.unwrap();
    give_back(store, 1, 2).await;
    let journal = won(store, 1, 2).await.journal;
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0].result, Some(done("x")));
}

pub(super) async fn a_lost_attempt_journals_nothing(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    assert_eq!(store.journal_intent(id(1), 0, step("a", true)).await.await, Ok(false));
    won(store, 1, 0).await;
    assert_eq!(store.journal_intent(id(1), 2, step("a", true)).await.await, Ok(false));
    assert_eq!(store.journal_result(id(1), 2, "a".into(), done("x")).await.await, Ok(false));
    assert_eq!(store.journal_intent(id(9), 1, step("a", true)).await.await, Ok(false));
    give_back(store, 1, 1).await;
    assert_eq!(won(store, 1, 1).await.journal, []);
}

fn called_back(n: u128, session: &str) -> NewTask {
    let callback = Callback { url: format!("http://hook/{n}"), headers: vec![("x-a".into(), "b".into())] };
    NewTask { callback: Some(callback), ..task(n, session) }
}

pub(super) async fn an_end_with_a_callback_is_delivered(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=3 {
        submit(store, called_back(n, &format!("s{n}"))).await;
    }
    submit(store, task(4, "s4")).await;
    for n in [1, 2, 4] {
        won(store, n, 0).await;
    }
    finish(store, end(1, 1, Outcome::Retry { failure: failure(), not_before: at(2) }, 1)).await;
    assert_eq!(store.due_deliveries(at(100), 10).await, Ok(vec![]), "nothing has ended");
    complete(store, 2, 1, 1).await;
    complete(store, 4, 1, 1).await;
    store.cancel(id(3), Visibility::All, at(3)).await.await.unwrap();
    let due = store.due_deliveries(at(100), 10).await.unwrap();
    let told: Vec<_> = due.iter().map(|delivery| (delivery.task, delivery.callback.url.as_str())).collect();
    assert_eq!(told, [(id(2), "http://hook/2"), (id(3), "http://hook/3")]);
    assert_eq!(store.due_deliveries(at(2), 10).await.unwrap().len(), 1);
    assert_eq!(store.due_deliveries(at(100), 1).await.unwrap().len(), 1);
    // Cancelled, retried and cancelled again: two ends, two deliveries.
    store.retry(id(3), Visibility::All, at(4)).await.await.unwrap();
    store.cancel(id(3), Visibility::All, at(5)).await.await.unwrap();
    let ids: std::collections::HashSet<i64> =
        store.due_deliveries(at(100), 10).await.unwrap().iter().map(|delivery| delivery.id).collect();
    assert_eq!(ids.len(), 3);
}

pub(super) async fn a_delivery_is_tried_again_and_given_up(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=2 {
        submit(store, called_back(n, "s")).await;
        won(store, n, 0).await;
        complete(store, n, 1, 1).await;
    }
    let due = |now| async move { store.due_deliveries(now, 10).await.unwrap() };
    let record = |id, result| async move { store.record_delivery(id, result).await.await.unwrap() };
    let [first, second] = &due(at(2)).await[..] else { panic!("two are due") };
    record(first.id, DeliveryResult::Delivered).await;
    record(second.id, DeliveryResult::RetryAt(at(50))).await;
    assert_eq!(due(at(49)).await, []);
    let again = due(at(50)).await;
    assert_eq!((again[0].id, again[0].attempt), (second.id, 1));
    record(second.id, DeliveryResult::Dead).await;
    record(second.id, DeliveryResult::RetryAt(at(60))).await;
    assert_eq!(due(at(1000)).await, []);
}

pub(super) async fn old_keys_and_deliveries_expire(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, keyed(NewTask { at: at(10), ..called_back(1, "s") }, "old", 1)).await;
    submit(store, keyed(NewTask { at: at(20), ..task(2, "t") }, "new", 1)).await;
    won(store, 1, 0).await;
    complete(store, 1, 1, 1).await;
    let delivery = store.due_deliveries(at(100), 10).await.unwrap()[0].id;
    store.record_delivery(delivery, DeliveryResult::Delivered).await.await.unwrap();
    assert_eq!(store.expire(at(2)).await.await, Ok(0));
    assert_eq!(store.expire(at(20)).await.await, Ok(2));
    assert_eq!(store.expire(at(20)).await.await, Ok(0));
    assert_eq!(store.task_by_key(&PrincipalId::operator(), "old").await, Ok(None));
    assert_eq!(store.task_by_key(&PrincipalId::operator(), "new").await, Ok(Some(id(2))));
    assert!(matches!(submit(store, keyed(task(3, "s"), "old", 1)).await, Submitted::Created { .. }));
    let many = (0..2500).map(|n| keyed(NewTask { at: at(30), ..task(1000 + n, "many") }, &format!("k{n}"), 1));
    futures::future::join_all(many.map(|new| submit(store, new))).await;
    assert_eq!(store.expire(at(31)).await.await, Ok(2502));
}

pub(super) async fn an_api_key_is_found_until_it_is_revoked(fixture: &mut dyn Fixture) {
    let key = |n: u8| ApiKey {
        id: ApiKeyId::from_uuid(Uuid::from_u128(n.into())),
        name: format!("key {n}"),
        digest: [n; 32],
        scopes: Scopes::of(&[Scope::Read]),
        plan: PlanName::new(if n == 3 { "pro" } else { PlanName::DEFAULT }),
        created_at: at(n.into()),
        revoked_at: None,
    };
    let store = fixture.store();
    for n in 1..=3 {
        store.add_api_key(key(n), entry(1)).await.await.unwrap();
    }
    assert!(
        store.add_api_key(ApiKey { id: key(9).id, ..key(1) }, entry(1)).await.await.is_err(),
        "a digest is used once"
    );
    assert_eq!(store.api_key(&[2; 32]).await, Ok(Some(key(2))));
    assert_eq!(store.revoke_api_key(key(2).id, at(50), entry(2)).await.await, Ok(true));
    assert_eq!(store.revoke_api_key(key(2).id, at(51), entry(2)).await.await, Ok(false));
    assert_eq!(store.revoke_api_key(key(7).id, at(51), entry(2)).await.await, Ok(false));
    assert_eq!(store.api_key(&[2; 32]).await, Ok(None));
    assert_eq!(store.plans(1).await, Ok(vec![(key(3).id, PlanName::new("pro"))]));
    fixture.restart().await;
    let revoked = ApiKey { revoked_at: Some(at(50)), ..key(2) };
    assert_eq!(fixture.store().api_keys().await, Ok(vec![key(3), revoked, key(1)]));
    let plans = [key(3), key(1)].map(|key| (key.id, key.plan));
    assert_eq!(fixture.store().plans(9).await, Ok(plans.to_vec()));
}

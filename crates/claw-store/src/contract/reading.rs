//! What is read back: events, lists, histories, sums.

use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::{Cursor, SessionPage, StoreError, TaskFilter};

pub(super) async fn events_are_resumed_from_any_number(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    for page in [vec![1, 2, 3], vec![5], vec![6, 9, 10]] {
        let page = page.into_iter().map(text_event).collect();
        assert_eq!(store.append_events(id(1), 1, page, None).await.await, Ok(true));
    }
    let after = |after, limit| async move {
        let events = store.events(id(1), after, limit).await.unwrap();
        assert!(events.iter().all(|event| *event == *text_event(event.seq)));
        events.iter().map(|event| event.seq).collect::<Vec<_>>()
    };
    assert_eq!(after(0, 100).await, [1, 2, 3, 5, 6, 9, 10]);
    assert_eq!(after(1, 100).await, [2, 3, 5, 6, 9, 10]);
    assert_eq!(after(4, 100).await, [5, 6, 9, 10]);
    assert_eq!(after(9, 100).await, [10]);
    assert!(after(10, 100).await.is_empty());
    assert!(after(u64::MAX, 100).await.is_empty());
    assert_eq!(after(1, 2).await, [2, 3]);
    assert_eq!(after(3, 2).await, [5, 6]);
    // The neighbours' events are not his.
    submit(store, task(2, "t")).await;
    won(store, 2, 0).await;
    store.append_events(id(2), 1, vec![text_event(1)], None).await.await.unwrap();
    assert_eq!(after(0, 100).await.len(), 7);
    assert_eq!(event_numbers(store, 2).await, [1]);
}

pub(super) async fn events_of_a_lost_attempt_are_refused(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    let append = |attempt, seq| async move {
        store.append_events(id(1), attempt, vec![text_event(seq)], Some(50)).await.await.unwrap()
    };
    assert!(!append(0, 1).await, "it does not run");
    won(store, 1, 0).await;
    assert!(append(1, 1).await);
    assert!(!append(2, 2).await);
    complete(store, 1, 1, 3).await;
    assert!(!append(1, 4).await, "it has ended");
    assert_eq!(store.append_events(id(9), 1, vec![text_event(1)], None).await.await, Ok(false));
    assert_eq!(event_numbers(store, 1).await, [1, 3]);
    assert_eq!(read(store, 1).await.progress, 100);
}

pub(super) async fn events_that_do_not_rise_are_refused(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    let told = store.append_events(id(1), 1, vec![text_event(2), text_event(2)], None).await.await;
    assert!(matches!(told, Err(StoreError::Unavailable(_))));
    assert!(event_numbers(store, 1).await.is_empty());
    assert_eq!(store.append_events(id(1), 1, vec![], None).await.await, Ok(true));
}

pub(super) async fn progress_is_kept(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    store.append_events(id(1), 1, vec![text_event(1)], Some(40)).await.await.unwrap();
    store.append_events(id(1), 1, vec![text_event(2)], None).await.await.unwrap();
    assert_eq!(read(store, 1).await.progress, 40);
    store.append_events(id(1), 1, vec![], Some(41)).await.await.unwrap();
    assert_eq!(read(store, 1).await.progress, 41);
}

async fn listed(store: &dyn Store, filter: &TaskFilter, who: &Visibility, limit: u32) -> Vec<u128> {
    let (mut all, mut from): (Vec<u128>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = store.tasks(filter.clone(), who, from, limit).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        all.extend(page.items.iter().map(|task| task.id.uuid().as_u128()));
        match page.next {
            Some(next) => from = Some(next),
            None => return all,
        }
    }
}

pub(super) async fn tasks_are_listed_newest_first_in_pages(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=9 {
        submit(store, task(n, if n % 2 == 0 { "even" } else { "odd" })).await;
    }
    won(store, 1, 0).await;
    complete(store, 1, 1, 1).await;
    won(store, 2, 0).await;
    let all = TaskFilter::default();
    assert_eq!(listed(store, &all, &Visibility::All, 2).await, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(listed(store, &all, &Visibility::All, 9).await.len(), 9);
    let of = |name| TaskFilter { state: Some(name), ..TaskFilter::default() };
    assert_eq!(listed(store, &of(StateName::Queued), &Visibility::All, 3).await, [9, 8, 7, 6, 5, 4, 3]);
    assert_eq!(listed(store, &of(StateName::Running), &Visibility::All, 3).await, [2]);
    assert_eq!(listed(store, &of(StateName::Completed), &Visibility::All, 3).await, [1]);
    assert_eq!(listed(store, &of(StateName::Failed), &Visibility::All, 3).await, []);
    let odd = TaskFilter { session: Some(task(1, "odd").session_id), ..TaskFilter::default() };
    assert_eq!(listed(store, &odd, &Visibility::All, 2).await, [9, 7, 5, 3, 1]);
    for (name, expected) in [(StateName::Queued, vec![9, 7, 5, 3]), (StateName::Completed, vec![1])] {
        let filter = TaskFilter { state: Some(name), ..odd.clone() };
        assert_eq!(listed(store, &filter, &Visibility::All, 2).await, expected);
    }
    // The time of its state counts, and not that it was made.
    let since = |moment| TaskFilter { since: Some(moment), ..TaskFilter::default() };
    let changed = store.task(task(1, "").id, &Visibility::All).await.unwrap().unwrap().state.ended_at().unwrap();
    assert!(listed(store, &since(changed), &Visibility::All, 2).await.contains(&1));
    assert!(!listed(store, &since(changed.plus(Duration::from_millis(1))), &Visibility::All, 2).await.contains(&1));
    let unknown = TaskFilter { session: Some(task(77, "").session_id), ..TaskFilter::default() };
    assert_eq!(listed(store, &unknown, &Visibility::All, 2).await, []);
}

pub(super) async fn each_sees_only_its_own(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, NewTask { principal: tenant(1), ..task(1, "a") }).await;
    submit(store, NewTask { principal: tenant(2), ..task(2, "b") }).await;
    submit(store, task(3, "c")).await;
    submit(store, NewTask { principal: tenant(1), ..task(4, "a") }).await;
    let (one, two, operator) = (tenant(1).visibility(), tenant(2).visibility(), Principal::operator().visibility());
    for (filter, mine) in [
        (TaskFilter::default(), vec![4, 1]),
        (TaskFilter { state: Some(StateName::Queued), ..TaskFilter::default() }, vec![4, 1]),
        (TaskFilter { state: Some(StateName::Failed), ..TaskFilter::default() }, vec![]),
        (TaskFilter { session: Some(task(1, "").session_id), ..TaskFilter::default() }, vec![4, 1]),
        (TaskFilter { session: Some(task(2, "").session_id), ..TaskFilter::default() }, vec![]),
    ] {
        assert_eq!(listed(store, &filter, &one, 1).await, mine, "{filter:?}");
    }
    assert_eq!(listed(store, &TaskFilter::default(), &operator, 10).await, [4, 3, 2, 1]);
    let only_operators = Visibility::Owner(PrincipalId::operator());
    assert_eq!(listed(store, &TaskFilter::default(), &only_operators, 10).await, [3]);
    assert!(store.task(id(1), &one).await.unwrap().is_some());
    assert!(store.task(id(1), &two).await.unwrap().is_none());
    assert!(store.session(&key("a"), &one).await.unwrap().is_some());
    assert!(store.session(&key("a"), &two).await.unwrap().is_none());
    let session = task(1, "").session_id;
    assert!(store.session_by_id(session, &operator).await.unwrap().is_some());
    assert!(store.session_by_id(session, &two).await.unwrap().is_none());
    assert_eq!(sessions(store, &two, PageStart::Offset(0), 10).await.items.len(), 1);
    assert_eq!(sessions(store, &only_operators, PageStart::Offset(0), 10).await.items.len(), 1);
}

async fn sessions(store: &dyn Store, who: &Visibility, from: PageStart, limit: u32) -> SessionPage {
    store.sessions(&SessionFilter::default(), who, from, limit).await.unwrap()
}

pub(super) async fn sessions_are_listed_last_changed_first(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=5 {
        submit(store, NewTask { at: at(10), ..task(n, &format!("s{n}")) }).await;
    }
    won(store, 2, 0).await;
    let (mut keys, mut from) = (Vec::new(), PageStart::Offset(0));
    loop {
        let page = sessions(store, &Visibility::All, from, 2).await;
        keys.extend(page.items.into_iter().map(|session| session.key));
        match page.next {
            Some(next) => from = PageStart::Cursor(next),
            None => break,
        }
    }
    assert_eq!(keys, ["s2", "s5", "s4", "s3", "s1"].map(key));
    let changed = store.session(&key("s2"), &Visibility::All).await.unwrap().unwrap();
    assert_eq!((changed.created_at, changed.updated_at, changed.message_count), (at(10), at(1), 1));
}

pub(super) async fn a_history_is_read_backwards_in_pages(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=4 {
        submit(store, task(n, "s")).await;
        won(store, n, 0).await;
        complete(store, n, 1, 1).await;
    }
    let session = task(1, "").session_id;
    let page = |before, limit| async move {
        let history = store.history(session, before, limit).await.unwrap();
        history.iter().map(|message| message.seq).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 3).await, [6, 7, 8]);
    assert_eq!(page(Some(6), 3).await, [3, 4, 5]);
    assert_eq!(page(Some(3), 3).await, [1, 2]);
    assert!(page(Some(1), 3).await.is_empty());
    let last = store.history(session, None, 1).await.unwrap().pop().unwrap();
    assert_eq!((last.task, last.at, last.message.text()), (Some(id(4)), at(2), "answer".into()));
}

pub(super) async fn a_session_sums_its_runs(fixture: &mut dyn Fixture) {
    for n in 1..=3 {
        submit(fixture.store(), task(n, "s")).await;
        won(fixture.store(), n, 0).await;
        complete(fixture.store(), n, 1, 1).await;
        fixture.restart().await;
    }
    let session = fixture.store().session(&key("s"), &Visibility::All).await.unwrap().unwrap();
    assert_eq!(session.usage, USAGE.plus(USAGE).plus(USAGE));
    assert_eq!((session.model.as_deref(), session.message_count), (Some("p/m"), 6));
    assert_eq!((session.agent, session.owner), (AgentId::main(), PrincipalId::operator()));
}

pub(super) async fn what_does_not_exist_is_absent(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    assert_eq!(store.task(id(1), &Visibility::All).await, Ok(None));
    assert_eq!(store.runs(id(1)).await, Ok(vec![]));
    assert_eq!(store.events(id(1), 0, 10).await, Ok(vec![]));
    assert_eq!(store.session(&key("s"), &Visibility::All).await, Ok(None));
    let session = task(1, "").session_id;
    assert_eq!(store.session_by_id(session, &Visibility::All).await, Ok(None));
    assert_eq!(store.history(session, None, 10).await, Ok(vec![]));
    assert_eq!(store.oldest_queued().await, Ok(None));
    assert_eq!(store.counts().await, Ok(Counts::default()));
    assert_eq!(store.api_key(&[0; 32]).await, Ok(None));
}

pub(super) async fn the_oldest_waiting_task_is_known(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=3 {
        submit(store, NewTask { at: at(i64::try_from(n).unwrap()), ..task(n, &format!("s{n}")) }).await;
    }
    assert_eq!(store.oldest_queued().await, Ok(Some(at(1))));
    won(store, 1, 0).await;
    assert_eq!(store.oldest_queued().await, Ok(Some(at(2))));
}

pub(super) async fn settled_waits_for_every_write_before(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    store.settled().await.unwrap();
    for n in 1..=200 {
        drop(store.submit(task(n, &format!("s{}", n % 7))).await);
    }
    store.settled().await.unwrap();
    assert_eq!(store.counts().await.unwrap().queued, 200);
    let ids: HashSet<TaskId> = all_tasks(store).await.iter().map(|task| task.id).collect();
    assert_eq!(ids.len(), 200);
}

pub(super) async fn a_closed_store_says_so(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let last = store.submit(task(1, "s")).await;
    store.close().await;
    assert!(matches!(last.await, Ok(Submitted::Created { .. })), "what was accepted is written");
    assert_eq!(store.submit(task(2, "s")).await.await, Err(StoreError::Closed));
    assert_eq!(store.recover(at(1)).await.await, Err(StoreError::Closed));
    assert_eq!(store.settled().await, Err(StoreError::Closed));
    assert_eq!(store.counts().await, Err(StoreError::Closed));
    store.close().await;
}

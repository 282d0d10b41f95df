//! One run of a session at a time, in accept order (G5).

use super::*;
use crate::{Cancelled, Retried};

async fn due(store: &dyn Store) -> Vec<TaskId> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let page = store.due_tickets(from, 3).await.unwrap();
        all.extend(page.items.iter().map(|ticket| ticket.id));
        match page.next {
            Some(next) => from = Some(next),
            None => return all,
        }
    }
}

async fn is_head(store: &dyn Store, new: NewTask) -> bool {
    match submit(store, new).await {
        Submitted::Created { is_head, .. } => is_head,
        told => panic!("{told:?}"),
    }
}

fn next(finished: &Finished) -> Option<TaskId> {
    assert!(finished.accepted);
    finished.next.map(|ticket| ticket.id)
}

pub(super) async fn runs_of_a_session_go_one_at_a_time_in_accept_order(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    assert!(is_head(store, task(1, "s")).await);
    assert!(!is_head(store, task(2, "s")).await);
    assert!(!is_head(store, task(3, "s")).await);
    assert_eq!(start(store, 2, 0).await, Started::SessionBusy);
    won(store, 1, 0).await;
    assert_eq!(start(store, 2, 0).await, Started::SessionBusy);
    assert_eq!(next(&complete(store, 1, 1, 1).await), Some(id(2)));
    assert_eq!(start(store, 3, 0).await, Started::SessionBusy);
    fixture.restart().await;
    let store = fixture.store();
    won(store, 2, 0).await;
    assert_eq!(next(&fail(store, 2, 1, 1).await), Some(id(3)));
    won(store, 3, 0).await;
    assert_eq!(next(&complete(store, 3, 1, 1).await), None);
    assert!(is_head(store, task(4, "s")).await);
}

pub(super) async fn sessions_do_not_wait_for_each_other(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=50 {
        assert!(is_head(store, task(n, &format!("s{n}"))).await);
    }
    for n in 1..=50 {
        won(store, n, 0).await;
    }
    assert_eq!(store.counts().await.unwrap().running, 50);
}

pub(super) async fn a_delayed_head_holds_its_session(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    submit(store, task(2, "s")).await;
    won(store, 1, 0).await;
    let retry = Outcome::Retry { failure: failure(), not_before: at(99) };
    assert_eq!(next(&finish(store, end(1, 1, retry, 1)).await), Some(id(1)));
    assert_eq!(start(store, 2, 0).await, Started::SessionBusy);
    assert_eq!(due(store).await, [id(1)]);
}

pub(super) async fn who_is_retried_goes_to_the_old_place(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=3 {
        submit(store, task(n, "s")).await;
    }
    won(store, 1, 0).await;
    assert_eq!(next(&fail(store, 1, 1, 1).await), Some(id(2)));
    let told = store.retry(id(1), Visibility::All, at(3)).await.await;
    assert!(matches!(told, Ok(Retried::Queued { ticket: Some(ticket) }) if ticket.id == id(1)), "{told:?}");
    assert_eq!(due(store).await, [id(1)]);
    assert_eq!(start(store, 2, 0).await, Started::SessionBusy);
    let run = won(store, 1, 1).await;
    assert_eq!(next(&complete(store, 1, 2, run.seq + 1).await), Some(id(2)));
}

pub(super) async fn a_retried_task_does_not_run_beside_a_later_one(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    submit(store, task(2, "s")).await;
    won(store, 1, 0).await;
    fail(store, 1, 1, 1).await;
    won(store, 2, 0).await;
    assert_eq!(store.retry(id(1), Visibility::All, at(3)).await.await, Ok(Retried::Queued { ticket: None }));
    assert_eq!(due(store).await, []);
    assert_eq!(start(store, 1, 1).await, Started::SessionBusy);
    // The later one ends and the earlier one starts in one batch.
    let ended = store.finish(end(2, 1, Outcome::Completed(output("x")), 1).into()).await;
    let begun = store.start(id(1), 1, at(4)).await;
    assert_eq!(next(&ended.await.unwrap()), Some(id(1)));
    assert!(matches!(begun.await, Ok(Started::Won(_))));
    assert_eq!(store.counts().await.unwrap().running, 1);
}

pub(super) async fn a_cancelled_head_makes_room(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=4 {
        submit(store, task(n, "s")).await;
    }
    let cancel = |n| async move {
        match store.cancel(id(n), Visibility::All, at(3)).await.await.unwrap() {
            Cancelled::Done { next, .. } => next.map(|ticket| ticket.id),
            told => panic!("{told:?}"),
        }
    };
    assert_eq!(cancel(2).await, None, "its turn had not come");
    assert_eq!(cancel(1).await, Some(id(3)));
    won(store, 3, 0).await;
    assert_eq!(cancel(4).await, None, "another one runs");
    assert_eq!(next(&complete(store, 3, 1, 1).await), None);
}

pub(super) async fn a_very_long_line_keeps_its_order(fixture: &mut dyn Fixture) {
    const LENGTH: u128 = 1200;
    let all = futures::future::join_all((1..=LENGTH).map(|n| is_head(fixture.store(), task(n, "s")))).await;
    assert_eq!(all.iter().filter(|head| **head).count(), 1);
    fixture.restart().await;
    let store = fixture.store();
    let (mut commits, mut order) = (Vec::new(), Vec::new());
    let first = due(store).await;
    assert_eq!(first.len(), 1);
    // All in one go: what waits in one batch is longer than any part of the line that is loaded.
    for task in all_tasks(store).await.iter().rev() {
        let start = store.start(task.id, 0, at(1)).await;
        let n = task.id.uuid().as_u128();
        let finish = store.finish(end(n, 1, Outcome::Completed(output("x")), 1).into()).await;
        commits.push((task.id, start, finish));
    }
    for (id, start, finish) in commits {
        assert!(matches!(start.await, Ok(Started::Won(_))), "{id}");
        order.push((id, next(&finish.await.unwrap())));
    }
    assert!(order.windows(2).all(|pair| pair[0].1 == Some(pair[1].0)));
    assert_eq!(store.counts().await.unwrap().completed, LENGTH as u64);
}

pub(super) async fn due_tickets_are_those_whose_turn_it_is(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=10 {
        submit(store, task(n, &format!("s{}", n % 5))).await;
    }
    submit(store, NewTask { begin: Begin::Queued { not_before: at(50), attached: false }, ..task(11, "late") }).await;
    assert_eq!(due(store).await, [1, 2, 3, 4, 5, 11].map(id));
    won(store, 1, 0).await;
    assert_eq!(due(store).await, [2, 3, 4, 5, 11].map(id));
    complete(store, 1, 1, 1).await;
    assert_eq!(due(store).await, [2, 3, 4, 5, 6, 11].map(id));
    let page = store.due_tickets(None, 1000).await.unwrap();
    assert_eq!(page.next, None);
    assert_eq!((page.items[5].not_before, page.items[5].lane), (at(50), Lane::Standard));
}

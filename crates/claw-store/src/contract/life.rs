//! From start to end, and back.

use claw_core::task::TaskState;

use super::*;
use crate::{Cancelled, Retried, UNSTORED_EVENTS_MAX};

pub(super) async fn one_start_wins(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    assert_eq!(start(store, 1, 1).await, Started::Stale(StateName::Queued));
    let told = futures::future::join_all((0..16).map(|_| start(store, 1, 0))).await;
    assert_eq!(told.iter().filter(|told| matches!(told, Started::Won(_))).count(), 1);
    assert_eq!(told.iter().filter(|told| **told == Started::Stale(StateName::Running)).count(), 15);
    let absent = store.start(id(99), 0, at(1)).await.await;
    assert_eq!(absent, Ok(Started::Absent));
    complete(store, 1, 1, 1).await;
    assert_eq!(start(store, 1, 1).await, Started::Stale(StateName::Completed));
}

pub(super) async fn the_first_start_brings_the_input_into_the_history(fixture: &mut dyn Fixture) {
    let mut new = task(1, "s");
    new.turn.input = vec![Message::user("one"), Message::user("two")];
    let session = new.session_id;
    submit(fixture.store(), new).await;
    assert_eq!(fixture.store().history(session, None, 10).await, Ok(vec![]));
    fixture.restart().await;
    let store = fixture.store();
    let run = won(store, 1, 0).await;
    assert_eq!((run.seq, run.task.attempt, run.journal.len()), (0, 1, 0));
    let texts = |history: Vec<crate::StoredMessage>| history.into_iter().map(|m| m.message.text()).collect::<Vec<_>>();
    assert_eq!(texts(store.history(session, None, 10).await.unwrap()), ["one", "two"]);
    let retry = Outcome::Retry { failure: failure(), not_before: at(2) };
    finish(store, end(1, 1, retry, 1)).await;
    won(store, 1, 1).await;
    assert_eq!(texts(store.history(session, None, 10).await.unwrap()), ["one", "two"]);
    complete(store, 1, 2, 9000).await;
    assert_eq!(texts(store.history(session, None, 10).await.unwrap()), ["one", "two", "answer"]);
}

pub(super) async fn the_first_finish_wins(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    assert!(!complete(store, 1, 0, 1).await.accepted, "it does not run");
    won(store, 1, 0).await;
    assert!(!complete(store, 1, 2, 1).await.accepted, "no such attempt");
    assert!(complete(store, 1, 1, 1).await.accepted);
    assert!(!fail(store, 1, 1, 2).await.accepted, "it has ended");
    assert!(!complete(store, 99, 1, 1).await.accepted, "no such task");
    assert_eq!(event_numbers(store, 1).await, [1]);
    assert_eq!(read(store, 1).await.state, TaskState::Completed { output: output("answer"), at: at(2) });
}

pub(super) async fn a_completed_task_has_its_output(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    won(fixture.store(), 1, 0).await;
    complete(fixture.store(), 1, 1, 1).await;
    fixture.restart().await;
    let task = read(fixture.store(), 1).await;
    assert_eq!(task.state, TaskState::Completed { output: output("answer"), at: at(2) });
    assert_eq!((task.progress, task.failures), (100, 0));
    let events = fixture.store().events(id(1), 0, 10).await.unwrap();
    assert_eq!(events[0].event, RunEvent::Completed { output: output("answer") });
}

pub(super) async fn a_failed_task_has_its_failure_and_counts_it(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    fail(store, 1, 1, 1).await;
    let task = read(store, 1).await;
    assert_eq!(task.state, TaskState::Failed { failure: failure(), at: at(2) });
    assert_eq!(task.failures, 1);
}

pub(super) async fn another_attempt_waits_until_it_is_due(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    let retry = Outcome::Retry { failure: failure(), not_before: at(77) };
    let next = finish(store, end(1, 1, retry, 4)).await.next.unwrap();
    assert_eq!((next.id, next.attempt, next.not_before), (id(1), 1, at(77)));
    let task = read(store, 1).await;
    assert_eq!((task.state, task.failures), (TaskState::Queued { not_before: at(77) }, 1));
    assert_eq!(start(store, 1, 0).await, Started::Stale(StateName::Queued));
    let run = won(store, 1, 1).await;
    assert_eq!((run.task.attempt, run.task.failures, run.task.started_at), (2, 1, Some(at(1))));
    assert!(run.seq >= 4 + UNSTORED_EVENTS_MAX, "{}", run.seq);
    assert!(!complete(store, 1, 1, 5).await.accepted, "the first attempt lost its task");
    assert!(complete(store, 1, 2, run.seq + 1).await.accepted);
}

pub(super) async fn a_task_given_back_neither_failed_nor_ended(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    let next = finish(store, end(1, 1, Outcome::Yielded { not_before: at(9), why: None }, 0)).await.next.unwrap();
    assert_eq!((next.id, next.attempt, next.not_before), (id(1), 1, at(9)));
    let task = read(store, 1).await;
    assert_eq!((task.state, task.failures, task.crashes), (TaskState::Queued { not_before: at(9) }, 0, 0));
    assert_eq!(store.runs(id(1)).await.unwrap()[0].outcome.as_deref(), Some("yielded"));
    won(store, 1, 1).await;
}

pub(super) async fn a_waiting_task_is_cancelled_at_once(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, NewTask { principal: tenant(1), ..task(1, "s") }).await;
    let by = |who: Principal| async move { store.cancel(id(1), who.visibility(), at(3)).await.await.unwrap() };
    assert_eq!(by(tenant(2)).await, Cancelled::Absent);
    let event = Sequenced { seq: 1, at: at(3), event: RunEvent::Cancelled { partial: String::new() } };
    assert_eq!(by(tenant(1)).await, Cancelled::Done { event: Box::new(event.clone()), next: None });
    assert_eq!(by(tenant(1)).await, Cancelled::Ended(StateName::Cancelled));
    assert_eq!(read(store, 1).await.state, TaskState::Cancelled { at: at(3) });
    assert_eq!(store.events(id(1), 0, 10).await, Ok(vec![event]));
    assert_eq!(start(store, 1, 0).await, Started::Stale(StateName::Cancelled));
}

pub(super) async fn a_running_task_is_asked_to_stop(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    for _ in 0..2 {
        assert_eq!(store.cancel(id(1), Visibility::All, at(3)).await.await, Ok(Cancelled::Asked));
    }
    assert_eq!(state(store, 1).await, StateName::Running);
    assert!(finish(store, end(1, 1, Outcome::Cancelled { partial: "so f".into() }, 1)).await.accepted);
    assert_eq!(read(store, 1).await.state, TaskState::Cancelled { at: at(2) });
}

pub(super) async fn a_wish_to_cancel_outweighs_another_attempt(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for (n, outcome) in [
        (1, Outcome::Retry { failure: failure(), not_before: at(9) }),
        (2, Outcome::Yielded { not_before: at(9), why: None }),
    ] {
        submit(store, task(n, "s")).await;
        won(store, n, 0).await;
        store.cancel(id(n), Visibility::All, at(3)).await.await.unwrap();
        let seq = u64::from(n == 1);
        assert_eq!(
            finish(store, end(n, 1, outcome, seq)).await,
            Finished { accepted: true, next: None, answered: Vec::new() }
        );
        assert_eq!(state(store, n).await, StateName::Cancelled);
        let last = store.events(id(n), 0, 10).await.unwrap().pop().unwrap();
        assert_eq!(last, Sequenced { seq: seq + 1, at: at(2), event: RunEvent::Cancelled { partial: String::new() } });
    }
}

pub(super) async fn what_ended_is_not_cancelled(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    complete(store, 1, 1, 1).await;
    let told = store.cancel(id(1), Visibility::All, at(3)).await.await;
    assert_eq!(told, Ok(Cancelled::Ended(StateName::Completed)));
    assert_eq!(store.cancel(id(9), Visibility::All, at(3)).await.await, Ok(Cancelled::Absent));
}

pub(super) async fn a_failed_task_is_retried_with_fresh_attempts(fixture: &mut dyn Fixture) {
    submit(fixture.store(), NewTask { begin: Begin::Attached, ..task(1, "s") }).await;
    fail(fixture.store(), 1, 1, 3).await;
    fixture.restart().await;
    let store = fixture.store();
    let told = store.retry(id(1), Visibility::All, at(8)).await.await.unwrap();
    let Retried::Queued { ticket: Some(ticket) } = told else { panic!("{told:?}") };
    assert_eq!((ticket.id, ticket.attempt, ticket.not_before), (id(1), 1, at(8)));
    let task = read(store, 1).await;
    assert_eq!((task.failures, task.crashes, task.attached, task.progress), (0, 0, false, 0));
    let run = won(store, 1, 1).await;
    assert!(run.seq >= 3);
    complete(store, 1, 2, run.seq + 1).await;
    assert_eq!(event_numbers(store, 1).await, [3, run.seq + 1]);
    assert_eq!(store.history(task.session, None, 10).await.unwrap().len(), 2);
}

pub(super) async fn a_task_cancelled_before_its_first_start_can_be_retried(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    fixture.store().cancel(id(1), Visibility::All, at(3)).await.await.unwrap();
    assert!(matches!(fixture.store().retry(id(1), Visibility::All, at(8)).await.await, Ok(Retried::Queued { .. })));
    fixture.restart().await;
    let store = fixture.store();
    let run = won(store, 1, 0).await;
    assert!(run.seq >= 1, "number 1 is taken by the first cancel");
    assert_eq!(store.history(run.task.session, None, 10).await.unwrap().len(), 1);
    complete(store, 1, 1, run.seq + 1).await;
}

pub(super) async fn only_failed_and_cancelled_tasks_are_retried(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let retry = |n, who: Principal| async move { store.retry(id(n), who.visibility(), at(8)).await.await.unwrap() };
    submit(store, NewTask { principal: tenant(1), ..task(1, "s") }).await;
    assert_eq!(retry(1, tenant(1)).await, Retried::NotEnded(StateName::Queued));
    won(store, 1, 0).await;
    assert_eq!(retry(1, tenant(1)).await, Retried::NotEnded(StateName::Running));
    complete(store, 1, 1, 1).await;
    assert_eq!(retry(1, tenant(1)).await, Retried::NotEnded(StateName::Completed));
    assert_eq!(retry(1, tenant(2)).await, Retried::Absent);
    assert_eq!(retry(9, tenant(1)).await, Retried::Absent);
}

pub(super) async fn a_detached_run_is_a_task_like_any_other(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, NewTask { begin: Begin::Attached, ..task(1, "s") }).await;
    store.detach(id(1)).await.await.unwrap();
    store.detach(id(9)).await.await.unwrap();
    assert!(!read(store, 1).await.attached);
    assert_eq!(store.recover(at(5)).await.await.unwrap().requeued, 1);
}

pub(super) async fn each_attempt_is_on_record(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    assert_eq!(store.runs(id(1)).await, Ok(vec![]));
    won(store, 1, 0).await;
    let running = store.runs(id(1)).await.unwrap();
    assert_eq!((running.len(), running[0].started_at, running[0].ended_at), (1, at(1), None));
    let usage = Usage { cache_write_tokens: 7, reasoning_tokens: 4, ..USAGE };
    let retried = end(1, 1, Outcome::Retry { failure: failure(), not_before: at(2) }, 1);
    finish(store, Finish { usage, ..retried }).await;
    let run = won(store, 1, 1).await;
    complete(store, 1, 2, run.seq + 1).await;
    let runs = store.runs(id(1)).await.unwrap();
    let told: Vec<_> = runs.iter().map(|run| (run.attempt, run.outcome.as_deref(), run.error.as_deref())).collect();
    assert_eq!(told, [(1, Some("retrying"), Some("the provider is down")), (2, Some("completed"), None)]);
    assert_eq!(runs[0].usage, usage, "with its finer counts");
    assert_eq!((runs[1].usage, runs[1].model.as_deref(), runs[1].ended_at), (USAGE, Some("p/m"), Some(at(2))));
}

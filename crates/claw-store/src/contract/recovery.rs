//! What becomes of the tasks that ran when their process died.

use claw_core::provider::Usage;
use claw_core::run::{JournalEntry, ToolOutcome, Used};
use claw_core::task::TaskState;
use claw_core::{JsonText, ToolCall};

use super::*;
use crate::{Recovered, UNSTORED_EVENTS_MAX, UsageDay};

async fn recover(store: &dyn Store) -> Recovered {
    store.recover(at(5)).await.await.unwrap()
}

pub(super) fn step(call: &str, is_idempotent: bool) -> JournalEntry {
    JournalEntry {
        round: 0,
        reasoned: None,
        thoughts: None,
        used: None,
        beside: None,
        text: "let me see".into(),
        call: ToolCall { id: call.into(), name: "exec".into(), arguments: JsonText::new("{}") },
        is_idempotent,
        is_planned: false,
        result: None,
    }
}

async fn failure_of(store: &dyn Store, n: u128) -> Failure {
    match read(store, n).await.state {
        TaskState::Failed { failure, at } => {
            assert_eq!(at, super::at(5));
            let last = store.events(id(n), 0, 100).await.unwrap().pop().unwrap().event;
            assert_eq!(last, RunEvent::Failed { failure: failure.clone(), partial: String::new() });
            failure
        }
        state => panic!("{state:?}"),
    }
}

pub(super) async fn nothing_running_is_nothing_to_recover(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    assert_eq!(recover(fixture.store()).await, Recovered::default());
    assert_eq!(state(fixture.store(), 1).await, StateName::Queued);
}

pub(super) async fn a_run_that_died_waits_again(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    submit(fixture.store(), task(2, "s")).await;
    won(fixture.store(), 1, 0).await;
    fixture.restart().await;
    let store = fixture.store();
    assert_eq!(recover(store).await, Recovered { requeued: 1, ..Recovered::default() });
    let task = read(store, 1).await;
    assert_eq!((task.state, task.crashes, task.failures), (TaskState::Queued { not_before: at(5) }, 1, 0));
    assert_eq!(store.due_tickets(None, 10).await.unwrap().items[0].id, id(1));
    assert_eq!(store.runs(id(1)).await.unwrap()[0].outcome.as_deref(), Some("died"));
    assert!(!complete(store, 1, 1, 1).await.accepted, "the dead attempt's result does not count");
    let run = won(store, 1, 1).await;
    assert_eq!(run.task.attempt, 2);
    assert_eq!(complete(store, 1, 2, run.seq + 1).await.next.unwrap().id, id(2));
}

pub(super) async fn numbers_after_a_death_jump_beyond_what_was_shown(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    won(fixture.store(), 1, 0).await;
    fixture.store().append_events(id(1), 1, vec![text_event(1), text_event(2)], None).await.await.unwrap();
    fixture.restart().await;
    let store = fixture.store();
    recover(store).await;
    let events = store.events(id(1), 2, 10).await.unwrap();
    assert!(matches!(&events[..], [event] if event.seq > 2 + UNSTORED_EVENTS_MAX
        && matches!(event.event, RunEvent::Retrying { attempt: 1, at, .. } if at == super::at(5))));
    assert!(won(store, 1, 1).await.seq >= events[0].seq);
}

pub(super) async fn who_waited_on_the_line_is_gone(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, NewTask { begin: Begin::Attached, ..task(1, "s") }).await;
    let waiting = Begin::Queued { not_before: at(0), attached: true };
    submit(store, NewTask { begin: waiting, ..task(2, "t") }).await;
    submit(store, task(3, "t")).await;
    fixture.restart().await;
    let store = fixture.store();
    assert_eq!(recover(store).await, Recovered { abandoned: 2, ..Recovered::default() });
    for n in [1, 2] {
        let failure = failure_of(store, n).await;
        assert_eq!(failure, Failure::new(FailureReason::Interrupted, "the gateway stopped while its caller waited"));
    }
    assert_eq!(store.due_tickets(None, 10).await.unwrap().items[0].id, id(3));
}

pub(super) async fn a_step_cut_off_ends_the_run(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for (n, is_idempotent, is_answered) in [(1, false, false), (2, true, false), (3, false, true)] {
        submit(store, task(n, &format!("s{n}"))).await;
        won(store, n, 0).await;
        assert_eq!(store.journal_intent(id(n), 1, step("c", is_idempotent)).await.await, Ok(true));
        if is_answered {
            let outcome = ToolOutcome { text: "done".into(), is_error: false };
            assert_eq!(store.journal_result(id(n), 1, "c".into(), outcome).await.await, Ok(true));
        }
    }
    fixture.restart().await;
    let store = fixture.store();
    assert_eq!(recover(store).await, Recovered { interrupted: 1, requeued: 2, ..Recovered::default() });
    let failure = failure_of(store, 1).await;
    assert_eq!(failure.reason, FailureReason::Interrupted);
    assert!(failure.message.contains("exec"), "{}", failure.message);
}

pub(super) async fn a_step_cut_off_is_repeated_when_asked_for(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, NewTask { on_crash: OnCrash::Retry, ..task(1, "s") }).await;
    won(store, 1, 0).await;
    store.journal_intent(id(1), 1, step("c", false)).await.await.unwrap();
    fixture.restart().await;
    let store = fixture.store();
    assert_eq!(recover(store).await, Recovered { requeued: 1, ..Recovered::default() });
    assert_eq!(won(store, 1, 1).await.journal, [step("c", false)]);
}

/// K19: by the last step of the attempt that died, and of no other.
pub(super) async fn what_an_attempt_had_used_before_it_died_counts_once(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    let used = |attempt, usage| Some(Box::new(Used { attempt, usage, model: "p/m".into() }));
    let calls = [("a", 0, used(1, USAGE)), ("b", 1, used(1, USAGE.plus(USAGE))), ("c", 1, None)];
    for attempt in 0..2 {
        won(fixture.store(), 1, attempt).await;
        for (call, round, used) in calls.clone().into_iter().filter(|_| attempt == 0) {
            let entry = JournalEntry { round, used, ..step(call, true) };
            assert_eq!(fixture.store().journal_intent(id(1), 1, entry).await.await, Ok(true));
        }
        fixture.restart().await;
        assert_eq!(recover(fixture.store()).await.requeued, 1);
    }
    let store = fixture.store();
    let runs = store.runs(id(1)).await.unwrap();
    let found: Vec<_> =
        runs.iter().map(|run| (run.outcome.as_deref().unwrap(), run.usage, run.model.as_deref())).collect();
    assert_eq!(found, [("died", USAGE.plus(USAGE), Some("p/m")), ("died", Usage::default(), None)]);
    let days = store.usage_days(&Visibility::All, 0, 9).await.unwrap();
    assert_eq!(days, [UsageDay { day: 0, model: "p/m".into(), runs: 1, usage: USAGE.plus(USAGE) }]);
    let session = read(store, 1).await.session;
    assert_eq!(store.session_by_id(session, &Visibility::All).await.unwrap().unwrap().usage, USAGE.plus(USAGE));
}

pub(super) async fn a_wish_to_cancel_is_kept(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    won(fixture.store(), 1, 0).await;
    fixture.store().cancel(id(1), Visibility::All, at(3)).await.await.unwrap();
    fixture.restart().await;
    assert_eq!(recover(fixture.store()).await, Recovered { cancelled: 1, ..Recovered::default() });
    assert_eq!(read(fixture.store(), 1).await.state, TaskState::Cancelled { at: at(5) });
}

pub(super) async fn the_third_death_is_poison(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    submit(fixture.store(), task(2, "t")).await;
    for attempt in 0..3 {
        won(fixture.store(), 1, attempt).await;
        fixture.restart().await;
        let told = recover(fixture.store()).await;
        assert_eq!((told.requeued, told.poisoned), if attempt < 2 { (1, 0) } else { (0, 1) });
    }
    let store = fixture.store();
    let failure = failure_of(store, 1).await;
    assert_eq!(failure.reason, FailureReason::Poisoned);
    for attempt in 1..=3 {
        assert!(failure.message.contains(&format!("attempt {attempt} started {}", at(1))), "{}", failure.message);
    }
    assert_eq!(read(store, 1).await.crashes, 3);
    won(store, 2, 0).await;
    store.retry(id(1), Visibility::All, at(6)).await.await.unwrap();
    assert_eq!(read(store, 1).await.crashes, 0);
}

pub(super) async fn a_thousand_runs_are_recovered(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let started = futures::future::join_all((1..=1000).map(|n| async move {
        submit(store, task(n, &format!("s{n}"))).await;
        matches!(start(store, n, 0).await, Started::Won(_))
    }));
    assert!(started.await.into_iter().all(|won| won));
    fixture.restart().await;
    assert_eq!(recover(fixture.store()).await, Recovered { requeued: 1000, ..Recovered::default() });
    assert_eq!(fixture.store().counts().await.unwrap().queued, 1000);
}

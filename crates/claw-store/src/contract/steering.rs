//! What is said to a run while it goes on.

use claw_core::task::TaskState;
use claw_core::{Callback, Scope, Scopes};

use super::*;
use crate::{Answered, Cancelled, Recovered, Steered, TakenUp};

/// Task `n`, which the session's run may take up.
fn steering(n: u128, session: &str) -> NewTask {
    NewTask { steers: true, ..task(n, session) }
}

async fn waiting(store: &dyn Store, session: &str) -> Vec<TaskId> {
    let session = store.session(&key(session), &Visibility::All).await.unwrap().unwrap();
    store.steering(session.id, 64).await.unwrap()
}

async fn take_up(store: &dyn Store, n: u128, attempt: u32, steering: &[u128]) -> Option<Vec<TakenUp>> {
    store.take_up(id(n), attempt, steering.iter().map(|n| id(*n)).collect(), at(1)).await.await.unwrap()
}

fn said(n: u128) -> TakenUp {
    TakenUp { id: id(n), input: vec![Message::user(format!("input {n}"))] }
}

/// The end of a run that took up one task after its first words.
fn steered_end(n: u128, attempt: u32, outcome: Outcome, steered: u128) -> Finish {
    let says = |text: &str| Message::assistant(text, Vec::new());
    Finish {
        messages: vec![says("one moment"), Message::user(format!("input {steered}")), says("answer")],
        steered: vec![Steered { id: id(steered), messages: 1..2 }],
        ..end(n, attempt, outcome, 1)
    }
}

fn answer_of(n: u128) -> Output {
    Output { usage: Usage::default(), answered_by: Some(id(n)), ..output("answer") }
}

pub(super) async fn what_a_run_takes_up_ends_with_it_and_stands_where_it_was_heard(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    submit(store, task(2, "s")).await;
    submit(store, steering(3, "s")).await;
    submit(store, steering(4, "s")).await;
    assert_eq!(waiting(store, "s").await, [id(3), id(4)]);
    assert_eq!(take_up(store, 1, 1, &[3, 4]).await, Some(vec![said(3), said(4)]));
    assert_eq!(take_up(store, 1, 1, &[3, 4]).await, Some(vec![]), "once is enough");

    let finished = finish(store, steered_end(1, 1, Outcome::Completed(output("answer")), 3)).await;
    let event = Sequenced { seq: 1, at: at(2), event: RunEvent::Completed { output: answer_of(1) } };
    assert_eq!(finished.answered, [Answered { id: id(3), event: event.clone(), has_callback: false }]);
    assert_eq!(finished.next.map(|due| due.id), Some(id(2)), "who did not steer waits at the old place");
    assert_eq!(store.events(id(3), 0, 9).await, Ok(vec![event]));
    let answered = read(store, 3).await;
    assert_eq!(answered.state, TaskState::Completed { output: answer_of(1), at: at(2) });
    assert_eq!((answered.attempt, answered.progress, answered.started_at), (0, 100, None));
    let session = answered.session;
    let history = store.history(session, None, 9).await.unwrap();
    let shown: Vec<_> = history.iter().map(|stored| (stored.task, stored.message.text())).collect();
    let texts = [(1, "input 1"), (1, "one moment"), (3, "input 3"), (1, "answer")];
    assert_eq!(shown, texts.map(|(n, text)| (Some(id(n)), text.into())));
    assert_eq!(store.session(&key("s"), &Visibility::All).await.unwrap().unwrap().usage, USAGE, "counted once");
    // Task 4 was taken up, too, but the run says nothing of it: it takes its own turn.
    won(store, 2, 0).await;
    complete(store, 2, 1, 1).await;
    won(store, 4, 0).await;
}

pub(super) async fn only_what_was_said_to_the_run_is_taken_up(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, steering(1, "s")).await;
    let before = won(store, 1, 0).await;
    finish(store, end(1, 1, Outcome::Retry { failure: failure(), not_before: at(0) }, 1)).await;
    assert_eq!(before.task.attempt, 1);
    submit(store, task(2, "s")).await;
    submit(store, steering(3, "elsewhere")).await;
    let weak = Principal { scopes: Scopes::of(&[Scope::Read]), ..Principal::operator() };
    submit(store, NewTask { principal: weak, ..steering(4, "s") }).await;
    let begin = Begin::Queued { not_before: at(50), attached: false };
    submit(store, NewTask { begin, ..steering(5, "s") }).await;
    submit(store, steering(6, "s")).await;
    won(store, 1, 1).await;
    assert_eq!(take_up(store, 1, 2, &[1, 2, 3, 4, 5, 6, 77]).await, Some(vec![said(6)]));
    assert_eq!(take_up(store, 1, 1, &[6]).await, None, "an earlier attempt has lost its task");
    // One that was started itself and waits to be tried again has its own place in the history.
    submit(store, steering(11, "t")).await;
    submit(store, steering(12, "t")).await;
    won(store, 11, 0).await;
    finish(store, end(11, 1, Outcome::Yielded { not_before: at(9), why: None }, 0)).await;
    won(store, 11, 1).await;
    assert_eq!(take_up(store, 11, 2, &[11, 12]).await, Some(vec![said(12)]));
}

pub(super) async fn what_an_attempt_took_up_and_did_not_answer_waits_on(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let outcomes = [
        Outcome::Retry { failure: failure(), not_before: at(0) },
        Outcome::Yielded { not_before: at(9), why: None },
        Outcome::Cancelled { partial: String::new() },
        Outcome::Failed { failure: failure(), partial: String::new() },
    ];
    for (round, outcome) in outcomes.into_iter().enumerate() {
        let (name, n) = (format!("s{round}"), 10 * (round as u128 + 1));
        submit(store, task(n, &name)).await;
        submit(store, steering(n + 1, &name)).await;
        won(store, n, 0).await;
        take_up(store, n, 1, &[n + 1]).await;
        let ends = matches!(outcome, Outcome::Failed { .. } | Outcome::Cancelled { .. });
        let steered = vec![Steered { id: id(n + 1), messages: 0..0 }];
        let finished = finish(store, Finish { steered, ..end(n, 1, outcome, 1) }).await;
        assert_eq!((finished.answered, state(store, n + 1).await), (vec![], StateName::Queued));
        assert_eq!(finished.next.map(|due| due.id), Some(id(if ends { n + 1 } else { n })));
        if ends {
            won(store, n + 1, 0).await;
            continue;
        }
        // The next attempt hears it anew.
        won(store, n, 1).await;
        assert_eq!(waiting(store, &name).await, [id(n + 1)]);
        assert_eq!(take_up(store, n, 2, &[n + 1]).await, Some(vec![said(n + 1)]));
        let finished =
            finish(store, Finish { events: vec![], ..steered_end(n, 1, Outcome::Completed(output("x")), n + 1) });
        assert!(!finished.await.accepted, "the attempt before may not answer it");
        let end = steered_end(n, 2, Outcome::Completed(output("answer")), n + 1);
        let end = Finish { events: vec![Arc::new(Sequenced { seq: 9, ..(*end.events[0]).clone() })], ..end };
        assert_eq!(finish(store, end).await.answered.len(), 1);
    }
}

pub(super) async fn what_is_taken_up_is_cancelled_only_with_its_run(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    submit(store, steering(2, "s")).await;
    won(store, 1, 0).await;
    // The cancel and the taking up go out together: whoever is first wins.
    submit(store, steering(3, "s")).await;
    let cancel = store.cancel(id(3), Visibility::All, at(2)).await;
    let taken = store.take_up(id(1), 1, vec![id(2), id(3)], at(2)).await;
    let late = store.cancel(id(2), Visibility::All, at(2)).await;
    assert!(matches!(cancel.await, Ok(Cancelled::Done { .. })));
    assert_eq!(taken.await, Ok(Some(vec![said(2)])));
    assert_eq!(late.await, Ok(Cancelled::TakenUp { by: id(1) }));
    fixture.restart().await;
    let store = fixture.store();
    let cancel = |n| async move { store.cancel(id(n), Visibility::All, at(3)).await.await.unwrap() };
    assert_eq!(cancel(2).await, Cancelled::TakenUp { by: id(1) }, "the mark is on disk");
    assert_eq!(cancel(1).await, Cancelled::Asked);
    assert!(matches!(cancel(2).await, Cancelled::Done { .. }));
    // The run had its answer before it heard of the wish: what was cancelled stays so.
    let finished = finish(store, steered_end(1, 1, Outcome::Completed(output("answer")), 2)).await;
    assert_eq!((finished.accepted, finished.answered), (true, vec![]));
    assert_eq!(state(store, 2).await, StateName::Cancelled);
}

pub(super) async fn a_death_after_taking_up_leaves_it_waiting(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    submit(fixture.store(), steering(2, "s")).await;
    won(fixture.store(), 1, 0).await;
    take_up(fixture.store(), 1, 1, &[2]).await;
    fixture.restart().await;
    let store = fixture.store();
    let recovered = store.recover(at(5)).await.await.unwrap();
    assert_eq!(recovered, Recovered { requeued: 1, ..Recovered::default() });
    assert_eq!(start(store, 2, 0).await, Started::SessionBusy, "the run it was said to comes first");
    won(store, 1, 1).await;
    let seq = event_numbers(store, 1).await.last().unwrap() + 1;
    let finished = complete(store, 1, 2, seq).await;
    assert_eq!((finished.answered, finished.next.map(|due| due.id)), (vec![], Some(id(2))));
    won(store, 2, 0).await;
    complete(store, 2, 1, 1).await;
    let session = read(store, 2).await.session;
    let history = store.history(session, None, 9).await.unwrap();
    assert_eq!(history.iter().filter(|stored| stored.message == Message::user("input 2")).count(), 1);
}

pub(super) async fn who_took_something_up_and_lost_its_task_answers_nothing(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    submit(store, steering(2, "s")).await;
    won(store, 1, 0).await;
    take_up(store, 1, 1, &[2]).await;
    store.recover(at(5)).await.await.unwrap();
    let late = finish(store, steered_end(1, 1, Outcome::Completed(output("answer")), 2)).await;
    assert_eq!(late, Finished { accepted: false, next: None, answered: vec![] });
    assert_eq!(state(store, 2).await, StateName::Queued);
    assert!(matches!(store.cancel(id(2), Visibility::All, at(6)).await.await, Ok(Cancelled::Done { .. })));
}

pub(super) async fn an_answer_that_somebody_waits_for_is_delivered(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    let callback = Some(Callback { url: "http://hook/2".into(), headers: Vec::new() });
    submit(store, keyed(NewTask { callback, ..steering(2, "s") }, "k", 1)).await;
    take_up(store, 1, 1, &[2]).await;
    let finished = finish(store, steered_end(1, 1, Outcome::Completed(output("answer")), 2)).await;
    assert!(finished.answered.iter().all(|answered| answered.has_callback));
    let due = store.due_deliveries(at(9), 9).await.unwrap();
    assert_eq!(due.iter().map(|delivery| delivery.task).collect::<Vec<_>>(), [id(2)]);
    assert_eq!(submit(store, keyed(steering(9, "s"), "k", 1)).await, Submitted::Replayed { id: id(2) });
}

//! Runs that outlive their caller.

use std::time::Duration;

use claw_app::Error;
use claw_core::run::RunEvent;
use claw_core::task::{Priority, StateName, TaskState};
use claw_core::{FailureReason, Lane};
use claw_store::{Idempotency, TaskFilter};
use claw_testkit::{Gate, Reply, Upstream};

use crate::house::{House, SOON, all, operator, stranger, task, text_of};

#[tokio::test]
async fn an_accepted_task_runs_and_its_events_can_be_read_from_any_number() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.script([Reply::chunks(["one ", "two ", "three"])]);
    let accepted = house.app.tasks.submit(&operator(), task("work", "count")).await.unwrap();
    let live = all(house.app.tasks.read(accepted.id, 0)).await;
    assert_eq!(text_of(&live), "one two three");
    assert!(live.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert!(matches!(live.last().unwrap().event, RunEvent::Completed { .. }));
    for (index, event) in live.iter().enumerate() {
        let rest = all(house.app.tasks.read(accepted.id, event.seq)).await;
        assert_eq!(rest, live[index + 1..], "after {}", event.seq);
    }
    let done = house.app.tasks.find(&operator(), &accepted.run_id).await.unwrap();
    assert_eq!((done.state.name(), done.progress), (StateName::Completed, 100));
    house.stop().await;
}

#[tokio::test]
async fn runs_of_a_session_go_one_at_a_time_in_order_and_others_do_not_wait() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let gate = Gate::new();
    let held = gate.clone();
    upstream.respond_with(move |seen| {
        let reply = Reply::text("ok");
        if seen.last_user().starts_with("slow") { reply.held(&held) } else { reply }
    });
    let mut ids = Vec::new();
    for text in ["slow 1", "2", "3"] {
        // The later ones would overtake, were it by priority.
        let mut new = task("one", text);
        new.priority = Priority::new(u8::try_from(ids.len()).unwrap()).unwrap();
        ids.push(house.app.tasks.submit(&operator(), new).await.unwrap().id);
    }
    gate.reached_by(1).await;
    let other = house.app.tasks.submit(&operator(), task("two", "quick")).await.unwrap();
    assert_eq!(house.app.tasks.wait(other.id, SOON).await.unwrap().unwrap().state.name(), StateName::Completed);
    assert_eq!(upstream.requests().len(), 2, "the session's others wait for its first");
    gate.open_for_good();
    for id in &ids {
        house.app.tasks.wait(*id, SOON).await.unwrap().unwrap();
    }
    let asked: Vec<_> = upstream.requests().iter().map(|seen| seen.last_user()).collect();
    assert_eq!(asked, ["slow 1", "quick", "2", "3"]);
    house.stop().await;
}

#[tokio::test]
async fn the_same_key_twice_at_once_makes_one_task() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let keyed = |digest: u8| {
        let mut new = task("once", "hi");
        new.idempotency = Some(Idempotency { key: "k".into(), digest: [digest; 32] });
        new
    };
    let me = operator();
    let submit = || house.app.tasks.submit(&me, keyed(1));
    let (one, two, three) = tokio::join!(submit(), submit(), submit());
    let mut accepted = [one.unwrap(), two.unwrap(), three.unwrap()];
    accepted.sort_by_key(|accepted| accepted.is_replay);
    assert!(accepted.iter().all(|other| other.id == accepted[0].id));
    assert_eq!(accepted.iter().filter(|other| !other.is_replay).count(), 1);
    let reused = house.app.tasks.submit(&operator(), keyed(2)).await.unwrap_err();
    assert_eq!(reused, Error::KeyReused { task: accepted[0].id });
    let other = house
        .app
        .tasks
        .submit(&stranger(1), {
            let mut new = keyed(1);
            new.turn = task("own", "hi").turn;
            new
        })
        .await
        .unwrap();
    assert_ne!(other.id, accepted[0].id, "keys belong to a principal");
    house.app.tasks.wait(other.id, SOON).await.unwrap();
    house.app.tasks.wait(accepted[0].id, SOON).await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn a_waiting_and_a_running_task_can_be_cancelled_and_retried() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let gate = Gate::new();
    upstream.script([Reply::chunks(["some ", "more"]).gated(&gate), Reply::text("again"), Reply::text("next")]);
    let running = house.app.tasks.submit(&operator(), task("s", "1")).await.unwrap();
    let waiting = house.app.tasks.submit(&operator(), task("s", "2")).await.unwrap();
    gate.reached_by(1).await;
    let cancelled = house.app.tasks.cancel(&operator(), &waiting.id.to_string()).await.unwrap();
    assert_eq!(cancelled.state.name(), StateName::Cancelled);
    assert!(matches!(all(house.app.tasks.read(waiting.id, 0)).await.last().unwrap().event, RunEvent::Cancelled { .. }));

    house.app.tasks.cancel(&operator(), &running.id.to_string()).await.unwrap();
    let ended = house.app.tasks.wait(running.id, SOON).await.unwrap().unwrap();
    assert_eq!(ended.state.name(), StateName::Cancelled);
    assert!(upstream.wait_within(Duration::from_secs(1), |counts| counts.answers == 0).await);
    let twice = house.app.tasks.cancel(&operator(), &running.id.to_string()).await.unwrap_err();
    assert!(matches!(twice, Error::Conflict { state: StateName::Cancelled, .. }), "{twice}");

    house.app.tasks.retry(&operator(), &running.id.to_string()).await.unwrap();
    let again = house.app.tasks.wait(running.id, SOON).await.unwrap().unwrap();
    assert_eq!((again.state.name(), again.attempt), (StateName::Completed, 2));
    let refused = house.app.tasks.retry(&operator(), &running.id.to_string()).await.unwrap_err();
    assert!(matches!(refused, Error::Conflict { verb: "retried", .. }), "{refused}");
    house.stop().await;
}

#[tokio::test]
async fn a_failing_upstream_costs_a_task_three_attempts_and_a_refusal_one() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.script([Reply::status(500, "a"), Reply::chunks(["x", "y"]).cut_after(1), Reply::text("good")]);
    let recovers = house.app.tasks.submit(&operator(), task("a", "hi")).await.unwrap();
    let events = all(house.app.tasks.read(recovers.id, 0)).await;
    assert_eq!(text_of(&events), "good");
    let retries = events.iter().filter(|event| matches!(event.event, RunEvent::Retrying { .. })).count();
    assert_eq!(retries, 2);
    let runs = house.app.tasks.runs(recovers.id).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2, 3]);

    upstream.script([Reply::status(500, "a"), Reply::status(500, "b"), Reply::status(500, "c")]);
    let fails = house.app.tasks.submit(&operator(), task("b", "hi")).await.unwrap();
    let failed = house.app.tasks.wait(fails.id, SOON).await.unwrap().unwrap();
    let claw_core::TaskState::Failed { failure, .. } = failed.state else { panic!("{failed:?}") };
    assert_eq!(failure.reason, FailureReason::Provider);

    upstream.script([Reply::status(400, "no")]);
    let refused = house.app.tasks.submit(&operator(), task("c", "hi")).await.unwrap();
    let failed = house.app.tasks.wait(refused.id, SOON).await.unwrap().unwrap();
    assert_eq!((failed.state.name(), failed.attempt), (StateName::Failed, 1));
    assert_eq!(upstream.requests().len(), 7);
    house.stop().await;
}

#[tokio::test]
async fn a_stranger_sees_and_stops_only_its_own() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let mine = house.app.tasks.submit(&stranger(1), task("mine", "hi")).await.unwrap();
    house.app.tasks.wait(mine.id, SOON).await.unwrap();
    let reference = mine.id.to_string();
    let absent = house.app.tasks.find(&stranger(2), "task_00000000000000000000000000000009").await.unwrap_err();
    let foreign = house.app.tasks.find(&stranger(2), &reference).await.unwrap_err();
    assert_eq!(foreign.to_string(), absent.to_string().replace("task_00000000000000000000000000000009", &reference));
    assert!(house.app.tasks.cancel(&stranger(2), &reference).await.is_err());
    assert!(house.app.tasks.retry(&stranger(2), &reference).await.is_err());
    assert_eq!(listed(&house.app, stranger(2)).await, 0);
    assert_eq!(listed(&house.app, stranger(1)).await, 1);
    assert_eq!(listed(&house.app, operator()).await, 1);
    house.stop().await;
}

async fn listed(app: &claw_app::App, principal: claw_core::Principal) -> usize {
    app.tasks.list(&principal, TaskFilter::default(), None, None).await.unwrap().items.len()
}

#[tokio::test]
async fn a_thousand_slow_runs_leave_room_for_the_next() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let gate = Gate::new();
    let held = gate.clone();
    upstream.respond_with(move |seen| {
        let reply = Reply::text("ok");
        if seen.last_user() == "slow" { reply.held(&held) } else { reply }
    });
    let submits = (0..1000).map(|n| {
        let app = house.app.clone();
        async move { app.tasks.submit(&operator(), task(&format!("s{n}"), "slow")).await.unwrap().id }
    });
    let ids = futures::future::join_all(submits).await;
    gate.reached_by(1000).await;
    let mut new = task("quick", "quick");
    new.lane = Lane::Interactive;
    let quick = house.app.tasks.submit(&operator(), new).await.unwrap();
    assert_eq!(house.app.tasks.wait(quick.id, SOON).await.unwrap().unwrap().state.name(), StateName::Completed);
    gate.open_for_good();
    for id in ids {
        assert_eq!(house.app.tasks.wait(id, SOON).await.unwrap().unwrap().state.name(), StateName::Completed);
    }
    house.stop().await;
}

/// A17: a run takes as long as it needs, unless its caller says how long.
#[tokio::test]
async fn a_run_ends_when_the_time_its_caller_gave_it_is_over() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.script([Reply::silence()]);
    let mut new = task("work", "count");
    new.turn.time_limit_s = Some(1);
    let id = house.app.tasks.submit(&operator(), new).await.unwrap().id;
    let done = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    let TaskState::Failed { failure, .. } = done.state else { panic!("{:?}", done.state) };
    let told = (failure.reason, failure.message.as_str());
    assert_eq!(told, (FailureReason::Limit, "the run did not end within the 1 s that its caller gave it"));
    house.stop().await;
}

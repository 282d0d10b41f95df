//! Runs that another gateway carries out (A12, A13, A19), against a double of one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claw_agent::{AgentProfile, Catalog, Executor};
use claw_app::chat::Place;
use claw_app::tasks::NewRun;
use claw_app::{Error, Settings};
use claw_core::provider::{Provider, Sampling, ToolSpec};
use claw_core::run::RunEvent;
use claw_core::task::{StateName, TaskState};
use claw_core::{AgentId, FailureReason, JsonText, Lane, Message, OnCrash, Secret, Task, Turn};
use claw_net::HttpClient;
use claw_providers::{V1Gateway as V1, V1Settings};
use claw_queue::{Depth, Queue as _, Ticket, TicketKind};
use claw_testkit::v1_gateway::Settings as Double;
use claw_testkit::{Gate, Reply, Upstream, V1Gateway};
use serde_json::json;

use crate::house::{Calls, House, SOON, all, operator, stranger, task, text_of, turn};

mod continuations;

fn executor(url: &str, token: &str, concurrent_max: usize) -> Executor {
    patient_executor(url, token, concurrent_max, SOON)
}

fn patient_executor(url: &str, token: &str, concurrent_max: usize, patience: Duration) -> Executor {
    claw_net::install_crypto();
    let client = HttpClient::new(claw_net::Settings::default()).unwrap().patient(patience);
    let settings = V1Settings { id: "v1".into(), url: url.to_owned(), token: Some(Secret::new(token)) };
    Executor::new(Arc::new(V1::new(settings, "main", client).unwrap()), "main", concurrent_max)
}

/// Agents of which `far` runs elsewhere by itself.
fn catalog(executor: Executor) -> Catalog {
    let far = AgentId::parse("far").unwrap();
    let profile = AgentProfile {
        id: far.clone(),
        name: None,
        system_prompt: Some("not sent".into()),
        model: None,
        fallbacks: None,
    };
    let none: Vec<Arc<dyn Provider>> = Vec::new();
    let assigned = BTreeMap::from([(far, executor.id().to_owned())]);
    Catalog::new(none, vec![profile], AgentId::main(), None).with_executors(vec![executor], assigned)
}

struct Pair {
    house: House,
    double: V1Gateway,
    directory: tempfile::TempDir,
}

impl Pair {
    async fn open(double: Double, concurrent_max: usize) -> Self {
        Self::with(double, |url| executor(url, "v1-token", concurrent_max)).await
    }

    async fn with(double: Double, executor: impl FnOnce(&str) -> Executor) -> Self {
        let double = V1Gateway::start(double).await;
        let directory = tempfile::tempdir().unwrap();
        let catalog = catalog(executor(&double.url()));
        let house =
            House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
        Self { house, double, directory }
    }

    /// The next process after the death of this one.
    async fn killed(self) -> Self {
        let Self { house, double, directory } = self;
        house.die().await;
        let catalog = catalog(executor(&double.url(), "v1-token", 10));
        let house =
            House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
        Self { house, double, directory }
    }

    async fn submit(&self, new: NewRun) -> claw_core::TaskId {
        self.house.app.tasks.submit(&operator(), new).await.unwrap().id
    }

    async fn ended(&self, id: claw_core::TaskId) -> Task {
        self.house.app.tasks.wait(id, SOON).await.unwrap().expect("the run ends")
    }

    async fn run(&self, new: NewRun) -> Task {
        let id = self.submit(new).await;
        self.ended(id).await
    }
}

/// A task that names the executor.
fn there(session: &str, text: &str) -> NewRun {
    let mut new = task(session, text);
    new.turn.executor = Some("v1".into());
    new
}

fn failure(task: &Task) -> (FailureReason, String) {
    match &task.state {
        TaskState::Failed { failure, .. } => (failure.reason, failure.message.clone()),
        other => panic!("{other:?}"),
    }
}

fn answer(task: &Task) -> (String, String, u64) {
    match &task.state {
        TaskState::Completed { output, .. } => {
            (output.text.to_string(), output.model.clone(), output.usage.output_tokens)
        }
        other => panic!("{other:?}"),
    }
}

/// A12, A13: what is sent is what the contract says, and what comes back is the task's result.
#[tokio::test]
async fn a_task_runs_on_another_gateway_and_its_conversation_goes_on_there() {
    let pair = Pair::open(Double::default(), 10).await;
    let first = pair.submit(there("talk", "one two")).await;
    let events = all(pair.house.app.tasks.read(first, 0)).await;
    assert_eq!(text_of(&events), "one two");
    assert!(matches!(&events[0].event, RunEvent::Started { model, .. } if model == "v1/main"));
    assert_eq!(answer(&pair.ended(first).await), ("one two".into(), "v1/main".into(), 2));
    pair.run(there("talk", "three")).await;

    let seen = pair.double.upstream().requests();
    let wanted = |text: &str| {
        json!({"model": "openclaw", "messages": [{"role": "user", "content": text}],
               "stream": true, "stream_options": {"include_usage": true}})
    };
    assert_eq!(seen.iter().map(|seen| seen.body.clone()).collect::<Vec<_>>(), [wanted("one two"), wanted("three")]);
    for seen in &seen {
        assert_eq!(seen.header("authorization"), "Bearer v1-token");
        assert_eq!(seen.header("x-openclaw-agent-id"), "main");
        assert_eq!(seen.header("x-openclaw-session-key"), "agent:main:v2:main:talk");
        assert_eq!(seen.header("content-type"), "application/json");
    }
    assert_eq!(pair.double.upstream().counts().connections, 1, "the connection is used again");
    pair.house.stop().await;
}

/// What a caller says of sampling and thinking goes along; what only looks as if it were obeyed is refused.
#[tokio::test]
async fn how_a_caller_wants_it_sampled_goes_along() {
    let pair = Pair::open(Double::default(), 10).await;
    let mut new = there("s", "hi");
    new.turn.thinking = Some("high".into());
    new.turn.sampling = Sampling {
        temperature: Some(0.5),
        top_p: Some(0.25),
        max_tokens: Some(7),
        stop: vec!["END".into()],
        seed: Some(3),
        ..Sampling::default()
    };
    assert_eq!(answer(&pair.run(new).await).0, "hi");
    let seen = pair.double.upstream().requests().pop().unwrap();
    assert_eq!(
        seen.body,
        json!({"model": "openclaw", "messages": [{"role": "user", "content": "hi"}],
               "stream": true, "stream_options": {"include_usage": true}, "temperature": 0.5, "top_p": 0.25,
               "max_tokens": 7, "stop": ["END"], "seed": 3, "reasoning_effort": "high"})
    );
    let mut new = there("s", "hi");
    new.turn.sampling.response_format = Some(JsonText::new(r#"{"type":"text"}"#));
    pair.run(new.clone()).await;
    new.turn.sampling.response_format = Some(JsonText::new(r#"{"type":"json_object"}"#));
    let refused = pair.house.app.tasks.submit(&operator(), new).await.map(drop);
    assert!(matches!(&refused, Err(Error::Invalid { field, .. }) if field == "response_format"), "{refused:?}");
    pair.house.stop().await;
}

/// An agent's runs go there by themselves, and a caller that keeps its conversation sends all of it.
#[tokio::test]
async fn an_agents_runs_go_there_and_a_caller_that_keeps_its_conversation_sends_all_of_it() {
    let pair = Pair::open(Double::default(), 10).await;
    let key = claw_core::SessionKey::resolve("agent:far:me", &AgentId::main()).unwrap();
    let given = vec![Message::System { text: "Be brief.".into() }, Message::user("before")];
    let turn = Turn { context: claw_core::turn::Context::Given(given), ..Turn::text(key, "now") };
    let run = pair.house.app.chat.start(&operator(), turn, Place::Fresh).await.unwrap();
    assert_eq!(run.output().await.unwrap().text, "now");
    let seen = pair.double.upstream().requests().pop().unwrap();
    assert_eq!(seen.header("x-openclaw-session-key"), "");
    assert_eq!(
        seen.messages(),
        [
            json!({"role": "system", "content": "Be brief."}),
            json!({"role": "user", "content": "before"}),
            json!({"role": "user", "content": "now"}),
        ]
    );
    pair.house.stop().await;
}

/// A12, A19: a hundred runs at once leave a hundred connections, and the next hundred use them again.
#[tokio::test]
async fn a_hundred_connections_are_kept_and_used_again() {
    let pair = Pair::open(Double::default(), 100).await;
    for round in 0..2 {
        let gate = Gate::new();
        let held = gate.clone();
        pair.double.respond_with(move |seen| Reply::echo(seen).held(&held));
        let mut ids = Vec::new();
        for number in 0..100 {
            ids.push(pair.submit(there(&format!("r{round}-{number}"), "hi")).await);
        }
        tokio::time::timeout(SOON, gate.reached_by(100)).await.expect("all of them are on at once");
        gate.open_for_good();
        for id in ids {
            assert_eq!(answer(&pair.ended(id).await).0, "hi");
        }
        // Whoever has answered may still be reading the end.
        pair.double.upstream().answered().await;
    }
    assert_eq!(pair.double.upstream().counts().connections, 100);
    pair.house.stop().await;
}

/// A19: 200 tasks through a gateway that takes three at once, of which nobody was told: all are done, once.
#[tokio::test]
async fn two_hundred_tasks_go_through_a_limit_of_three_and_none_fails() {
    let pair = Pair::open(Double { concurrent_max: 3, retry_after: "0".into(), ..Double::default() }, 20).await;
    pair.double.respond_with(|seen| Reply::echo(seen).late(Duration::from_millis(2)));
    let mut ids = Vec::new();
    for number in 0..200 {
        ids.push(pair.submit(there(&format!("s{number}"), &format!("work {number}"))).await);
    }
    for (number, id) in ids.into_iter().enumerate() {
        let task = pair.ended(id).await;
        assert_eq!((answer(&task).0, task.failures), (format!("work {number}"), 0));
    }
    assert_eq!(pair.double.most(), 3);
    let (asked, sent_away) = (pair.double.upstream().counts().requests, pair.double.sent_away());
    assert_eq!(asked, 200 + u64::try_from(sent_away).unwrap(), "nothing was asked twice");
    assert!(sent_away < 100, "the limit was found: {sent_away} were sent away");
    let gate = pair.house.app.health.snapshot().await.executors.pop().unwrap();
    assert_eq!((gate.executor.as_str(), gate.running, gate.concurrent_max), ("v1", 0, 20));
    pair.house.stop().await;
}

/// One that is turned away whatever room there is takes none from the others, asks less and less, and says why it waits.
#[tokio::test]
async fn a_task_that_is_always_turned_away_holds_up_nobody_and_says_why_it_waits() {
    let pair = Pair::open(Double::default(), 3).await;
    pair.double.respond_with(|seen| match seen.last_user().as_str() {
        "never" => Reply::words(429, "this session is busy").retry_after("0"),
        _ => Reply::echo(seen),
    });
    let never = pair.submit(there("n", "never")).await;
    for number in 0..40 {
        assert_eq!(answer(&pair.run(there(&format!("s{number}"), "hi")).await).0, "hi");
    }
    let mut reader = pair.house.app.tasks.read(never, 0);
    let tried_again = async {
        let mut times = 0;
        while times < 4 {
            pair.run(there("other", "hi")).await;
            let event = reader.next().await.unwrap().expect("it waits");
            if let RunEvent::Retrying { failure, .. } = &event.event {
                assert_eq!(failure.message, "v1 is busy: HTTP 429: this session is busy");
                times += 1;
            }
        }
    };
    tokio::time::timeout(SOON, tried_again).await.expect("it is tried again");
    let found = pair.house.app.tasks.find(&operator(), &never.to_string()).await.unwrap();
    assert_eq!((found.state.name(), found.failures), (StateName::Queued, 0));
    let attempts = pair.house.app.tasks.runs(never).await.unwrap();
    assert!(
        attempts.iter().all(|attempt| attempt.error.as_deref() == Some("v1 is busy: HTTP 429: this session is busy"))
    );
    let gate = pair.house.app.health.snapshot().await.executors.pop().unwrap();
    assert_eq!((gate.open, gate.running), (3, 0), "the others have all the room there is");
    pair.double.respond_with(Reply::echo);
    assert_eq!(answer(&pair.ended(never).await).0, "never");
    pair.house.stop().await;
}

/// Those who wait for room hold no worker: other work goes on, and a caller on the line waits its turn.
#[tokio::test]
async fn whoever_waits_for_room_holds_no_worker_and_goes_when_somebody_leaves() {
    let pair = Pair::open(Double { concurrent_max: 1, ..Double::default() }, 1).await;
    let gate = Gate::new();
    let held = gate.clone();
    pair.double.respond_with(move |seen| Reply::echo(seen).held(&held));
    let first = pair.submit(there("a", "first")).await;
    gate.reached_by(1).await;
    let waiting = pair.submit(there("b", "second")).await;
    let urgent = pair.submit(NewRun { lane: Lane::Interactive, ..there("c", "third") }).await;
    let caller = pair.house.app.chat.start(&operator(), there("d", "fourth").turn, Place::Fresh).await.unwrap();
    let waits = async {
        loop {
            let snapshot = pair.house.app.health.snapshot().await;
            if snapshot.queue.unwrap().delayed == 2 && snapshot.workers.unwrap().running == [0, 1, 0] {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, waits).await.expect("those without room give their workers back");
    let found = pair.house.app.tasks.find(&operator(), &waiting.to_string()).await.unwrap();
    assert_eq!(found.state.name(), StateName::Queued);
    gate.open_for_good();
    for id in [first, waiting, urgent] {
        assert_eq!(pair.ended(id).await.state.name(), StateName::Completed);
    }
    assert_eq!(caller.output().await.unwrap().text, "fourth");
    assert_eq!((pair.double.most(), pair.double.sent_away()), (1, 0));
    pair.house.stop().await;
}

/// A ticket that came too late – its task has run – takes no place in line, and no room.
#[tokio::test]
async fn a_stale_ticket_does_not_wait_for_room() {
    let pair = Pair::open(Double { concurrent_max: 1, ..Double::default() }, 1).await;
    let over = pair.run(there("a", "first")).await;
    let gate = Gate::new();
    let held = gate.clone();
    pair.double.respond_with(move |seen| Reply::echo(seen).held(&held));
    let on = pair.submit(there("b", "second")).await;
    gate.reached_by(1).await;
    for subject in [over.id, on] {
        let (lane, priority) = (Lane::Standard, over.priority);
        let stale = Ticket { kind: TicketKind::Run, subject: subject.uuid(), attempt: 0, lane, priority };
        pair.house.queue.push(stale, Duration::ZERO).await.unwrap();
        assert_eq!(pair.house.queue.restore(stale, Duration::ZERO).await, Ok(false));
    }
    let gone = async {
        let behind = Depth { delayed: 1, claimed: 1, ..Depth::default() };
        while pair.house.queue.depth().await.unwrap() != behind {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("only the one behind the claim is left");
    gate.open_for_good();
    assert_eq!(answer(&pair.ended(on).await).0, "second");
    let empty = async {
        while pair.house.queue.depth().await.unwrap() != Depth::default() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, empty).await.expect("and that one is looked at and gone");
    pair.house.stop().await;
}

/// A12: a refusal is the task's error word for word, our token taken out, and nothing is asked again.
#[tokio::test]
async fn a_refusal_is_the_tasks_error_word_for_word() {
    let pair = Pair::open(Double::default(), 10).await;
    pair.double.respond_with(|seen| match seen.last_user().as_str() {
        "boom" => Reply::words(500, "it broke:\n  v1-token is no secret"),
        "empty" => Reply::words(502, ""),
        "bad" => Reply::words(400, "{\"error\":{\"message\":\"no\"}}"),
        _ => Reply::text("fine"),
    });
    for (asked, reason, message) in [
        ("boom", FailureReason::Provider, "HTTP 500: it broke:\n  *** is no secret"),
        ("empty", FailureReason::Provider, "HTTP 502: "),
        ("bad", FailureReason::Request, "HTTP 400: {\"error\":{\"message\":\"no\"}}"),
    ] {
        let task = pair.run(there(asked, asked)).await;
        assert_eq!((failure(&task), task.attempt), ((reason, message.to_owned()), 1));
    }
    assert_eq!(pair.double.upstream().counts().requests, 3);
    // 401 and 404 come before any run there.
    pair.double.change_token("another");
    let task = pair.run(there("locked", "locked")).await;
    assert_eq!(failure(&task), (FailureReason::Provider, "HTTP 401: Unauthorized".into()));
    // A19: the next run uses the configuration's new token.
    pair.house.app.adopt(claw_app::Live {
        notes: std::sync::Arc::new(()),
        memory_retention: None,
        compaction: claw_app::Compaction::default(),
        quotas: claw_app::limiter::Quotas::NONE,
        catalog: Arc::new(catalog(executor(&pair.double.url(), "another", 10))),
        courier: Arc::new(claw_net::egress::Egress::new(claw_net::egress::AllowList::default())),
        webhook_secret: None,
        concurrent_max: 10,
        attempts_default: 3,
    });
    let retried = pair.house.app.tasks.retry(&operator(), &task.id.to_string()).await.unwrap();
    assert_eq!(answer(&pair.ended(retried.id).await).0, "fine");
    pair.house.stop().await;
}

/// G8, G3: what breaks off is an error that says what is known, and is not asked again by itself.
#[tokio::test]
async fn a_run_that_breaks_off_there_is_not_repeated_unless_that_was_asked_for() {
    let pair = Pair::open(Double::default(), 10).await;
    pair.double.respond_with(|seen| match seen.number {
        1 | 2 => Reply::chunks(["so ", "far"]).cut_after(1),
        _ => Reply::text("done"),
    });
    let task = pair.run(there("s", "work")).await;
    let (reason, message) = failure(&task);
    assert_eq!(reason, FailureReason::Provider);
    assert!(message.starts_with("v1 broke off: "), "{message}");
    assert!(message.contains("what v1 did until then stands, so it is not asked again by itself"), "{message}");
    assert!(message.ends_with("its conversation goes on there as \"agent:main:v2:main:s\""), "{message}");
    assert_eq!(pair.double.upstream().counts().requests, 1);

    let again = pair.run(NewRun { on_crash: OnCrash::Retry, ..there("s", "work") }).await;
    assert_eq!((answer(&again).0, again.attempt), ("done".into(), 2));
    pair.house.stop().await;
}

/// A17: the other gateway's own limit ends a run truthfully; how long it is silent before does not matter here.
#[tokio::test]
async fn the_other_gateways_limit_is_told_and_a_slow_start_is_none() {
    let limit = Duration::from_millis(300);
    let pair = Pair::open(Double { run_limit: limit, ..Double::default() }, 10).await;
    let never = Gate::new();
    pair.double.respond_with(move |seen| match seen.last_user().as_str() {
        "slow" => Reply::text("at last").late(Duration::from_millis(400)),
        _ => Reply::chunks(["some", "more"]).held_before_end(&never),
    });
    let slow = pair.submit(there("slow", "slow")).await;
    let cut = pair.run(there("long", "long")).await;
    assert!(failure(&cut).1.starts_with("v1 broke off: "), "{cut:?}");
    assert_eq!(answer(&pair.ended(slow).await).0, "at last");
    pair.house.stop().await;
}

/// Nobody there: nothing was begun, so a task is tried again, and three times at most.
#[tokio::test]
async fn a_gateway_that_is_not_there_costs_a_task_its_attempts() {
    let (directory, gone) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let url = format!("http://{}", gone.address());
    gone.stop().await;
    let catalog = catalog(executor(&url, "t", 10));
    let house = House::open_over(directory.path(), catalog, Vec::new(), Settings::default(), Calls::default()).await;
    let id = house.app.tasks.submit(&operator(), there("s", "hi")).await.unwrap().id;
    let ended = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!((ended.attempt, ended.failures), (3, 3));
    assert!(failure(&ended).1.starts_with("v1 cannot be reached: "), "{ended:?}");
    house.stop().await;
}

/// G3: what another gateway had when this one died may have been done, so it is not asked again.
#[tokio::test]
async fn a_death_while_another_gateway_works_ends_the_task_and_repeats_nothing() {
    let pair = Pair::open(Double::default(), 10).await;
    let gate = Gate::new();
    let held = gate.clone();
    pair.double.respond_with(move |seen| match seen.number {
        1 | 2 => Reply::echo(seen).held(&held),
        _ => Reply::echo(seen),
    });
    let lost = pair.submit(there("a", "careful")).await;
    let bold = pair.submit(NewRun { on_crash: OnCrash::Retry, ..there("b", "bold") }).await;
    gate.reached_by(2).await;
    let pair = pair.killed().await;
    let (reason, message) = failure(&pair.ended(lost).await);
    assert_eq!(reason, FailureReason::Interrupted);
    assert!(message.contains("executor:v1"), "{message}");
    assert_eq!(answer(&pair.ended(bold).await).0, "bold");
    // By hand it is asked again: somebody has looked.
    pair.house.app.tasks.retry(&operator(), &lost.to_string()).await.unwrap();
    assert_eq!(answer(&pair.ended(lost).await).0, "careful");
    pair.house.stop().await;
}

/// What cannot be had there is refused before anything is accepted; a key's runs stay here.
#[tokio::test]
async fn what_cannot_be_chosen_there_is_refused_at_once() {
    let pair = Pair::open(Double::default(), 10).await;
    let submit = |new: NewRun| async { pair.house.app.tasks.submit(&operator(), new).await.map(drop) };
    let absent = |id: &str| Err(Error::NotFound { what: "executor", id: id.into() });
    let with = |change: fn(&mut Turn)| {
        let mut new = there("s", "hi");
        change(&mut new.turn);
        new
    };
    assert_eq!(submit(with(|turn| turn.executor = Some("v7".into()))).await, absent("v7"));
    let field = |result: Result<(), Error>| match result {
        Err(Error::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(submit(with(|turn| turn.model = Some("p/m".into()))).await), "model");
    let tool = || ToolSpec::new("t", "", JsonText::new("{}"));
    let mut new = there("s", "hi");
    new.turn.client_tools.push(tool());
    assert_eq!(field(submit(new).await), "tools");
    let by_key = pair.house.app.tasks.submit(&stranger(1), there("s", "hi")).await.map(drop);
    assert_eq!(by_key, absent("v1"));
    let far = NewRun::of(turn("agent:far:s", "hi"), Lane::Standard);
    let theirs = pair.house.app.tasks.submit(&stranger(1), far).await.map(drop);
    assert_eq!(theirs, Err(Error::NotFound { what: "agent", id: "far".into() }));
    // G13: an agent that a key may not ask is not shown to it.
    let shown = |principal: &claw_core::Principal| -> Vec<String> {
        pair.house.app.models.agents(principal).iter().map(|agent| agent.id.to_string()).collect()
    };
    assert!(shown(&operator()).contains(&"far".to_owned()) && !shown(&stranger(1)).contains(&"far".to_owned()));
    assert!(shown(&stranger(1)).contains(&"main".to_owned()));
    assert_eq!(pair.double.upstream().counts().requests, 0);
    pair.house.stop().await;
}

/// A caller who hangs up ends the run there, too.
#[tokio::test]
async fn a_caller_who_hangs_up_closes_the_other_gateways_connection() {
    let pair = Pair::open(Double::default(), 10).await;
    let gate = Gate::new();
    let held = gate.clone();
    pair.double.respond_with(move |seen| Reply::echo(seen).held_before_end(&held));
    let run = pair.house.app.chat.start(&operator(), there("d", "fourth").turn, Place::Fresh).await.unwrap();
    pair.double.upstream().requested(1).await;
    drop(run);
    pair.double.upstream().answered().await;
    pair.house.stop().await;
}

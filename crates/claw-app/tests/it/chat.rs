//! Runs with a caller on the line.

use std::time::Duration;

use claw_app::chat::Place;
use claw_app::limiter::Pass;
use claw_app::tasks::NewRun;
use claw_app::{Error, Idempotency, Settings};
use claw_core::message::JsonText;
use claw_core::provider::{FinishReason, ToolSpec};
use claw_core::task::StateName;
use claw_core::{FailureReason, Lane, Message, ToolCall, Turn};
use claw_testkit::{Gate, Reply, Upstream};

use crate::house::{House, SOON, operator, stranger, turn};

#[tokio::test]
async fn a_caller_gets_the_answer_and_the_ledger_gets_the_run() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.script([Reply::text("Paris.")]);
    let run = house.app.chat.start(&operator(), turn("fresh", "Capital of France?"), Place::Fresh).await.unwrap();
    let (id, session) = (run.id, run.session.clone());
    let output = run.output().await.unwrap();
    assert_eq!(
        (output.text.as_str(), output.finish, output.model.as_str()),
        ("Paris.", FinishReason::Stop, "mock/mock-1")
    );
    assert!(output.usage.total() > 0);

    let history = house.app.sessions.history(&operator(), &session, None, 10).await.unwrap();
    let said: Vec<_> = history.iter().map(|m| (m.message.role(), m.message.text())).collect();
    assert_eq!(said, [("user", "Capital of France?".into()), ("assistant", "Paris.".into())]);
    let task = house.app.tasks.find(&operator(), &id.to_string()).await.unwrap();
    assert_eq!((task.state.name(), task.attempt), (StateName::Completed, 1));
    house.stop().await;
}

#[tokio::test]
async fn the_model_asks_for_the_time_and_answers_with_it() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.script([Reply::tool_call("session_status", "{}"), Reply::text("It is noon.")]);
    let run = house.app.chat.start(&operator(), turn("clock", "What time is it?"), Place::Fresh).await.unwrap();
    assert_eq!(run.output().await.unwrap().text, "It is noon.");
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].last_role(), "tool");
    assert!(requests[1].messages().last().unwrap().to_string().contains("agent:main:clock"));
    house.stop().await;
}

#[tokio::test]
async fn a_call_of_the_callers_own_tool_is_handed_to_the_caller() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.script([Reply::tool_call("lights", r#"{"on":true}"#)]);
    let mut ask = turn("home", "Lights!");
    ask.client_tools = vec![ToolSpec::new("lights", "", JsonText::new(r#"{"type":"object"}"#))];
    let run = house.app.chat.start(&operator(), ask, Place::Fresh).await.unwrap();
    let output = run.output().await.unwrap();
    assert_eq!(output.finish, FinishReason::ToolCalls);
    assert_eq!(output.tool_calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["lights"]);
    house.stop().await;
}

/// Of one round the gateway's own calls are made and the caller's are handed over; with their answers it goes on, also in
/// another process.
#[tokio::test]
async fn a_round_with_own_calls_and_the_callers_loses_neither() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let both = Reply::tool_call("lights", "{}").and_tool_call("session_status", "{}").and_tool_call("blinds", "{}");
    upstream.script([both, Reply::text("Done.")]);
    let tool = |name: &str| ToolSpec::new(name, "", JsonText::new(r#"{"type":"object"}"#));
    let client_tools = vec![tool("lights"), tool("blinds")];
    let ask = Turn { client_tools: client_tools.clone(), ..turn("home", "Lights!") };
    let asked = house.app.chat.start(&operator(), ask, Place::Named).await.unwrap().output().await.unwrap();
    let names: Vec<&str> = asked.tool_calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!((asked.finish, names), (FinishReason::ToolCalls, vec!["lights", "blinds"]));
    assert_eq!(upstream.counts().requests, 1);
    house.stop().await;

    let house = House::open(directory.path(), &upstream).await;
    let answer = |call: &ToolCall| Message::Tool { call_id: call.id.clone(), text: "on".into(), is_error: false };
    let input = asked.tool_calls.iter().map(answer).collect();
    let go_on = Turn { client_tools, input, ..turn("home", "") };
    let answered = house.app.chat.start(&operator(), go_on, Place::Named).await.unwrap().output().await.unwrap();
    assert_eq!(answered.text, "Done.");
    let requests = upstream.requests();
    let shown = requests.last().unwrap().messages().iter();
    let shown: Vec<(String, Vec<String>)> = shown
        .map(|message| {
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            let names = calls.map(|call| call["function"]["name"].as_str().unwrap().to_owned());
            (message["role"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect();
    let said = |role: &str, calls: &[&str]| (role.to_owned(), calls.iter().map(|name| (*name).to_owned()).collect());
    let expected = [
        said("user", &[]),
        said("assistant", &["session_status"]),
        said("tool", &[]),
        said("assistant", &["lights", "blinds"]),
        said("tool", &[]),
        said("tool", &[]),
    ];
    assert_eq!(shown, expected);
    house.stop().await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_closes_the_upstream_within_a_second() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let gate = Gate::new();
    upstream.script([Reply::chunks(["a", "b"]).gated(&gate)]);
    let run = house.app.chat.start(&operator(), turn("left", "hi"), Place::Fresh).await.unwrap();
    let id = run.id;
    gate.reached_by(1).await;
    drop(run);
    assert!(upstream.wait_within(Duration::from_secs(1), |counts| counts.answers == 0).await);
    let task = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!(task.state.name(), StateName::Cancelled);
    house.stop().await;
}

#[tokio::test]
async fn a_caller_whose_patience_ends_leaves_with_a_task() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let settings = Settings { wait_max: Duration::from_millis(50), ..Settings::default() };
    let house = House::open_with(directory.path(), &upstream, vec![], settings).await;
    let gate = Gate::new();
    upstream.script([Reply::text("late").held(&gate)]);
    let run = house.app.chat.start(&operator(), turn("slow", "hi"), Place::Fresh).await.unwrap();
    let id = run.id;
    let refused = run.output().await.unwrap_err();
    assert_eq!(refused, Error::StillRunning { task: id, waited: Duration::from_millis(50) });
    gate.open_for_good();
    let task = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!(task.state.name(), StateName::Completed);
    house.stop().await;
}

#[tokio::test]
async fn a_named_session_remembers_and_a_stranger_does_not_see_it() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    for text in ["one", "two"] {
        let run = house.app.chat.start(&operator(), turn("talk", text), Place::Named).await.unwrap();
        run.output().await.unwrap();
    }
    let requests = upstream.requests();
    let seen: Vec<_> = requests[1].messages().iter().map(|m| m["role"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, ["user", "assistant", "user"]);
    let key = turn("talk", "").session;
    assert_eq!(house.app.sessions.history(&stranger(1), &key, None, 10).await.unwrap(), []);
    // The same name means another conversation to somebody else (G13).
    let other = house.app.chat.start(&stranger(1), turn("talk", "mine?"), Place::Named).await.unwrap();
    assert_ne!(other.session, key);
    other.output().await.unwrap();
    let asked: Vec<_> = upstream.requests()[2].messages().iter().map(|said| said["content"].clone()).collect();
    assert_eq!(asked, ["mine?"], "nothing of the operator's reaches it");
    house.stop().await;
}

#[tokio::test]
async fn an_upstream_that_fails_is_asked_again_and_its_error_is_no_answer() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.script([Reply::status(500, "boom"), Reply::status(429, "slow down"), Reply::text("fine")]);
    let run = house.app.chat.start(&operator(), turn("retry", "hi"), Place::Fresh).await.unwrap();
    assert_eq!(run.output().await.unwrap().text, "fine");

    upstream.script([Reply::status(500, "boom"), Reply::status(500, "boom"), Reply::status(500, "boom")]);
    let run = house.app.chat.start(&operator(), turn("down", "hi"), Place::Fresh).await.unwrap();
    let session = run.session.clone();
    let Err(Error::Run(failure)) = run.output().await else { panic!("it must fail") };
    assert_eq!(failure.reason, FailureReason::Provider);
    let history = house.app.sessions.history(&operator(), &session, None, 10).await.unwrap();
    assert!(history.iter().all(|m| matches!(m.message, Message::User { .. })), "{history:?}");
    assert_eq!(upstream.requests().len(), 6, "three tries each, no more");
    house.stop().await;
}

#[tokio::test]
async fn an_answer_cut_in_the_middle_is_an_error_and_its_part_is_kept() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    upstream.script([Reply::chunks(["half ", "of ", "it"]).cut_after(2)]);
    let run = house.app.chat.start(&operator(), turn("cut", "hi"), Place::Fresh).await.unwrap();
    let session = run.session.clone();
    assert!(matches!(run.output().await, Err(Error::Run(_))));
    let history = house.app.sessions.history(&operator(), &session, None, 10).await.unwrap();
    assert_eq!(history.last().unwrap().message.text(), "half of ");
    assert_eq!(upstream.requests().len(), 1, "text that was shown is not started over");
    house.stop().await;
}

#[tokio::test]
async fn what_nobody_has_is_refused_before_anything_is_made() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let mut ask = turn("x", "hi");
    ask.model = Some("mock/none".into());
    let refused = house.app.chat.start(&operator(), ask, Place::Fresh).await.map(drop).unwrap_err();
    assert!(matches!(&refused, Error::UnknownModel(text) if text.contains("mock/mock-1")), "{refused}");
    let refused =
        house.app.chat.start(&operator(), turn("agent:nobody:x", "hi"), Place::Fresh).await.map(drop).unwrap_err();
    assert!(matches!(refused, Error::NotFound { what: "agent", .. }), "{refused}");
    let mut reader = stranger(2);
    reader.scopes = claw_core::Scopes::of(&[claw_core::Scope::Read]);
    let refused = house.app.chat.start(&reader, turn("x", "hi"), Place::Fresh).await.map(drop).unwrap_err();
    assert_eq!(refused, Error::Forbidden("operator.write"));
    assert_eq!(house.store.counts().await.unwrap(), claw_store::Counts::default());
    house.stop().await;
}

/// G4.
#[tokio::test]
async fn a_run_under_a_key_goes_on_in_the_next_process_and_is_told_there() {
    for crashes in [false, true] {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let gate = Gate::new();
        upstream.script([Reply::chunks(["a", "b"]).gated(&gate), Reply::text("whole")]);
        let keyed = || {
            let idempotency = Some(Idempotency { key: "k".into(), digest: [1; 32] });
            NewRun { idempotency, ..NewRun::of(turn("keyed", "hi"), Lane::Interactive) }
        };
        let house = House::open(directory.path(), &upstream).await;
        let run = house.app.chat.start_keyed(&operator(), keyed(), Pass::default()).await.unwrap();
        let (id, is_replay) = (run.id, run.is_replay);
        assert!(!is_replay);
        gate.reached_by(1).await;
        if crashes {
            drop(run);
            house.die().await;
        } else {
            let (told, ()) = tokio::join!(run.output(), house.stop());
            assert_eq!(told, Err(Error::Stopping));
        }
        let house = House::open(directory.path(), &upstream).await;
        for _ in 0..2 {
            let run = house.app.chat.start_keyed(&operator(), keyed(), Pass::default()).await.unwrap();
            assert_eq!((run.id, run.is_replay), (id, true));
            assert_eq!(run.output().await.unwrap().text, "whole");
        }
        assert_eq!(upstream.requests().len(), 2, "once in each process");
        house.stop().await;
    }
}

/// G9: reasoning without end fills neither the disk nor anybody's patience.
#[tokio::test]
async fn reasoning_without_end_ends_the_run() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let house = House::open(directory.path(), &upstream).await;
    let thought = serde_json::json!({"choices": [{"index": 0, "delta": {"reasoning_content": "x".repeat(60_000)}}]});
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"at last\"},\"finish_reason\":\"stop\"}]}\n\n";
    let thinking = |times| Reply::verbatim("text/event-stream", format!("data: {thought}\n\n").repeat(times) + end);
    upstream.script([thinking(100), thinking(200)]);
    let ask = async || house.app.chat.start(&operator(), turn("x", "hi"), Place::Fresh).await.unwrap().output().await;
    assert_eq!(ask().await.unwrap().text, "at last");
    let Err(Error::Run(failure)) = ask().await else { panic!("it goes on") };
    let message = format!("the model's reasoning is longer than {} bytes", claw_agent::limits::ANSWER_BYTES_MAX);
    assert_eq!((failure.reason, failure.message), (FailureReason::Limit, message));
    house.stop().await;
}

//! Rounds in which a model asks the gateway and its caller, whatever comes between the calls and their answers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use claw_app::Settings;
use claw_app::tasks::NewRun;
use claw_core::approval::Decision;
use claw_core::audit::Door;
use claw_core::message::JsonText;
use claw_core::permission::{Permissions, Rules};
use claw_core::provider::{FinishReason, ToolSpec};
use claw_core::tool::{Tool, ToolContext, ToolError};
use claw_core::{FailureReason, Lane, Message, OnCrash, Output, Task, TaskState, ToolCall, Turn};
use claw_testkit::{Gate, Reply, Upstream};

use crate::approvals::{open, question};
use crate::house::{House, SOON, operator, turn};

/// A tool that counts its calls and can be held.
struct Work {
    gate: Gate,
    is_idempotent: bool,
    done: AtomicU32,
}

impl Work {
    fn new(is_idempotent: bool) -> Arc<Self> {
        Arc::new(Self { gate: Gate::new(), is_idempotent, done: 0.into() })
    }
    fn done(&self) -> u32 {
        self.done.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Tool for Work {
    fn spec(&self) -> ToolSpec {
        spec("work")
    }
    fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }
    async fn call(&self, _: &ToolContext, _: &JsonText) -> Result<String, ToolError> {
        self.done.fetch_add(1, Ordering::SeqCst);
        self.gate.pass().await;
        Ok("worked".into())
    }
}

fn spec(name: &str) -> ToolSpec {
    ToolSpec::new(name, "", JsonText::new(r#"{"type":"object"}"#))
}

/// A turn of somebody who has two tools of his own.
fn ask(text: &str) -> Turn {
    Turn { client_tools: vec![spec("lights"), spec("blinds")], ..turn("home", text) }
}

/// The model asks for four things at once, two of them the caller's.
fn script(upstream: &Upstream) {
    let first = Reply::tool_call("lights", r#"{"on":1}"#).and_tool_call("work", "{}");
    upstream.script([first.and_tool_call("session_status", "{}").and_tool_call("blinds", "{}"), Reply::text("Done.")]);
}

fn output(task: &Task) -> &Output {
    let TaskState::Completed { output, .. } = &task.state else { panic!("{task:?}") };
    output
}

/// The caller gets both calls, the model was asked once; and with their answers it is shown the round whole.
async fn is_handed_over(house: &House, upstream: &Upstream, task: &Task) {
    let output = output(task);
    let calls: Vec<_> = output.tool_calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect();
    assert_eq!((output.finish, calls), (FinishReason::ToolCalls, vec![("lights", r#"{"on":1}"#), ("blinds", "{}")]));
    assert_eq!(upstream.counts().requests, 1);

    let answer = |call: &ToolCall| Message::Tool { call_id: call.id.clone(), text: "on".into(), is_error: false };
    let go_on = Turn { input: output.tool_calls.iter().map(answer).collect(), ..ask("") };
    let next = house.app.tasks.submit(&operator(), NewRun::of(go_on, Lane::Standard)).await.unwrap();
    let next = house.app.tasks.wait(next.id, SOON).await.unwrap().unwrap();
    assert_eq!(self::output(&next).text.as_str(), "Done.");
    let requests = upstream.requests();
    let mut asked = Vec::new();
    let mut answered = Vec::new();
    let mut shown = Vec::new();
    for message in requests.last().unwrap().messages() {
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            asked.push(call["id"].clone());
            shown.push(call["function"]["name"].as_str().unwrap().to_owned());
        }
        answered.extend(message.get("tool_call_id").cloned());
    }
    assert_eq!(shown, ["work", "session_status", "lights", "blinds"]);
    assert_eq!(asked, answered, "every call has its answer, once and in its place");
}

/// A house where somebody has to be asked for `work`.
async fn asking(directory: &Path, upstream: &Upstream, work: &Arc<Work>) -> House {
    let rules = Rules { ask: vec!["work".parse().unwrap()], ..Rules::default() };
    let permissions = Permissions { general: rules, ..Permissions::default() };
    open(directory, upstream, vec![Arc::<Work>::clone(work)], permissions).await
}

/// Whoever has to be asked for one of our calls, and whatever he says, the caller's are handed over; also by another process.
#[tokio::test]
async fn an_approval_in_a_mixed_round_loses_no_call_of_the_callers() {
    for (decision, done, dies) in
        [(Decision::AllowOnce, 1, false), (Decision::AllowOnce, 1, true), (Decision::Deny, 0, true)]
    {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let work = Work::new(false);
        work.gate.open_for_good();
        script(&upstream);
        let mut house = asking(directory.path(), &upstream, &work).await;
        let id = house.app.tasks.submit(&operator(), NewRun::of(ask("go"), Lane::Standard)).await.unwrap().id;
        let (_waiting, asked) = question(&house.app, id).await;
        if dies {
            house.store.settled().await.unwrap();
            house.die().await;
            house = asking(directory.path(), &upstream, &work).await;
        }
        house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), decision).await.unwrap();
        let ended = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
        assert_eq!(work.done(), done, "{decision:?}");
        is_handed_over(&house, &upstream, &ended).await;
        house.stop().await;
    }
}

/// G3: a death in one of our calls loses no call of the caller's, nor ours behind it, and repeats only what may be.
#[tokio::test]
async fn a_death_in_a_mixed_round_loses_no_call_of_the_callers() {
    for (is_idempotent, on_crash, done) in
        [(true, OnCrash::Fail, 2), (true, OnCrash::Retry, 2), (false, OnCrash::Fail, 1), (false, OnCrash::Retry, 2)]
    {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let work = Work::new(is_idempotent);
        let tools = || vec![Arc::clone(&work) as Arc<dyn Tool>];
        script(&upstream);
        let house = House::open_with(directory.path(), &upstream, tools(), Settings::default()).await;
        let new = NewRun { on_crash, ..NewRun::of(ask("go"), Lane::Standard) };
        let id = house.app.tasks.submit(&operator(), new).await.unwrap().id;
        work.gate.reached_by(1).await;
        house.store.settled().await.unwrap();
        house.die().await;
        work.gate.open_for_good();
        let house = House::open_with(directory.path(), &upstream, tools(), Settings::default()).await;
        let mut ended = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
        if !is_idempotent && on_crash == OnCrash::Fail {
            let TaskState::Failed { failure, .. } = &ended.state else { panic!("{ended:?}") };
            assert_eq!(failure.reason, FailureReason::Interrupted);
            house.app.tasks.retry(&operator(), &id.to_string()).await.unwrap();
            ended = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
        }
        assert_eq!(work.done(), done, "{is_idempotent} {on_crash:?}");
        is_handed_over(&house, &upstream, &ended).await;
        house.stop().await;
    }
}

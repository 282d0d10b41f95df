//! What is said to a session while its run goes on: heard at the next step, or in turn.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use claw_app::tasks::{Accepted, NewRun};
use claw_app::{Error, Settings};
use claw_core::run::RunEvent;
use claw_core::task::StateName;
use claw_core::tool::Tool;
use claw_core::{Output, TaskId, TaskState, WhenBusy};
use claw_testkit::{Gate, Reply, Upstream};

use crate::house::{Effect, House, SOON, all, operator, task};

/// A house with a tool that can be held, and a run that is inside it.
struct Busy {
    directory: tempfile::TempDir,
    upstream: Upstream,
    house: House,
    in_tool: Gate,
    run: TaskId,
}

fn tools(in_tool: &Gate) -> Vec<Arc<dyn Tool>> {
    vec![Arc::new(Effect { done: AtomicU32::new(0), gate: Some(in_tool.clone()) })]
}

impl Busy {
    async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let (directory, upstream, in_tool) = (tempfile::tempdir().unwrap(), Upstream::start().await, Gate::new());
        upstream.script([Reply::tool_call("effect", "{}")]);
        upstream.script(replies);
        let house = House::open_with(directory.path(), &upstream, tools(&in_tool), Settings::default()).await;
        let run = house.app.tasks.submit(&operator(), task("s", "walk")).await.unwrap().id;
        in_tool.reached_by(1).await;
        Self { directory, upstream, house, in_tool, run }
    }

    async fn steer(&self, text: &str) -> Accepted {
        let new = NewRun { when_busy: WhenBusy::Steer, ..task("s", text) };
        self.house.app.tasks.submit(&operator(), new).await.unwrap()
    }

    async fn ended(&self, id: TaskId) -> TaskState {
        self.house.app.tasks.wait(id, SOON).await.unwrap().unwrap().state
    }

    async fn output(&self, id: TaskId) -> Output {
        match self.ended(id).await {
            TaskState::Completed { output, .. } => output,
            other => panic!("{other:?}"),
        }
    }

    /// What was said in the session, oldest first.
    async fn history(&self) -> Vec<String> {
        let key = task("s", "").turn.session;
        let history = self.house.app.sessions.history(&operator(), &key, None, 50).await.unwrap();
        history.iter().map(|stored| format!("{}: {}", stored.message.role(), stored.message.text())).collect()
    }

    /// What the model was asked last in each request.
    fn asked(&self) -> Vec<String> {
        self.upstream.requests().iter().map(|seen| format!("{} {}", seen.last_role(), seen.last_user())).collect()
    }
}

#[tokio::test]
async fn what_is_said_meanwhile_is_heard_at_the_next_step_and_answered_with_the_run() {
    let busy = Busy::new([Reply::text("left it is"), Reply::text("later")]).await;
    let follow = busy.house.app.tasks.submit(&operator(), task("s", "and then?")).await.unwrap();
    let (left, now) = (busy.steer("go left").await, busy.steer("now").await);
    busy.in_tool.open_for_good();
    let events = all(busy.house.app.tasks.read(left.id, 0)).await;
    let [end] = &events[..] else { panic!("{events:?}") };
    let RunEvent::Completed { output } = &end.event else { panic!("{end:?}") };
    assert_eq!((output.text.as_str(), output.answered_by), ("left it is", Some(busy.run)));
    assert_eq!(busy.output(now.id).await, *output);
    assert_eq!(busy.output(busy.run).await.answered_by, None);
    assert_eq!(busy.output(follow.id).await.text, "later", "who did not steer has a turn of its own");
    let second = &busy.upstream.requests()[1];
    let said: Vec<_> = second.messages().iter().rev().take(3).map(|message| message["role"].clone()).collect();
    assert_eq!(said, ["user", "user", "tool"]);
    assert_eq!(busy.asked(), ["user walk", "user now", "user and then?"], "nothing is asked twice");
    let shown = all(busy.house.app.tasks.read(busy.run, 0)).await;
    let steered: Vec<_> = shown.iter().filter(|event| matches!(event.event, RunEvent::Steered { .. })).collect();
    let expected = [(left.id, "go left"), (now.id, "now")];
    let expected = expected.map(|(task, text)| RunEvent::Steered { task, text: text.into() });
    assert_eq!(steered.iter().map(|event| event.event.clone()).collect::<Vec<_>>(), expected);
    let history = [
        "user: walk",
        "assistant: ",
        "tool: done",
        "user: go left",
        "user: now",
        "assistant: left it is",
        "user: and then?",
        "assistant: later",
    ];
    assert_eq!(busy.history().await, history);
    busy.house.stop().await;
}

#[tokio::test]
async fn a_run_without_a_further_step_leaves_it_to_its_own_turn() {
    let gate = Gate::new();
    let busy = Busy::new([Reply::text("there").held(&gate), Reply::text("too late")]).await;
    busy.in_tool.open_for_good();
    gate.reached_by(1).await;
    let late = busy.steer("go left").await;
    gate.open_for_good();
    let output = busy.output(late.id).await;
    assert_eq!((output.text.as_str(), output.answered_by), ("too late", None));
    assert_eq!(busy.asked(), ["user walk", "tool walk", "user go left"]);
    // In a session that rests it is a message like any other.
    assert_eq!(busy.output(busy.steer("hello").await.id).await.answered_by, None);
    busy.house.stop().await;
}

#[tokio::test]
async fn what_chooses_for_itself_is_not_taken_up() {
    let busy = Busy::new([Reply::text("there"), Reply::text("by another model")]).await;
    let mut new = NewRun { when_busy: WhenBusy::Steer, ..task("s", "go left") };
    new.turn.model = Some("mock/mock-2".into());
    let own = busy.house.app.tasks.submit(&operator(), new).await.unwrap();
    busy.in_tool.open_for_good();
    assert_eq!(busy.output(own.id).await.text, "by another model");
    assert_eq!(busy.asked(), ["user walk", "tool walk", "user go left"]);
    busy.house.stop().await;
}

#[tokio::test]
async fn what_a_cancelled_run_had_taken_up_runs_by_itself() {
    let gate = Gate::new();
    let busy = Busy::new([Reply::text("never").held(&gate), Reply::text("left it is")]).await;
    let left = busy.steer("go left").await;
    busy.in_tool.open_for_good();
    gate.reached_by(1).await;
    // It is being answered; only the run can be stopped.
    let refused = busy.house.app.tasks.cancel(&operator(), &left.run_id).await;
    assert_eq!(refused, Err(Error::TakenUp { task: left.id, by: busy.run }));
    busy.house.app.tasks.cancel(&operator(), &busy.run.to_string()).await.unwrap();
    assert_eq!(busy.ended(busy.run).await.name(), StateName::Cancelled);
    assert_eq!(busy.output(left.id).await.answered_by, None);
    let history = busy.history().await;
    assert_eq!(history.iter().filter(|said| *said == "user: go left").count(), 1, "{history:?}");
    busy.house.stop().await;
}

#[tokio::test]
async fn a_session_is_stopped_with_all_that_was_said_to_it() {
    let gate = Gate::new();
    let busy = Busy::new([Reply::text("never").held(&gate), Reply::text("never either")]).await;
    let left = busy.steer("go left").await;
    busy.in_tool.open_for_good();
    gate.reached_by(1).await;
    let key = task("s", "").turn.session;
    let stopped = busy.house.app.tasks.abort_session(&operator(), &key).await.unwrap();
    assert_eq!(stopped, [busy.run.as_run(), left.run_id]);
    for id in [busy.run, left.id] {
        assert_eq!(busy.ended(id).await.name(), StateName::Cancelled);
    }
    assert_eq!(busy.upstream.requests().len(), 2);
    busy.house.stop().await;
}

#[tokio::test]
async fn after_a_death_it_is_heard_anew_and_answered_once() {
    let gate = Gate::new();
    let busy = Busy::new([Reply::text("never").held(&gate), Reply::text("left it is")]).await;
    let left = busy.steer("go left").await;
    busy.in_tool.open_for_good();
    gate.reached_by(1).await;
    let Busy { directory, upstream, house, in_tool, run } = busy;
    house.die().await;
    let house = House::open_with(directory.path(), &upstream, tools(&in_tool), Settings::default()).await;
    let busy = Busy { directory, upstream, house, in_tool, run };
    assert_eq!(busy.output(left.id).await.answered_by, Some(run));
    assert_eq!(busy.output(run).await.text, "left it is");
    assert_eq!(busy.asked(), ["user walk", "user go left", "user go left"], "the tool round is replayed");
    let history = ["user: walk", "assistant: ", "tool: done", "user: go left", "assistant: left it is"];
    assert_eq!(busy.history().await, history);
    busy.house.stop().await;
}

//! Calls that somebody has to allow: runs that wait without a worker, and answers that count once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use claw_app::approvals::Approval;
use claw_app::chat::Place;
use claw_app::{App, ApprovalNotice, Error, Settings};
use claw_core::approval::{ApprovalState, Decision, Plan, Reason, Verdict};
use claw_core::audit::Door;
use claw_core::message::JsonText;
use claw_core::permission::{Asking, Permissions, Rules};
use claw_core::provider::ToolSpec;
use claw_core::run::RunEvent;
use claw_core::task::StateName;
use claw_core::tool::{Tool, ToolContext, ToolError};
use claw_core::{Principal, Scope, Scopes, Task, TaskId};
use claw_queue::worker;
use claw_testkit::{Reply, Upstream};

use crate::house::{Calls, Effect, House, SOON, all, catalog, operator, stranger, task, text_of, turn};

/// A tool of this name that counts its calls; its plan is whatever `plan` says by then.
pub(crate) struct Counting {
    name: &'static str,
    untrusted: bool,
    asks: AtomicBool,
    plan: AtomicU32,
    done: AtomicU32,
}

impl Counting {
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, untrusted: false, asks: false.into(), plan: 0.into(), done: 0.into() })
    }
    /// One that answers with strangers' words.
    pub(crate) fn of_strangers(name: &'static str) -> Self {
        Self { name, untrusted: true, asks: false.into(), plan: 0.into(), done: 0.into() }
    }
    /// One that wants somebody asked for each call.
    pub(crate) fn that_asks(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, untrusted: false, asks: true.into(), plan: 0.into(), done: 0.into() })
    }
    pub(crate) fn ask_no_more(&self) {
        self.asks.store(false, Ordering::SeqCst);
    }
    pub(crate) fn done(&self) -> u32 {
        self.done.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Tool for Counting {
    fn spec(&self) -> ToolSpec {
        let parameters = JsonText::new(r#"{"type":"object"}"#);
        ToolSpec::new(self.name, "Counts.", parameters)
    }
    fn is_idempotent(&self) -> bool {
        self.untrusted
    }
    fn brings_untrusted(&self) -> bool {
        self.untrusted
    }
    async fn plan(&self, _: &ToolContext, _: &JsonText) -> Result<Plan, ToolError> {
        let verdict = match self.name {
            "unbound" => Verdict::Unbound("nobody could be asked for it".into()),
            _ if self.asks.load(Ordering::SeqCst) => Verdict::Ask,
            _ => Verdict::Allow,
        };
        let digest = [u8::try_from(self.plan.load(Ordering::SeqCst)).unwrap(); 32];
        Ok(Plan { verdict, digest, ..Plan::free() })
    }
    async fn call(&self, _: &ToolContext, _: &JsonText) -> Result<String, ToolError> {
        self.done.fetch_add(1, Ordering::SeqCst);
        Ok("done".into())
    }
}

fn asking(tools: &[&str]) -> Permissions {
    let ask = tools.iter().map(|text| text.parse().unwrap()).collect();
    Permissions { general: Rules { ask, ..Rules::default() }, ..Permissions::default() }
}

pub(crate) async fn open(
    directory: &Path,
    upstream: &Upstream,
    tools: Vec<Arc<dyn Tool>>,
    permissions: Permissions,
) -> House {
    let settings = Settings { workers: worker::Settings::sized(1), ..Settings::default() };
    let catalog = catalog(upstream).with_tools(tools, permissions);
    House::open_over(directory, catalog, Vec::new(), settings, Calls::default()).await
}

async fn effect(directory: &Path, upstream: &Upstream) -> (House, Arc<Effect>) {
    let effect = Arc::new(Effect { done: 0.into(), gate: None });
    let house = open(directory, upstream, vec![Arc::<Effect>::clone(&effect)], asking(&["effect"])).await;
    (house, effect)
}

/// Waits until a task asks; what it asks.
pub(crate) async fn question(app: &App, id: TaskId) -> (Task, Approval) {
    let mut reader = app.tasks.read(id, 0);
    let read = async {
        loop {
            let event = reader.next().await.unwrap().expect("it asks before it ends");
            if let RunEvent::ApprovalRequested { approval, .. } = event.event {
                return approval;
            }
        }
    };
    let approval = tokio::time::timeout(SOON, read).await.expect("it asks").to_string();
    let found = app.approvals.get(&operator(), &approval).await.unwrap();
    (app.tasks.find(&operator(), &id.to_string()).await.unwrap(), found)
}

fn results(events: &[claw_core::Sequenced]) -> Vec<(String, bool)> {
    let told = events.iter().filter_map(|event| match &event.event {
        RunEvent::ToolResult { text, is_error, .. } => Some((text.to_string(), *is_error)),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn a_run_that_asks_holds_no_worker_and_goes_on_where_it_stood() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, effect) = effect(directory.path(), &upstream).await;
    let mut notices = house.app.approvals.notices();
    upstream.script([
        Reply::chunks(["Let me. "]).and_tool_call("effect", r#"{"n":1}"#),
        Reply::text("other"),
        Reply::text("done"),
    ]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (waiting, asked) = question(&house.app, id).await;
    assert_eq!((waiting.state.name(), waiting.waits_for, waiting.failures), (StateName::Queued, Some(asked.id), 0));
    assert_eq!(
        (asked.tool.as_str(), asked.reason, asked.shown.as_str()),
        ("effect", Reason::Listed, r#"call: effect {"n":1}"#)
    );
    assert_eq!(notices.recv().await.unwrap(), ApprovalNotice::Requested(Box::new(asked.clone())));
    // There is one worker, and it has time for others.
    let other = house.app.tasks.submit(&operator(), task("elsewhere", "go")).await.unwrap().id;
    assert_eq!(house.app.tasks.wait(other, SOON).await.unwrap().unwrap().state.name(), StateName::Completed);
    let behind = house.app.tasks.submit(&operator(), task("s", "later")).await.unwrap().id;
    assert_eq!(effect.done.load(Ordering::SeqCst), 0);

    let allowed =
        house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), Decision::AllowOnce).await.unwrap();
    assert_eq!((allowed.state, allowed.decided_by.as_deref()), (ApprovalState::Allowed, Some("operator")));
    let events = all(house.app.tasks.read(id, 0)).await;
    let done = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!((done.state.name(), done.attempt, done.failures, done.crashes), (StateName::Completed, 2, 0, 0));
    assert_eq!(effect.done.load(Ordering::SeqCst), 1);
    assert_eq!(results(&events), [("done".to_owned(), false)]);
    assert_eq!(text_of(&events), "Let me. done", "nothing is told twice");
    let starts = events.iter().filter(|event| matches!(event.event, RunEvent::Started { .. })).count();
    assert_eq!(starts, 1, "who goes on does not begin anew");
    assert!(
        events
            .iter()
            .any(|event| matches!(&event.event, RunEvent::ApprovalResolved { state, .. } if state == "allowed"))
    );
    let outcomes: Vec<_> = house.app.tasks.runs(id).await.unwrap().into_iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Some("parked".to_owned()), Some("completed".to_owned())]);
    house.app.tasks.wait(behind, SOON).await.unwrap().unwrap();
    let again = house.app.approvals.get(&operator(), &asked.id.to_string()).await.unwrap();
    assert_eq!(again.state, ApprovalState::Used);
    house.stop().await;
}

/// adv_59: single use, whoever decides at once.
#[tokio::test]
async fn adv_59_fifty_answers_at_once_let_one_call_be_made() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, effect) = effect(directory.path(), &upstream).await;
    upstream.script([Reply::tool_call("effect", "{}"), Reply::text("done")]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (_, asked) = question(&house.app, id).await;
    let (reference, person) = (asked.id.to_string(), operator());
    let answers = (0..50).map(|_| house.app.approvals.resolve(&person, Door::Http, &reference, Decision::AllowOnce));
    let told = futures::future::join_all(answers).await;
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1);
    assert_eq!(told.iter().filter(|told| matches!(told, Err(Error::Decided { .. }))).count(), 49);
    house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!(effect.done.load(Ordering::SeqCst), 1);
    let late = house.app.approvals.resolve(&person, Door::Http, &reference, Decision::AllowOnce).await;
    assert_eq!(late, Err(Error::Decided { approval: asked.id, state: ApprovalState::Used }));
    house.stop().await;
}

#[tokio::test]
async fn what_is_denied_is_told_to_the_model_and_asked_no_second_time() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, effect) = effect(directory.path(), &upstream).await;
    upstream.script([Reply::tool_call("effect", "{}"), Reply::text("I may not")]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (_, asked) = question(&house.app, id).await;
    house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), Decision::Deny).await.unwrap();
    let events = all(house.app.tasks.read(id, 0)).await;
    let denied = "the call was denied by whoever had to allow it; do not try it in another way";
    assert_eq!(results(&events), [(denied.to_owned(), true)]);
    let requests = upstream.requests();
    assert!(requests.last().unwrap().body.to_string().contains("denied by whoever"), "the model knows");
    assert_eq!(effect.done.load(Ordering::SeqCst), 0);
    house.stop().await;
}

/// adv_60: nobody's answer is no, also where it comes too late.
#[tokio::test]
async fn adv_60_what_nobody_decides_in_time_is_denied() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let effect = Arc::new(Effect { done: 0.into(), gate: None });
    let wait = Duration::from_millis(200);
    let permissions = Permissions { asking: Asking { wait, ..Asking::default() }, ..asking(&["effect"]) };
    let house = open(directory.path(), &upstream, vec![Arc::<Effect>::clone(&effect)], permissions).await;
    let mut notices = house.app.approvals.notices();
    upstream.script([Reply::tool_call("effect", "{}"), Reply::text("so be it")]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (_, asked) = question(&house.app, id).await;
    house.clock.advance(wait);
    let late = house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), Decision::AllowOnce).await;
    assert_eq!(late, Err(Error::Decided { approval: asked.id, state: ApprovalState::Expired }));
    let events = all(house.app.tasks.read(id, 0)).await;
    assert_eq!(results(&events), [("the call was denied: nobody allowed it in time".to_owned(), true)]);
    let done = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!((done.state.name(), done.failures, effect.done.load(Ordering::SeqCst)), (StateName::Completed, 0, 0));
    assert!(matches!(notices.recv().await.unwrap(), ApprovalNotice::Requested(_)));
    let told = notices.recv().await.unwrap();
    assert_eq!(told.approval().state, ApprovalState::Expired, "{told:?}");
    house.stop().await;
}

#[tokio::test]
async fn a_question_outlives_the_process_and_its_call_is_made_once() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, _) = effect(directory.path(), &upstream).await;
    upstream
        .script([Reply::tool_call("effect", r#"{"n":1}"#).and_tool_call("effect", r#"{"n":2}"#), Reply::text("done")]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (_, first) = question(&house.app, id).await;
    house.die().await;

    let (house, done) = effect(directory.path(), &upstream).await;
    assert_eq!(house.recovered, claw_store::Recovered::default(), "nothing had begun");
    house.app.approvals.resolve(&operator(), Door::Http, &first.id.to_string(), Decision::AllowOnce).await.unwrap();
    let mut second = None;
    for _ in 0..200 {
        let open = house.app.approvals.list(&operator(), true).await.unwrap();
        second = open.into_iter().find(|asked| asked.id != first.id);
        if second.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = second.expect("the second call of the round is asked for by itself");
    assert_eq!((second.call_id == first.call_id, second.shown.as_str()), (false, r#"call: effect {"n":2}"#));
    house.app.approvals.resolve(&operator(), Door::Http, &second.id.to_string(), Decision::Deny).await.unwrap();
    let ended = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    assert_eq!((ended.state.name(), ended.failures), (StateName::Completed, 0));
    assert_eq!(done.done.load(Ordering::SeqCst), 1, "made once, after the death");
    house.stop().await;
}

/// K18: a caller on the line waits for the decision, too; who hangs up takes the question along.
#[tokio::test]
async fn a_caller_on_the_line_waits_for_the_decision_without_a_worker() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, effect) = effect(directory.path(), &upstream).await;
    let call = || Reply::tool_call("effect", "{}");
    upstream.script([call(), Reply::text("done"), call(), Reply::text("done"), call()]);
    for (place, name) in [(Place::Fresh, "a"), (Place::Named, "b")] {
        let run = house.app.chat.start(&operator(), turn(name, "go"), place).await.unwrap();
        let (waiting, asked) = question(&house.app, run.id).await;
        assert_eq!((waiting.state.name(), waiting.attached), (StateName::Queued, true));
        let person = operator();
        let reference = asked.id.to_string();
        let resolve = house.app.approvals.resolve(&person, Door::Http, &reference, Decision::AllowOnce);
        let (output, allowed) = tokio::join!(run.output(), resolve);
        assert_eq!((output.unwrap().text.as_str(), allowed.unwrap().state), ("done", ApprovalState::Allowed));
    }
    assert_eq!(effect.done.load(Ordering::SeqCst), 2);

    let run = house.app.chat.start(&operator(), turn("c", "go"), Place::Fresh).await.unwrap();
    let (waiting, asked) = question(&house.app, run.id).await;
    drop(run);
    let ended = house.app.tasks.wait(waiting.id, SOON).await.unwrap().unwrap();
    assert_eq!(ended.state.name(), StateName::Cancelled);
    let void = house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), Decision::AllowOnce).await;
    assert_eq!(void, Err(Error::Decided { approval: asked.id, state: ApprovalState::Void }));
    assert_eq!(effect.done.load(Ordering::SeqCst), 2);
    house.stop().await;
}

#[tokio::test]
async fn a_cancelled_task_takes_its_question_along() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, effect) = effect(directory.path(), &upstream).await;
    upstream.script([Reply::tool_call("effect", "{}"), Reply::text("next")]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (_, asked) = question(&house.app, id).await;
    let next = house.app.tasks.submit(&operator(), task("s", "next")).await.unwrap().id;
    let mut notices = house.app.approvals.notices();
    house.app.tasks.cancel(&operator(), &id.to_string()).await.unwrap();
    assert_eq!(notices.recv().await.unwrap().approval().state, ApprovalState::Void);
    assert_eq!(house.app.approvals.list(&operator(), true).await.unwrap(), []);
    let late = house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), Decision::AllowOnce).await;
    assert!(matches!(late, Err(Error::Decided { .. })));
    house.app.tasks.wait(next, SOON).await.unwrap().unwrap();
    assert_eq!(effect.done.load(Ordering::SeqCst), 0);
    house.stop().await;
}

/// adv_58: what was approved is done, or nothing.
#[tokio::test]
async fn adv_58_a_plan_that_changed_since_its_approval_is_not_carried_out() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let tool = Counting::that_asks("exec");
    let house = open(directory.path(), &upstream, vec![Arc::<Counting>::clone(&tool)], Permissions::default()).await;
    upstream.script([Reply::tool_call("exec", "{}"), Reply::text("done")]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (_, asked) = question(&house.app, id).await;
    tool.plan.store(1, Ordering::SeqCst);
    house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), Decision::AllowOnce).await.unwrap();
    let events = all(house.app.tasks.read(id, 0)).await;
    let refused = "the call was denied: it is not what was approved any more";
    assert_eq!((results(&events), tool.done()), (vec![(refused.to_owned(), true)], 0));
    house.stop().await;
}

/// What a run has used is counted over all its attempts, and waiting for leave takes none of its time.
#[tokio::test]
async fn a_run_that_waited_tells_what_all_of_it_used_and_keeps_its_time() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, _effect) = effect(directory.path(), &upstream).await;
    upstream.script([Reply::tool_call("effect", "{}"), Reply::text("all done")]);
    let mut new = task("s", "go");
    new.turn.time_limit_s = Some(60);
    let id = house.app.tasks.submit(&operator(), new).await.unwrap().id;
    let (_, asked) = question(&house.app, id).await;
    // Longer than the run may take, shorter than the question stands.
    house.clock.advance(Duration::from_secs(600));
    house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), Decision::AllowOnce).await.unwrap();
    let done = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    let claw_core::TaskState::Completed { output, .. } = done.state else { panic!("{done:?}") };
    let runs = house.app.tasks.runs(id).await.unwrap();
    let [first, second] = &runs[..] else { panic!("{runs:?}") };
    assert!(first.usage.total() > 0 && second.usage.total() > 0, "{runs:?}");
    assert_eq!(output.usage, first.usage.plus(second.usage));
    house.stop().await;
}

/// adv_61: what cannot be shown whole is not asked for.
#[tokio::test]
async fn adv_61_a_plan_too_long_to_be_read_is_denied() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, effect) = effect(directory.path(), &upstream).await;
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(claw_core::approval::SHOWN_BYTES_MAX));
    upstream.script([Reply::tool_call("effect", long), Reply::text("done")]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let events = all(house.app.tasks.read(id, 0)).await;
    assert!(results(&events)[0].0.contains("too long to be shown whole"), "{events:?}");
    assert_eq!(effect.done.load(Ordering::SeqCst), 0);
    house.stop().await;
}

/// What cannot be bound to an answer is made where nobody has to be asked, and denied where somebody would have to be.
#[tokio::test]
async fn adv_58_what_cannot_be_bound_to_an_answer_is_not_asked_for() {
    for (permissions, expected) in
        [(Permissions::default(), ("done", 1)), (asking(&["unbound"]), ("nobody could be asked for it", 0))]
    {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let unbound = Counting::new("unbound");
        let tools: Vec<Arc<dyn Tool>> = vec![Arc::<Counting>::clone(&unbound) as Arc<dyn Tool>];
        let house = open(directory.path(), &upstream, tools, permissions).await;
        upstream.script([Reply::tool_call("unbound", "{}"), Reply::text("done")]);
        let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
        let events = all(house.app.tasks.read(id, 0)).await;
        assert_eq!((results(&events)[0].0.as_str(), unbound.done()), expected, "{events:?}");
        house.stop().await;
    }
}

/// G13: who may decide must hold the scope and see the task.
#[tokio::test]
async fn tenants_decide_about_their_own_and_only_with_the_scope() {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (house, effect) = effect(directory.path(), &upstream).await;
    upstream.script([Reply::tool_call("effect", "{}"), Reply::text("done")]);
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (_, asked) = question(&house.app, id).await;
    let reference = asked.id.to_string();
    let with = |scopes: &[Scope]| Principal { scopes: Scopes::of(scopes), ..stranger(1) };
    let approvals = &house.app.approvals;
    let absent = Err(Error::NotFound { what: "approval", id: reference.clone() });
    let decided = approvals.resolve(&with(&[Scope::Approvals]), Door::Http, &reference, Decision::AllowOnce).await;
    assert_eq!(decided, absent, "a foreign id is an absent one");
    for scopes in [&[Scope::Read][..], &[Scope::Write], &[Scope::Pairing]] {
        let operator = Principal { scopes: Scopes::of(scopes), ..operator() };
        let refused = approvals.resolve(&operator, Door::Http, &reference, Decision::AllowOnce).await;
        assert_eq!(refused, Err(Error::Forbidden("operator.approvals")));
        assert_eq!(approvals.list(&operator, true).await, Err(Error::Forbidden("operator.approvals")));
    }
    assert_eq!(approvals.list(&with(&[Scope::Approvals]), true).await, Ok(vec![]));
    assert_eq!(effect.done.load(Ordering::SeqCst), 0);
    house.app.tasks.cancel(&operator(), &id.to_string()).await.unwrap();
    house.stop().await;
}

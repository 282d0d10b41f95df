//! How every method that starts a run starts it: accepted durably, known by the client's key.

use claw_app::tasks::{Accepted, NewRun};
use claw_core::{Lane, Message, SessionKey, TaskId};
use claw_wire::hooks::HooksTold;
use claw_wire::ws::agent::AgentCall;
use claw_wire::ws::frame;

use super::methods::Call;
use super::relay::{self, BREATH, End, Run};
use super::stage::Remembered;
use crate::error::Problem;
use crate::submit;
use crate::wake;

/// A run that was accepted.
pub(crate) struct Begun {
    pub(crate) id: TaskId,
    pub(crate) run_id: String,
    pub(crate) session: SessionKey,
    pub(crate) agent: String,
    /// Whether the key had been used for the same before.
    pub(crate) is_replay: bool,
}

impl Begun {
    pub(crate) fn run(&self) -> Run<'_> {
        let Self { id, run_id, session, agent, is_replay: _ } = self;
        Run { id: *id, run_id, session_key: session.as_str(), agent_id: agent, wants_deltas: true }
    }
}

/// Accepts a run; it is on disk when this returns.
///
/// The main conversation's turn is told what `system-event` and `wake` left for it.
pub(crate) async fn begin(call: &Call, asked: AgentCall) -> Result<Begun, Problem> {
    let AgentCall { mut turn, tools, idempotency_key, when_busy, stream: _, named } = asked;
    // The key stands for what the client sent, not for what we add.
    let digested = frame::to_json(&turn);
    let (app, stage) = (&call.doors().app, &call.doors().stage);
    submit::name_tools(app, call.principal(), &mut turn, tools).map_err(|problem| problem.named(named))?;
    let agent = turn.agent.to_string();
    let is_main = call.place(&turn.session).await? == SessionKey::main(&turn.agent);
    let remembered = if is_main { stage.take_remembered() } else { Vec::new() };
    let (outside, own): (Vec<&Remembered>, Vec<_>) = remembered.iter().partition(|told| told.is_outside);
    if !outside.is_empty() {
        turn.input.insert(0, Message::user(wake::as_outsider(app, &list(&outside))));
        turn.untrusted = true;
        turn.extra = HooksTold::of(outside.iter().filter_map(|told| told.end.clone())).or(turn.extra);
    }
    if !own.is_empty() {
        turn.input.insert(0, Message::System { text: format!("System events:\n- {}", list(&own)).into() });
    }
    let new = NewRun {
        is_labelled: idempotency_key.is_some(),
        idempotency: idempotency_key.map(|key| submit::idempotency(key, digested.as_bytes())),
        when_busy,
        ..NewRun::of(turn, Lane::Interactive)
    };
    let accepted = app.tasks.submit(call.principal(), new).await;
    if accepted.as_ref().map_or(true, |accepted| accepted.is_replay) {
        remembered.into_iter().for_each(|told| stage.keep(told));
    }
    let Accepted { id, run_id, session, is_replay } = accepted.map_err(|error| Problem::from(error).named(named))?;
    Ok(Begun { id, run_id, session, agent, is_replay })
}

fn list(told: &[&Remembered]) -> String {
    told.iter().map(|told| told.text.as_str()).collect::<Vec<_>>().join("\n- ")
}

/// Shows a run that was just begun, after a breath for the answer.
pub(crate) async fn show(call: &Call, run: &Run<'_>) -> Result<End, Problem> {
    tokio::time::sleep(BREATH).await;
    relay::run(call.line(), run, 0).await
}

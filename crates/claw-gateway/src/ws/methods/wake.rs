//! `wake`: a text for the main conversation, told with its next turn or in one that begins now.
//!
//! A turn that begins now is a run like any other; its end is told as `heartbeat`. The main
//! conversation is the operator's: a key's holder cannot put words into it.

use std::sync::Arc;

use claw_core::task::TaskState;
use claw_core::{AgentId, Principal, Scope, SessionKey, TaskId, Timestamp, Turn, WhenBusy};
use claw_wire::ws::agent::AgentCall;
use claw_wire::ws::system::{HeartbeatEvent, WakeParams, Woken};

use super::{Call, Method};
use crate::doors::Doors;
use crate::error::{Problem, millis};
use crate::limits::AGENT_WAIT_MAX;
use crate::ws::begin::begin;

/// Characters of an answer that a heartbeat shows.
const PREVIEW: usize = 200;

pub(super) struct Wake;

impl Method for Wake {
    const NAME: &'static str = "wake";
    const SCOPE: Scope = Scope::Write;
    type Params = WakeParams;

    async fn run(call: &Call, params: WakeParams) -> Result<(), Problem> {
        call.require_overview()?;
        let (text, is_now) = params.read()?;
        let doors = call.doors();
        if !is_now || !doors.stage.has_heartbeats() {
            doors.stage.remember(text.to_owned());
            let reason = is_now.then_some("heartbeats are off: told with the next turn");
            call.answer(&Woken { ok: true, run_id: None, reason });
            return Ok(());
        }
        let turn = Turn::text(SessionKey::main(&AgentId::main()), text);
        let asked = AgentCall { turn, idempotency_key: None, when_busy: WhenBusy::Follow };
        let begun = begin(call, asked).await?;
        tell_the_end(Arc::clone(&call.line_arc().doors), call.principal().clone(), begun.id);
        call.answer(&Woken { ok: true, run_id: Some(begun.run_id), reason: None });
        Ok(())
    }
}

/// Tells everybody how the turn went, also if this socket is gone by then.
fn tell_the_end(doors: Arc<Doors>, principal: Principal, id: TaskId) {
    let scope = doors.scope.clone();
    drop(scope.spawn(|cancel| async move {
        tokio::select! { () = cancel.cancelled() => {}, () = watch(&doors, &principal, id) => {} }
    }));
}

async fn watch(doors: &Doors, principal: &Principal, id: TaskId) {
    let began = doors.app.now();
    let tasks = &doors.app.tasks;
    let Ok(Some(_ended)) = tasks.wait(id, AGENT_WAIT_MAX).await else { return };
    let Ok(task) = tasks.find(principal, &id.to_string()).await else { return };
    let (status, text, at): (_, &str, Timestamp) = match &task.state {
        TaskState::Completed { output, at } => ("ok", &output.text, *at),
        TaskState::Failed { failure, at } => ("failed", &failure.message, *at),
        TaskState::Cancelled { at, .. } => ("failed", "cancelled", *at),
        TaskState::Queued { .. } | TaskState::Running { .. } => return,
    };
    let preview = text.chars().take(PREVIEW).collect();
    let (ts, duration_ms) = (at.millis(), millis(at.since(began)));
    let run_id = task.run_id();
    doors.stage.beat(HeartbeatEvent { ts, status, reason: "wake", preview, duration_ms, has_media: false, run_id });
}

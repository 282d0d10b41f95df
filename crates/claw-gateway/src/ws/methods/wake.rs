//! `wake`: a text for the main conversation, told with its next turn or in one that begins now.
//!
//! A turn that begins now is a run like any other; its end is told as `heartbeat`. The main
//! conversation is the operator's: a key's holder cannot put words into it.

use std::sync::Arc;

use claw_core::{AgentId, Scope, SessionKey, Turn, WhenBusy};
use claw_wire::target::Named;
use claw_wire::ws::agent::AgentCall;
use claw_wire::ws::system::{WakeParams, Woken};

use super::{Call, Method};
use crate::error::Problem;
use crate::wake::tell_the_end;
use crate::ws::begin::begin;

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
        let named = Named { agent: "sessionKey", model: "model" };
        let asked =
            AgentCall { turn, tools: "tools", idempotency_key: None, when_busy: WhenBusy::Follow, stream: None, named };
        let begun = begin(call, asked).await?;
        tell_the_end(Arc::clone(&call.line_arc().doors), call.principal().clone(), begun.id);
        call.answer(&Woken { ok: true, run_id: Some(begun.run_id), reason: None });
        Ok(())
    }
}

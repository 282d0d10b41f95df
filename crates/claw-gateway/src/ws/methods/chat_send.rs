//! `chat.send`: starts a run in a conversation that the client shows; the answer comes as events.

use claw_core::Scope;
use claw_wire::ws::agent::{AgentCall, RunParams, Sent};

use super::{Call, Method};
use crate::error::Problem;
use crate::ws::begin::{begin, show};

pub(super) struct ChatSend;

impl Method for ChatSend {
    const NAME: &'static str = "chat.send";
    const SCOPE: Scope = Scope::Write;
    type Params = RunParams;

    async fn run(call: &Call, params: RunParams) -> Result<(), Problem> {
        send(call, AgentCall::try_from(params)?).await
    }
}

/// Starts the run, brings its conversation into view, and shows it.
pub(super) async fn send(call: &Call, asked: AgentCall) -> Result<(), Problem> {
    let begun = begin(call, asked).await?;
    call.line().viewed.look(&begun.session);
    let (run_id, session_key) = (begun.run_id.as_str(), begun.session.as_str());
    if begun.is_replay {
        let task = call.doors().app.tasks.find(call.principal(), &begun.id.to_string()).await?;
        let status = if task.state.name().is_terminal() { "ok" } else { "in_flight" };
        call.answer(&Sent { run_id, session_key, status });
        return Ok(());
    }
    call.answer(&Sent { run_id, session_key, status: "started" });
    show(call, &begun.run()).await.map(drop)
}

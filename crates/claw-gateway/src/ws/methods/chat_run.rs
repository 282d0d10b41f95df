//! `chat.run` (C8): a run whose text comes as `chat.delta` and whose end is `chat.done`.

use claw_core::Scope;
use claw_wire::ws::agent::{AgentCall, RunParams};
use claw_wire::ws::dialect_c::RunStarted;

use super::{Call, Method};
use crate::error::Problem;
use crate::ws::begin::{begin, show};
use crate::ws::relay::Run;

pub(super) struct ChatRun;

impl Method for ChatRun {
    const NAME: &'static str = "chat.run";
    const SCOPE: Scope = Scope::Write;
    type Params = RunParams;

    async fn run(call: &Call, params: RunParams) -> Result<(), Problem> {
        let (asked, wants_deltas) = AgentCall::try_from(params)?.streamed_unless_said(true);
        let begun = begin(call, asked).await?;
        let (run_id, session_key) = (begun.run_id.as_str(), begun.session.as_str());
        call.answer(&RunStarted { run_id, session_key, status: "accepted" });
        show(call, &Run { wants_deltas, ..begun.run() }).await.map(drop)
    }
}

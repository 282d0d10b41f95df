//! `tools.trust`: the operator takes the words in files as they are, whoever they were from.

use claw_app::strangers::{Trusted, Wanted};
use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::tools::{TrustParams, TrustedHere};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ToolsTrust;

impl Method for ToolsTrust {
    const NAME: &'static str = "tools.trust";
    const SCOPE: Scope = Scope::Admin;
    type Params = TrustParams;

    async fn run(call: &Call, params: TrustParams) -> Result<(), Problem> {
        let (agent, owner) = params.place()?;
        let wanted = Wanted { agent, owner, path: params.path, is_rehearsal: params.dry_run.unwrap_or(false) };
        let trusted = call.doors().app.strangers.trust(call.principal(), Door::WebSocket, wanted).await?;
        let Trusted { agent, path, files, is_all, forgotten, above } = trusted;
        let agent_id = agent.to_string();
        call.answer(&TrustedHere { agent_id, path, files, has_more: !is_all, trusted: forgotten, above });
        Ok(())
    }
}

//! `tools.catalog`: what an agent can do.

use claw_core::Scope;
use claw_wire::ws::agents::AgentParams;
use claw_wire::ws::tools::ToolCatalog;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ToolsCatalog;

impl Method for ToolsCatalog {
    const NAME: &'static str = "tools.catalog";
    const SCOPE: Scope = Scope::Read;
    type Params = AgentParams;

    async fn run(call: &Call, params: AgentParams) -> Result<(), Problem> {
        let models = &call.doors().app.models;
        let agent = models.agent(&params.agent()?)?;
        call.answer(&ToolCatalog::of(agent.id.to_string(), models.tools(&agent.id, call.principal())));
        Ok(())
    }
}

//! `tools.catalog`: what an agent can do.

use claw_core::Scope;
use claw_wire::ws::tools::{CatalogParams, ToolCatalog};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ToolsCatalog;

impl Method for ToolsCatalog {
    const NAME: &'static str = "tools.catalog";
    const SCOPE: Scope = Scope::Read;
    type Params = CatalogParams;

    async fn run(call: &Call, params: CatalogParams) -> Result<(), Problem> {
        let models = &call.doors().app.models;
        let agent = models.agent(&params.agent()?)?;
        let tools = models.tools(&agent.id, call.principal());
        call.answer(&ToolCatalog::of(agent.id.to_string(), tools, params.with_parameters.unwrap_or(false)));
        Ok(())
    }
}

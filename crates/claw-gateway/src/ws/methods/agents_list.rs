//! `agents.list`: who can be asked.

use claw_core::Scope;
use claw_wire::ws::agents::{AgentList, AgentModel, AgentRow};
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct AgentsList;

impl Method for AgentsList {
    const NAME: &'static str = "agents.list";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        let models = &call.doors().app.models;
        let row = |agent: claw_app::AgentProfile| AgentRow {
            model: models.model_of(&agent).map(|primary| AgentModel { primary }),
            id: agent.id.to_string(),
            name: agent.name,
        };
        call.answer(&AgentList {
            default_id: models.default_agent().to_string(),
            main_key: "main",
            scope: "per-sender",
            selection_required: false,
            agents: models.agents(call.principal()).into_iter().map(row).collect(),
        });
        Ok(())
    }
}

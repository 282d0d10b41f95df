//! `agent.identity.get`: what an agent is called.

use claw_core::Scope;
use claw_wire::ws::agents::{AgentParams, Identity};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct AgentIdentityGet;

impl Method for AgentIdentityGet {
    const NAME: &'static str = "agent.identity.get";
    const SCOPE: Scope = Scope::Read;
    type Params = AgentParams;

    async fn run(call: &Call, params: AgentParams) -> Result<(), Problem> {
        let agent = call.doors().app.models.agent(&params.agent()?)?;
        call.answer(&Identity::of(agent.id.to_string(), agent.name));
        Ok(())
    }
}

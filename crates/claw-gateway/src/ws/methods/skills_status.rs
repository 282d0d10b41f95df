//! `skills.status`: what an agent was taught, and what stands in the way of each skill.

use claw_core::Scope;
use claw_wire::ws::agents::AgentParams;
use claw_wire::ws::skills;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SkillsStatus;

impl Method for SkillsStatus {
    const NAME: &'static str = "skills.status";
    const SCOPE: Scope = Scope::Read;
    type Params = AgentParams;

    async fn run(call: &Call, params: AgentParams) -> Result<(), Problem> {
        let models = &call.doors().app.models;
        let agent = models.agent(&params.agent()?)?;
        let report = models.skills(&agent.id, call.principal()).await;
        call.answer(&skills::SkillsStatus::of(agent.id.to_string(), report));
        Ok(())
    }
}

//! `skills.status`: there are no skills yet.

use claw_core::Scope;
use claw_wire::ws::agents::AgentParams;
use claw_wire::ws::none;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SkillsStatus;

impl Method for SkillsStatus {
    const NAME: &'static str = "skills.status";
    const SCOPE: Scope = Scope::Read;
    type Params = AgentParams;

    async fn run(call: &Call, params: AgentParams) -> Result<(), Problem> {
        let agent = call.doors().app.models.agent(&params.agent()?)?;
        let agent_id = agent.id.to_string();
        call.answer(&none::SkillsStatus { workspace_dir: "", managed_skills_dir: "", agent_id, skills: [] });
        Ok(())
    }
}

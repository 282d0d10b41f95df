//! `skills.update`: turns a skill on or off, in the configuration.

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::skills::{SkillSetting, SkillUpdated, SkillsUpdateParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SkillsUpdate;

impl Method for SkillsUpdate {
    const NAME: &'static str = "skills.update";
    const SCOPE: Scope = Scope::Admin;
    type Params = SkillsUpdateParams;

    async fn run(call: &Call, params: SkillsUpdateParams) -> Result<(), Problem> {
        let (skill_key, enabled) = params.meaning()?;
        call.doors().app.config.turn_skill(call.principal(), Door::WebSocket, &skill_key, enabled).await?;
        call.answer(&SkillUpdated { ok: true, skill_key, config: SkillSetting { enabled } });
        Ok(())
    }
}

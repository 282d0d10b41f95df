//! `models.set`: the model that agents use from now on, or one of them (B19).

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::models::{ModelSet, SetParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ModelsSet;

impl Method for ModelsSet {
    const NAME: &'static str = "models.set";
    const SCOPE: Scope = Scope::Admin;
    type Params = SetParams;

    async fn run(call: &Call, params: SetParams) -> Result<(), Problem> {
        let (model, agent) = params.meaning()?;
        let app = &call.doors().app;
        let written = app.config.set_model(call.principal(), Door::WebSocket, model, agent.clone()).await?;
        let id = agent.clone().unwrap_or_else(|| app.models.default_agent());
        let model = app.models.model_of(&app.models.agent(&id)?);
        call.answer(&ModelSet {
            ok: true,
            model,
            agent_id: agent.map(|agent| agent.to_string()),
            applied: written.applied,
        });
        Ok(())
    }
}

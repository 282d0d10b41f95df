//! `models.list`: what can be asked (B18).

use claw_core::Scope;
use claw_wire::ws::models::{ListParams, ModelList, ModelRow};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ModelsList;

impl Method for ModelsList {
    const NAME: &'static str = "models.list";
    const SCOPE: Scope = Scope::Read;
    type Params = ListParams;

    async fn run(call: &Call, params: ListParams) -> Result<(), Problem> {
        let models = &call.doors().app.models;
        let default = match params.agent()? {
            Some(agent) => models.model_of(&models.agent(&agent)?),
            None => models.default_model(),
        };
        let row = |(provider, model): (String, claw_core::provider::ModelInfo)| {
            let is_default = default.as_deref() == Some(format!("{provider}/{}", model.name).as_str());
            ModelRow::of(provider, model, is_default)
        };
        let wanted = models.list().into_iter().filter(|(provider, _)| params.wants(provider));
        call.answer(&ModelList { models: wanted.map(row).collect() });
        Ok(())
    }
}

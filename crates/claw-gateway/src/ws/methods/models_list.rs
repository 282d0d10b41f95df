//! `models.list`: what can be asked (B18).

use claw_core::Scope;
use claw_wire::ws::models::{ModelList, ModelRow};
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ModelsList;

impl Method for ModelsList {
    const NAME: &'static str = "models.list";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        let models = &call.doors().app.models;
        let default = models.default_model();
        let row = |(provider, model): (String, claw_core::provider::ModelInfo)| {
            let is_default = default.as_deref() == Some(format!("{provider}/{}", model.name).as_str());
            ModelRow::of(provider, model, is_default)
        };
        call.answer(&ModelList { models: models.list().into_iter().map(row).collect() });
        Ok(())
    }
}

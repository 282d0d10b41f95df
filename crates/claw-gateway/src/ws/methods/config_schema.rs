//! `config.schema`: the JSON schema of the configuration.

use claw_core::Scope;
use claw_wire::ws::config::{Schema, raw_json};
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ConfigSchema;

impl Method for ConfigSchema {
    const NAME: &'static str = "config.schema";
    const SCOPE: Scope = Scope::Admin;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        let schema = call.doors().app.config.schema().await?;
        call.answer(&Schema { schema: raw_json(schema.as_str()), version: call.doors().settings.version.clone() });
        Ok(())
    }
}

//! `config.apply`: another text in place of the whole configuration.

use claw_app::config::Change;
use claw_core::Scope;
use claw_wire::ws::config::ApplyParams;

use super::{Call, Method, config_set};
use crate::error::Problem;

pub(super) struct ConfigApply;

impl Method for ConfigApply {
    const NAME: &'static str = "config.apply";
    const SCOPE: Scope = Scope::Admin;
    type Params = ApplyParams;

    async fn run(call: &Call, params: ApplyParams) -> Result<(), Problem> {
        let ApplyParams { raw, base_hash } = params;
        config_set::change_and_answer(call, Change::Apply(raw), base_hash).await
    }
}

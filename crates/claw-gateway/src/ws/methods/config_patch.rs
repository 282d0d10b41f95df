//! `config.patch`: merges into the configuration what a caller who has read it wants changed.

use claw_app::config::Change;
use claw_core::Scope;
use claw_wire::ws::config::PatchParams;

use super::{Call, Method, config_set};
use crate::error::Problem;

pub(super) struct ConfigPatch;

impl Method for ConfigPatch {
    const NAME: &'static str = "config.patch";
    const SCOPE: Scope = Scope::Admin;
    type Params = PatchParams;

    async fn run(call: &Call, params: PatchParams) -> Result<(), Problem> {
        let (patch, base_hash) = params.meaning()?;
        config_set::change_and_answer(call, Change::Patch(patch), base_hash).await
    }
}

//! `system-presence` (B16): who is here.

use claw_core::Scope;
use serde_json::Value;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SystemPresence;

impl Method for SystemPresence {
    const NAME: &'static str = "system-presence";
    const SCOPE: Scope = Scope::Read;
    type Params = Value;

    async fn run(call: &Call, _ignored: Value) -> Result<(), Problem> {
        call.require_overview()?;
        call.answer(&call.doors().stage.presence());
        Ok(())
    }
}

//! `last-heartbeat`: the last one since the start; null when there was none.

use claw_core::Scope;
use serde_json::Value;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct LastHeartbeat;

impl Method for LastHeartbeat {
    const NAME: &'static str = "last-heartbeat";
    const SCOPE: Scope = Scope::Read;
    type Params = Value;

    async fn run(call: &Call, _ignored: Value) -> Result<(), Problem> {
        call.require_overview()?;
        call.answer(&call.doors().stage.last_beat());
        Ok(())
    }
}

//! `set-heartbeats`: whether `wake` may start a turn.

use claw_core::Scope;
use claw_wire::ws::system::{HeartbeatsParams, HeartbeatsSet};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SetHeartbeats;

impl Method for SetHeartbeats {
    const NAME: &'static str = "set-heartbeats";
    const SCOPE: Scope = Scope::Admin;
    type Params = HeartbeatsParams;

    async fn run(call: &Call, params: HeartbeatsParams) -> Result<(), Problem> {
        call.doors().stage.set_heartbeats(params.enabled);
        call.answer(&HeartbeatsSet { ok: true, enabled: params.enabled });
        Ok(())
    }
}

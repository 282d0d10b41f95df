//! `health` (B9): how the gateway is.

use claw_core::Scope;
use claw_wire::ws::gateway::HealthParams;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct Health;

impl Method for Health {
    const NAME: &'static str = "health";
    const SCOPE: Scope = Scope::Read;
    type Params = HealthParams;

    async fn run(call: &Call, HealthParams { probe }: HealthParams) -> Result<(), Problem> {
        let doors = call.doors();
        call.answer_json(&doors.pulse.health(doors, probe.unwrap_or(false)).await);
        Ok(())
    }
}

//! `health` (B9): how the gateway is.

use claw_core::Scope;
use claw_wire::ws::gateway::HealthParams;

use super::{Call, Method};
use crate::error::Problem;
use crate::view;

pub(super) struct Health;

impl Method for Health {
    const NAME: &'static str = "health";
    const SCOPE: Scope = Scope::Read;
    type Params = HealthParams;

    async fn run(call: &Call, HealthParams { probe }: HealthParams) -> Result<(), Problem> {
        call.answer_json(&view::health_for(call.doors(), call.principal(), probe.unwrap_or(false)).await);
        Ok(())
    }
}

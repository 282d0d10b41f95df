//! `system.status` (C20): the same as `GET /status` (C22).

use claw_core::Scope;
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;
use crate::view;

pub(super) struct SystemStatus;

impl Method for SystemStatus {
    const NAME: &'static str = "system.status";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&view::status(call.doors(), call.principal()).await);
        Ok(())
    }
}

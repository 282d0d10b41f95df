//! `status` (B10): what the gateway does.

use claw_core::Scope;
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;
use crate::view;

pub(super) struct Status;

impl Method for Status {
    const NAME: &'static str = "status";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&view::status(call.doors(), call.principal()).await);
        Ok(())
    }
}

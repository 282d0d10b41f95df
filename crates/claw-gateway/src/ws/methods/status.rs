//! `status` (B10): what the gateway does.

use claw_core::Scope;
use serde_json::Value;

use super::{Call, Method};
use crate::error::Problem;
use crate::view;

pub(super) struct Status;

impl Method for Status {
    const NAME: &'static str = "status";
    const SCOPE: Scope = Scope::Read;
    type Params = Value;

    async fn run(call: &Call, _ignored: Value) -> Result<(), Problem> {
        call.answer(&view::status(call.doors()).await);
        Ok(())
    }
}

//! `health` (B9): how the gateway is.

use claw_core::Scope;
use serde_json::Value;

use super::{Call, Method};
use crate::error::Problem;
use crate::view;

pub(super) struct Health;

impl Method for Health {
    const NAME: &'static str = "health";
    const SCOPE: Scope = Scope::Read;
    type Params = Value;

    async fn run(call: &Call, _ignored: Value) -> Result<(), Problem> {
        call.answer(&view::health(call.doors()).await);
        Ok(())
    }
}

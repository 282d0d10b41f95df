//! `channels.status`: no channel is configured; channels come later.

use claw_core::Scope;
use claw_wire::ws::channels;
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ChannelsStatus;

impl Method for ChannelsStatus {
    const NAME: &'static str = "channels.status";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&channels::ChannelsStatus::none(call.doors().app.now().millis()));
        Ok(())
    }
}

//! `channel.list` (C17): no channel is configured; channels come later.

use claw_core::Scope;
use claw_wire::ws::channels;
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ChannelList;

impl Method for ChannelList {
    const NAME: &'static str = "channel.list";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&channels::ChannelList { channels: [] });
        Ok(())
    }
}

//! `channel.status` (C18): whatever channel is asked for, none is configured.

use claw_core::Scope;
use claw_wire::ws::channels::ChannelParams;
use http::StatusCode;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ChannelStatus;

impl Method for ChannelStatus {
    const NAME: &'static str = "channel.status";
    const SCOPE: Scope = Scope::Read;
    type Params = ChannelParams;

    async fn run(_call: &Call, params: ChannelParams) -> Result<(), Problem> {
        let shown: String = params.channel_id.chars().take(80).collect();
        let message = format!("no channel {shown:?}: no channel is configured");
        Err(Problem { frame_code: "NOT_FOUND", ..Problem::new(StatusCode::NOT_FOUND, "not_found", message) })
    }
}

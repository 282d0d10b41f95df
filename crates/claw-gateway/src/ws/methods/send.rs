//! `send` (B12): a message to somebody on a channel; no channel is configured, so it is refused.

use claw_core::Scope;
use claw_wire::ws::channels::SendParams;
use http::StatusCode;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct Send;

impl Method for Send {
    const NAME: &'static str = "send";
    const SCOPE: Scope = Scope::Write;
    type Params = SendParams;

    async fn run(_call: &Call, params: SendParams) -> Result<(), Problem> {
        let SendParams { to: _, message: _, channel } = params;
        let refused = match channel.filter(|name| !name.is_empty()) {
            Some(name) => format!("unsupported channel: {}", name.chars().take(80).collect::<String>()),
            None => "channel is required".to_owned(),
        };
        let message = format!(
            "{refused}: no channel is configured (this version has none that \"channels\" in openclaw.json could set up)"
        );
        Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_request", message))
    }
}

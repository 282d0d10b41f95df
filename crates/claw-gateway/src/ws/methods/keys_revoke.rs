//! `keys.revoke`: makes an API key worthless.

use claw_app::Error;
use claw_core::audit::Door;
use claw_core::{ApiKeyId, Scope};
use claw_wire::ws::keys::{RevokeParams, Revoked};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct KeysRevoke;

impl Method for KeysRevoke {
    const NAME: &'static str = "keys.revoke";
    const SCOPE: Scope = Scope::Admin;
    type Params = RevokeParams;

    async fn run(call: &Call, params: RevokeParams) -> Result<(), Problem> {
        let RevokeParams { id } = params;
        let Ok(key) = id.parse::<ApiKeyId>() else {
            return Err(Error::NotFound { what: "API key", id }.into());
        };
        call.doors().app.keys.revoke(call.principal(), Door::WebSocket, key).await?;
        call.answer(&Revoked { id, revoked: true });
        Ok(())
    }
}

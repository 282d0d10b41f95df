//! `device.token.revoke`: makes a device's token worthless; its sockets close.

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::devices::{Revoked, TokenParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct DeviceTokenRevoke;

impl Method for DeviceTokenRevoke {
    const NAME: &'static str = "device.token.revoke";
    const SCOPE: Scope = Scope::Pairing;
    type Params = TokenParams;

    async fn run(call: &Call, params: TokenParams) -> Result<(), Problem> {
        let devices = &call.doors().app.devices;
        devices.permits(call.principal())?;
        let (device, role) = (params.device()?, params.role()?);
        let at = devices.revoke(call.principal(), Door::WebSocket, device, role).await?;
        call.answer(&Revoked { device_id: device.to_string(), role: role.name(), revoked_at_ms: at.millis() });
        Ok(())
    }
}

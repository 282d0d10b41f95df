//! `device.token.rotate`: gives a device a fresh token; its text is in this answer and nowhere else.

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::devices::{Rotated, TokenParams, scope_names};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct DeviceTokenRotate;

impl Method for DeviceTokenRotate {
    const NAME: &'static str = "device.token.rotate";
    const SCOPE: Scope = Scope::Pairing;
    type Params = TokenParams;

    async fn run(call: &Call, params: TokenParams) -> Result<(), Problem> {
        let devices = &call.doors().app.devices;
        devices.permits(call.principal())?;
        let (device, role, scopes) = (params.device()?, params.role()?, params.scopes()?);
        let issued = devices.rotate(call.principal(), Door::WebSocket, (device, role), scopes).await?;
        call.answer(&Rotated {
            device_id: device.to_string(),
            role: issued.role.name(),
            token: issued.secret.expose(),
            scopes: scope_names(issued.scopes),
            rotated_at_ms: issued.at.millis(),
        });
        Ok(())
    }
}

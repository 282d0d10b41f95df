//! `device.pair.remove`: forgets a paired device; its sockets close.

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::devices::{RemoveParams, Removed};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct DevicePairRemove;

impl Method for DevicePairRemove {
    const NAME: &'static str = "device.pair.remove";
    const SCOPE: Scope = Scope::Pairing;
    type Params = RemoveParams;

    async fn run(call: &Call, params: RemoveParams) -> Result<(), Problem> {
        let devices = &call.doors().app.devices;
        devices.permits(call.principal())?;
        let device = params.device()?;
        devices.remove(call.principal(), Door::WebSocket, device).await?;
        call.answer(&Removed { device_id: device.to_string() });
        Ok(())
    }
}

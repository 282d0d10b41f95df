//! `device.pair.approve`: lets a device in that waits for it.

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::devices::{Approved, DecideParams};

use super::{Call, Method};
use crate::error::Problem;
use crate::view::devices::paired;

pub(super) struct DevicePairApprove;

impl Method for DevicePairApprove {
    const NAME: &'static str = "device.pair.approve";
    const SCOPE: Scope = Scope::Pairing;
    type Params = DecideParams;

    async fn run(call: &Call, params: DecideParams) -> Result<(), Problem> {
        let devices = &call.doors().app.devices;
        devices.permits(call.principal())?;
        let id = params.pairing()?;
        let device = devices.approve(call.principal(), Door::WebSocket, id).await?;
        call.answer(&Approved { request_id: id.to_string(), device: paired(&device) });
        Ok(())
    }
}

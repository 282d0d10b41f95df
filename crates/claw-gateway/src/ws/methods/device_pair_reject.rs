//! `device.pair.reject`: refuses a device that waits.

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::devices::{DecideParams, Rejected};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct DevicePairReject;

impl Method for DevicePairReject {
    const NAME: &'static str = "device.pair.reject";
    const SCOPE: Scope = Scope::Pairing;
    type Params = DecideParams;

    async fn run(call: &Call, params: DecideParams) -> Result<(), Problem> {
        let devices = &call.doors().app.devices;
        devices.permits(call.principal())?;
        let id = params.pairing()?;
        let device = devices.reject(call.principal(), Door::WebSocket, id).await?;
        call.answer(&Rejected { request_id: id.to_string(), device_id: device.to_string() });
        Ok(())
    }
}

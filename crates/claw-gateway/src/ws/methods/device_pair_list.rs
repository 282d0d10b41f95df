//! `device.pair.list`: who waits to be paired, and who is.

use claw_core::Scope;
use claw_wire::ws::devices::{Everybody, ListParams};

use super::{Call, Method};
use crate::error::Problem;
use crate::view::devices::{paired, wish};

pub(super) struct DevicePairList;

impl Method for DevicePairList {
    const NAME: &'static str = "device.pair.list";
    const SCOPE: Scope = Scope::Pairing;
    type Params = ListParams;

    async fn run(call: &Call, ListParams {}: ListParams) -> Result<(), Problem> {
        let everybody = call.doors().app.devices.list(call.principal()).await?;
        let pending = everybody.pending.iter().map(wish).collect();
        call.answer(&Everybody { pending, paired: everybody.paired.iter().map(paired).collect() });
        Ok(())
    }
}

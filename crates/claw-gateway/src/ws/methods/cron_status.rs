//! `cron.status`: nothing schedules; cron comes later.

use claw_core::Scope;
use claw_wire::ws::none::{CronStatus, NoParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct CronState;

impl Method for CronState {
    const NAME: &'static str = "cron.status";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&CronStatus::default());
        Ok(())
    }
}

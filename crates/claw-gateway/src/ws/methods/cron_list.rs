//! `cron.list`: no job is scheduled; cron comes later.

use claw_core::Scope;
use claw_wire::ws::none::{CronList, CronListParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct CronJobs;

impl Method for CronJobs {
    const NAME: &'static str = "cron.list";
    const SCOPE: Scope = Scope::Read;
    type Params = CronListParams;

    async fn run(call: &Call, params: CronListParams) -> Result<(), Problem> {
        call.answer(&CronList::none(&params));
        Ok(())
    }
}

//! `usage.status`: what providers say of their quotas. None of ours says anything.

use claw_core::Scope;
use claw_wire::ws::none::NoParams;
use claw_wire::ws::usage::UsageStatus;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct UsageOfProviders;

impl Method for UsageOfProviders {
    const NAME: &'static str = "usage.status";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, _: NoParams) -> Result<(), Problem> {
        call.answer(&UsageStatus { updated_at: call.doors().app.now().millis(), providers: [] });
        Ok(())
    }
}

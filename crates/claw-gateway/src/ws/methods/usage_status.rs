//! `usage.status`: what the caller may have generated, and what providers say of their quotas: none of ours says
//! anything.

use claw_app::limiter::Quota;
use claw_app::usage::Allowance;
use claw_core::Scope;
use claw_wire::ws::none::NoParams;
use claw_wire::ws::usage::{Limits, UsageStatus};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct UsageOfProviders;

impl Method for UsageOfProviders {
    const NAME: &'static str = "usage.status";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, _: NoParams) -> Result<(), Problem> {
        let app = &call.doors().app;
        let Allowance { plan, quota, tokens_used, next_month } = app.usage.allowance(call.principal()).await?;
        let Quota { requests_per_minute, concurrent_max, tokens_per_month } = quota;
        let limits = Limits {
            plan: plan.map(|plan| plan.to_string()),
            requests_per_minute,
            max_concurrent: concurrent_max,
            tokens_per_month,
            tokens_used,
            tokens_reset_at: next_month.to_string(),
        };
        call.answer(&UsageStatus { updated_at: app.now().millis(), providers: [], limits });
        Ok(())
    }
}

//! `plugin.approval.list`: no plugin waits for an approval; there are none.

use claw_core::Scope;
use claw_wire::ws::none::{NO_APPROVALS, NoParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct PluginApprovalList;

impl Method for PluginApprovalList {
    const NAME: &'static str = "plugin.approval.list";
    const SCOPE: Scope = Scope::Approvals;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&NO_APPROVALS);
        Ok(())
    }
}

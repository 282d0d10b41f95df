//! `openclaw.approval.list`: no change of the gateway waits for an approval.

use claw_core::Scope;
use claw_wire::ws::none::{NO_APPROVALS, NoParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct OpenclawApprovalList;

impl Method for OpenclawApprovalList {
    const NAME: &'static str = "openclaw.approval.list";
    const SCOPE: Scope = Scope::Admin;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&NO_APPROVALS);
        Ok(())
    }
}

//! `exec.approval.list`: no command waits for an approval; approvals come later.

use claw_core::Scope;
use claw_wire::ws::none::{NO_APPROVALS, NoParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ExecApprovalList;

impl Method for ExecApprovalList {
    const NAME: &'static str = "exec.approval.list";
    const SCOPE: Scope = Scope::Approvals;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&NO_APPROVALS);
        Ok(())
    }
}

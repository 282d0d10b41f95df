//! `exec.approval.get`: one call that waits for leave, or did.

use claw_core::Scope;
use claw_wire::ws::approvals::{Approval, ApprovalParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ExecApprovalGet;

impl Method for ExecApprovalGet {
    const NAME: &'static str = "exec.approval.get";
    const SCOPE: Scope = Scope::Approvals;
    type Params = ApprovalParams;

    async fn run(call: &Call, ApprovalParams { id }: ApprovalParams) -> Result<(), Problem> {
        let found = call.doors().app.approvals.get(call.principal(), &id).await?;
        call.answer(&Approval::from(&found));
        Ok(())
    }
}

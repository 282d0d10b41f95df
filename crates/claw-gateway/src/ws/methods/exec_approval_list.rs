//! `exec.approval.list`: the calls that wait for somebody's leave, newest first.

use claw_core::Scope;
use claw_wire::ws::approvals::Approval;
use claw_wire::ws::none::NoParams;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ExecApprovalList;

impl Method for ExecApprovalList {
    const NAME: &'static str = "exec.approval.list";
    const SCOPE: Scope = Scope::Approvals;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        let waiting = call.doors().app.approvals.list(call.principal(), true).await?;
        call.answer(&waiting.iter().map(Approval::from).collect::<Vec<_>>());
        Ok(())
    }
}

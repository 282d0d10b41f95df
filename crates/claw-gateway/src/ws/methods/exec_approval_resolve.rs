//! `exec.approval.resolve`: decides about a call, once.

use claw_core::Scope;
use claw_core::audit::Door;
use claw_wire::ws::approvals::{Approval, Decided, ResolveParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ExecApprovalResolve;

impl Method for ExecApprovalResolve {
    const NAME: &'static str = "exec.approval.resolve";
    const SCOPE: Scope = Scope::Approvals;
    type Params = ResolveParams;

    async fn run(call: &Call, params: ResolveParams) -> Result<(), Problem> {
        let decision = params.decision()?;
        let decided =
            call.doors().app.approvals.resolve(call.principal(), Door::WebSocket, &params.id, decision).await?;
        call.answer(&Decided { ok: true, approval: Approval::from(&decided) });
        Ok(())
    }
}

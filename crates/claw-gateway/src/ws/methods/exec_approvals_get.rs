//! `exec.approvals.get`: no file of approvals exists yet.

use claw_core::Scope;
use claw_wire::ws::none::{Approvals, NoParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ExecApprovalsGet;

impl Method for ExecApprovalsGet {
    const NAME: &'static str = "exec.approvals.get";
    const SCOPE: Scope = Scope::Admin;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&Approvals::NONE);
        Ok(())
    }
}

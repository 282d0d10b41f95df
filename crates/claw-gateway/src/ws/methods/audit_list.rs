//! `audit.list`: what is written down for good, newest first.

use claw_core::Scope;
use claw_wire::v2::audit::{Asked, Question};

use super::{Call, Method};
use crate::error::Problem;
use crate::view::audit;

pub(super) struct AuditList;

impl Method for AuditList {
    const NAME: &'static str = "audit.list";
    const SCOPE: Scope = Scope::Admin;
    type Params = Question;

    async fn run(call: &Call, params: Question) -> Result<(), Problem> {
        call.answer(&audit::page(call.doors(), call.principal(), Asked::try_from(params)?).await?);
        Ok(())
    }
}

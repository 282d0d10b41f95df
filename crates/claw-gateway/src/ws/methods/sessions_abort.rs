//! `sessions.abort`: stops what runs and waits in a conversation, or one run of it.

use claw_core::Scope;
use claw_wire::ws::agent::{AbortParams, SessionAborted};

use super::{Call, Method, chat_abort};
use crate::error::Problem;

pub(super) struct SessionsAbort;

impl Method for SessionsAbort {
    const NAME: &'static str = "sessions.abort";
    const SCOPE: Scope = Scope::Write;
    type Params = AbortParams;

    async fn run(call: &Call, params: AbortParams) -> Result<(), Problem> {
        let stopped = chat_abort::abort(call, &params).await?;
        call.answer(&SessionAborted::of(stopped));
        Ok(())
    }
}

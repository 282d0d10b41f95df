//! `chat.abort`: stops one run, or whatever runs and waits in a session.

use claw_app::Error;
use claw_core::Scope;
use claw_wire::BadRequest;
use claw_wire::ws::agent::{AbortParams, Aborted};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ChatAbort;

impl Method for ChatAbort {
    const NAME: &'static str = "chat.abort";
    const SCOPE: Scope = Scope::Write;
    type Params = AbortParams;

    async fn run(call: &Call, params: AbortParams) -> Result<(), Problem> {
        let tasks = &call.doors().app.tasks;
        let session = params.session()?;
        let stopped = match (&params.run_id, &session) {
            (Some(run_id), _) => match tasks.cancel(call.principal(), run_id).await {
                Ok(task) => vec![task.run_id()],
                // Nothing is left to stop: the stock gateway calls that a success, too.
                Err(Error::Conflict { .. } | Error::NotFound { .. }) => Vec::new(),
                Err(error) => return Err(error.into()),
            },
            (None, Some(session)) => tasks.abort_session(call.principal(), session).await?,
            (None, None) => return Err(BadRequest::of("sessionKey", "name a sessionKey or a runId").into()),
        };
        call.answer(&Aborted::of(stopped));
        Ok(())
    }
}

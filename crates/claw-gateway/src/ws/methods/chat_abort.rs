//! `chat.abort`: stops one run, or whatever runs and waits in a session.

use claw_app::Error;
use claw_core::{Scope, SessionKey};
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
        let stopped = abort(call, &params).await?;
        call.answer(&Aborted::of(stopped));
        Ok(())
    }
}

/// Stops what is named; the ids of the runs that were stopped.
pub(super) async fn abort(call: &Call, params: &AbortParams) -> Result<Vec<String>, Problem> {
    let tasks = &call.doors().app.tasks;
    let session = params.session()?;
    match (&params.run_id, &session) {
        (Some(run_id), Some(session)) if !belongs(call, run_id, session).await? => Ok(Vec::new()),
        (Some(run_id), _) => match tasks.cancel(call.principal(), run_id).await {
            Ok(task) => Ok(vec![task.run_id()]),
            // Nothing is left to stop: the stock gateway calls that a success, too.
            Err(Error::Conflict { .. } | Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        },
        (None, Some(session)) => Ok(tasks.abort_session(call.principal(), session).await?),
        (None, None) => Err(BadRequest::of("sessionKey", "name a sessionKey or a runId").into()),
    }
}

/// Whether the run is one of this conversation; an unknown run is nobody's.
async fn belongs(call: &Call, run_id: &str, session: &SessionKey) -> Result<bool, Problem> {
    let found = call.doors().app.tasks.find(call.principal(), run_id).await;
    let place = call.place(session).await?;
    Ok(found.is_ok_and(|task| task.turn.session == place))
}

//! `agent` (B11, B22, B23): runs an agent; accepted at once, events while it works, the end as a
//! second answer.

use claw_app::Error;
use claw_core::Scope;
use claw_core::task::TaskState;
use claw_wire::ws::agent::{Accepted, AgentCall, Finished, RunParams};
use serde_json::json;

use super::{Call, Method};
use crate::error::Problem;
use crate::ws::begin::{begin, show};
use crate::ws::relay::{End, Run};

pub(super) struct Agent;

impl Method for Agent {
    const NAME: &'static str = "agent";
    const SCOPE: Scope = Scope::Write;
    type Params = RunParams;

    async fn run(call: &Call, params: RunParams) -> Result<(), Problem> {
        let asked = AgentCall::try_from(params)?;
        let is_keyed = asked.idempotency_key.is_some();
        let begun = begin(call, asked).await?;
        if begun.is_replay {
            return finish_replayed(call, &begun.run_id, begun.id).await;
        }
        let run = begun.run();
        call.answer(&Accepted {
            run_id: run.run_id,
            task_id: begun.id.to_string(),
            session_key: run.session_key,
            agent_id: run.agent_id,
            status: "accepted",
            accepted_at: call.doors().app.now().millis(),
        });
        let end = show(call, &run).await?;
        finish(call, &run, &end, is_keyed);
        Ok(())
    }
}

/// A repeated key hears only the end.
async fn finish_replayed(call: &Call, run_id: &str, id: claw_core::TaskId) -> Result<(), Problem> {
    let tasks = &call.doors().app.tasks;
    let mut reader = tasks.read(id, 0);
    while reader.next().await.map_err(Error::from)?.is_some() {}
    let task = tasks.find(call.principal(), &id.to_string()).await?;
    let since = task.started_at.unwrap_or(task.created_at);
    let run = Run {
        id,
        run_id,
        session_key: task.turn.session.as_str(),
        agent_id: task.turn.agent.as_str(),
        wants_deltas: true,
    };
    let end = match task.state {
        TaskState::Completed { output, at } => End::Completed { output, took: at.since(since) },
        TaskState::Failed { failure, .. } => End::Failed { failure },
        TaskState::Cancelled { .. } => End::Cancelled,
        TaskState::Queued { .. } | TaskState::Running { .. } => {
            return Err(Error::NotFound { what: "end of task", id: id.to_string() }.into());
        }
    };
    finish(call, &run, &end, true);
    Ok(())
}

/// The second answer.
pub(super) fn finish(call: &Call, run: &Run<'_>, end: &End, is_keyed: bool) {
    match end {
        End::Completed { output, took } => {
            let took = crate::error::millis(*took);
            call.answer(&Finished::completed(run.run_id, run.session_key, output, took, is_keyed));
        }
        End::Cancelled => call.answer(&Finished::ended(run.run_id, "aborted")),
        End::Failed { failure } => {
            let problem = Problem::from(Error::Run(failure.clone()));
            // The call was good and its run failed: a client tells that from a refused call by the details.
            let details = json!({"code": "RUN_FAILED", "reason": failure.reason, "runId": run.run_id});
            let error = problem.to_frame_error().with_details(details);
            call.refuse_with(&error, &Finished::ended(run.run_id, "error"));
        }
    }
}

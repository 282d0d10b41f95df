//! `agent` (B11, B22, B23): runs an agent; accepted at once, events while it works, the end as a
//! second answer.

use std::time::Duration;

use claw_app::Error;
use claw_app::tasks::NewRun;
use claw_core::task::TaskState;
use claw_core::{Lane, Scope};
use claw_wire::ws::agent::{Accepted, AgentCall, AgentParams, Finished};
use claw_wire::ws::frame;

use super::{Call, Method};
use crate::error::{Problem, of_failure};
use crate::submit;
use crate::ws::relay::{self, End, Run};

/// Events wait this long behind the first answer: a client that handles both in one go misses them.
const BREATH: Duration = Duration::from_millis(20);

pub(super) struct Agent;

impl Method for Agent {
    const NAME: &'static str = "agent";
    const SCOPE: Scope = Scope::Write;
    type Params = AgentParams;

    async fn run(call: &Call, params: AgentParams) -> Result<(), Problem> {
        let AgentCall { turn, idempotency_key } = AgentCall::try_from(params)?;
        let is_keyed = idempotency_key.is_some();
        let digested = frame::to_json(&turn);
        let new = NewRun {
            is_labelled: is_keyed,
            idempotency: idempotency_key.map(|key| submit::idempotency(key, digested.as_bytes())),
            ..NewRun::of(turn.clone(), Lane::Interactive)
        };
        let app = &call.doors().app;
        let accepted = app.tasks.submit(call.principal(), new).await?;
        if accepted.is_replay {
            return finish_replayed(call, &accepted.run_id, accepted.id).await;
        }
        let agent = turn.agent.as_str();
        call.answer(&Accepted {
            run_id: &accepted.run_id,
            task_id: accepted.id.to_string(),
            session_key: turn.session.as_str(),
            agent_id: agent,
            status: "accepted",
            accepted_at: app.now().millis(),
        });
        tokio::time::sleep(BREATH).await;
        let run =
            Run { id: accepted.id, run_id: &accepted.run_id, session_key: turn.session.as_str(), agent_id: agent };
        let end = relay::run(call.line(), &run).await?;
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
    let run = Run { id, run_id, session_key: task.turn.session.as_str(), agent_id: task.turn.agent.as_str() };
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

fn finish(call: &Call, run: &Run<'_>, end: &End, is_keyed: bool) {
    match end {
        End::Completed { output, took } => {
            let took = crate::error::millis(*took);
            call.answer(&Finished::completed(run.run_id, run.session_key, output, took, is_keyed));
        }
        End::Cancelled => call.answer(&Finished::ended(run.run_id, "aborted")),
        End::Failed { failure } => {
            let (status, code) = of_failure(failure.reason);
            let problem = Problem::new(status, code, failure.message.clone());
            call.refuse_with(&problem.to_frame_error(), &Finished::ended(run.run_id, "error"));
        }
    }
}

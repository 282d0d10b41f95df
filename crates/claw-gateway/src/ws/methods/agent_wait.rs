//! `agent.wait`: waits for a run's end, at most so long.

use std::time::Duration;

use claw_core::task::TaskState;
use claw_core::{Scope, Timestamp};
use claw_wire::ws::agent::{WaitParams, Waited};

use super::{Call, Method};
use crate::error::Problem;
use crate::limits::{AGENT_WAIT_DEFAULT, AGENT_WAIT_MAX};

pub(super) struct AgentWait;

impl Method for AgentWait {
    const NAME: &'static str = "agent.wait";
    const SCOPE: Scope = Scope::Read;
    type Params = WaitParams;

    async fn run(call: &Call, params: WaitParams) -> Result<(), Problem> {
        let WaitParams { run_id, timeout_ms } = params;
        let wait = timeout_ms.map_or(AGENT_WAIT_DEFAULT, Duration::from_millis).min(AGENT_WAIT_MAX);
        let tasks = &call.doors().app.tasks;
        let found = tasks.find(call.principal(), &run_id).await?;
        let task = if found.state.name().is_terminal() { Some(found) } else { tasks.wait(found.id, wait).await? };
        let mut answer = Waited { run_id: &run_id, status: "timeout", started_at: None, ended_at: None, error: None };
        let Some(task) = task else {
            call.answer(&answer);
            return Ok(());
        };
        answer.started_at = task.started_at.map(Timestamp::millis);
        answer.ended_at = task.state.ended_at().map(Timestamp::millis);
        (answer.status, answer.error) = match &task.state {
            TaskState::Completed { .. } => ("ok", None),
            TaskState::Failed { failure, .. } => ("error", Some(failure.message.as_str())),
            TaskState::Cancelled { .. } => ("aborted", None),
            TaskState::Queued { .. } | TaskState::Running { .. } => ("timeout", None),
        };
        call.answer(&answer);
        Ok(())
    }
}

//! Tasks: what is submitted, and how one is shown.
//!
//! A task type is a named handler (K26). `agent` is the one there is; another type is refused with
//! the names of the known ones, before its input is looked at.

mod submit;

use claw_core::provider::Usage as CoreUsage;
use claw_core::{Failure, Output, Task as CoreTask, TaskState, ToolCall};
use serde::Serialize;

pub use submit::{CallbackRequest, NewTask, RunOptions, Submission, TaskInput};

/// The known task types.
pub const TYPES: &[&str] = &["agent"];

/// The largest whole number that JavaScript reads and writes back unchanged.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// A task as its owner sees it (D21).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task<'a> {
    /// `task_…`.
    pub id: String,
    /// One of [`TYPES`].
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    pub status: &'static str,
    /// 0 to 100.
    pub progress: u8,
    /// What came of it.
    pub result: Option<TaskResult<'a>>,
    /// Why it failed; of one that waits to be tried again, why it did the last time.
    pub error: Option<TaskError<'a>>,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601; when it first started.
    pub started_at: Option<String>,
    /// ISO 8601; when it ended, however it ended.
    pub completed_at: Option<String>,
    /// ISO 8601; a waiting task does not start earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// `appr_…`; a waiting task goes on once this is decided, or has run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for_approval: Option<String>,
    /// Which try it is, or was; going on after an approval is none.
    pub attempt: u32,
    /// How many attempts may fail.
    pub max_attempts: u32,
    /// The name of its run on other surfaces.
    pub run_id: String,
    /// Who answers.
    pub agent_id: &'a str,
    /// The conversation it belongs to.
    pub session_key: &'a str,
    /// `interactive`, `standard` or `long`.
    pub lane: &'static str,
    /// 0 to 9.
    pub priority: u8,
}

impl<'a> From<&'a CoreTask> for Task<'a> {
    fn from(task: &'a CoreTask) -> Self {
        let CoreTask {
            id,
            principal: _,
            session: _,
            turn,
            lane,
            priority,
            label: _,
            on_crash: _,
            attached: _,
            callback: _,
            attempt: _,
            failures: _,
            attempts_max,
            crashes: _,
            progress,
            waits_for,
            created_at,
            started_at,
            state,
        } = task;
        let (result, error, not_before) = match state {
            TaskState::Queued { not_before } => (None, None, (not_before > created_at).then(|| not_before.to_string())),
            TaskState::Running { .. } | TaskState::Cancelled { .. } => (None, None, None),
            TaskState::Completed { output, .. } => (Some(TaskResult::from(output)), None, None),
            TaskState::Failed { failure, .. } => (None, Some(TaskError::from(failure)), None),
        };
        Self {
            id: id.to_string(),
            kind: "agent",
            status: state.name().as_str(),
            progress: if result.is_some() { 100 } else { *progress },
            result,
            error,
            created_at: created_at.to_string(),
            started_at: started_at.map(|at| at.to_string()),
            completed_at: state.ended_at().map(|at| at.to_string()),
            not_before: not_before.filter(|_| waits_for.is_none()),
            waits_for_approval: waits_for.map(|id| id.to_string()),
            attempt: tries(task),
            max_attempts: *attempts_max,
            run_id: task.run_id(),
            agent_id: turn.agent.as_str(),
            session_key: turn.session.as_str(),
            lane: lane.as_str(),
            priority: priority.get(),
        }
    }
}

impl<'a> Task<'a> {
    /// The same with what its last attempt failed for.
    #[must_use]
    pub fn waiting_since(self, failed: Option<&'a str>) -> Self {
        let error = failed.map(|message| TaskError { reason: "provider", code: "provider", message });
        Self { error: self.error.or(error), ..self }
    }
}

/// The try it is in: one more than have failed or died, unless that was the last. What was given up for an approval and
/// taken up again was no other try.
fn tries(task: &CoreTask) -> u32 {
    let ended_badly = task.failures.saturating_add(task.crashes);
    let tries = match task.state {
        TaskState::Failed { .. } => ended_badly.max(1),
        TaskState::Queued { .. }
        | TaskState::Running { .. }
        | TaskState::Completed { .. }
        | TaskState::Cancelled { .. } => ended_badly.saturating_add(1),
    };
    tries.min(task.attempt)
}

/// What an `agent` task produced (K26).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskResult<'a> {
    /// The answer.
    pub response: &'a str,
    /// Tokens used.
    pub usage: Usage,
    /// `<provider>/<model>`.
    pub model: &'a str,
    /// `stop`, `length`, `tool_calls` or `content_filter`.
    pub finish_reason: &'static str,
    /// Calls of the caller's own tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call<'a>>,
    /// The task whose run took this one up and answered it, where another's did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
}

impl<'a> From<&'a Output> for TaskResult<'a> {
    fn from(output: &'a Output) -> Self {
        let Output { text, refused_from: _, asides: _, reasoned: _, tool_calls, finish, usage, model, answered_by } =
            output;
        Self {
            response: text,
            usage: Usage::from(*usage),
            model,
            finish_reason: finish.as_str(),
            tool_calls: tool_calls.iter().map(Call::from).collect(),
            answered_by: answered_by.map(|task| task.to_string()),
        }
    }
}

/// A tool call as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call<'a> {
    /// The call's id.
    pub id: &'a str,
    /// The tool's name.
    pub name: &'a str,
    /// The arguments as JSON text.
    pub arguments: &'a str,
}

impl<'a> From<&'a ToolCall> for Call<'a> {
    fn from(call: &'a ToolCall) -> Self {
        let ToolCall { id, name, arguments } = call;
        Self { id, name, arguments: arguments.as_str() }
    }
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskError<'a> {
    /// `provider`, `request`, `interrupted`, `poisoned`, `limit` or `internal`.
    pub reason: &'static str,
    /// The same, where programs look for `code`.
    pub code: &'static str,
    /// For people.
    pub message: &'a str,
}

impl<'a> From<&'a Failure> for TaskError<'a> {
    fn from(failure: &'a Failure) -> Self {
        let Failure { reason, message, retry_after_ms: _, is_transient: _ } = failure;
        Self { reason: reason.as_str(), code: reason.as_str(), message }
    }
}

/// Tokens in the spelling of the REST surfaces (K13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens of the question.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
}

impl From<CoreUsage> for Usage {
    fn from(usage: CoreUsage) -> Self {
        let CoreUsage { input_tokens, output_tokens, .. } = usage;
        // Upstreams are believed, but not beyond what JavaScript can count (K22).
        let [prompt_tokens, completion_tokens, total_tokens] =
            [input_tokens, output_tokens, usage.total()].map(|tokens| tokens.min(SAFE_INTEGER_MAX));
        Self { prompt_tokens, completion_tokens, total_tokens }
    }
}

/// One page of tasks, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskPage<'a> {
    /// The tasks.
    pub tasks: Vec<Task<'a>>,
    /// What to write into `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

#[cfg(test)]
mod tests;

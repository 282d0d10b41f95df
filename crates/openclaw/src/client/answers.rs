//! As much of the gateway's answers as the commands show.
//!
//! The gateway's own types only write; these only read, and leniently: a field that is missing or
//! new breaks no client. `--json` prints the answer itself and never goes through here.

mod audit;
mod devices;
mod memory;
mod tools;

use std::collections::BTreeMap;

use serde::Deserialize;

pub(crate) use audit::{AuditEntry, AuditPage};
pub(crate) use devices::{Device, DeviceList, RotatedToken, short};
pub(crate) use memory::{FoundMemories, FoundMemory, MemoryList, OneMemory};
pub(crate) use tools::{InvokedTool, ToolCatalog, TrustedFiles};

/// `hello-ok`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hello {
    pub(crate) policy: Policy,
}

/// The gateway's rhythm.
#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Policy {
    pub(crate) tick_interval_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { tick_interval_ms: 15_000 }
    }
}

/// `health`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Health {
    pub(crate) ok: bool,
    pub(crate) default_agent_id: String,
    pub(crate) sessions: Count,
    pub(crate) tasks: Counts,
}

/// Something that is counted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Count {
    pub(crate) count: u64,
}

/// Tasks by state.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub(crate) queued: u64,
    pub(crate) running: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
}

/// `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) status: String,
    pub(crate) version: String,
    /// Seconds.
    pub(crate) uptime: u64,
    pub(crate) gateway: Listening,
    pub(crate) channels: BTreeMap<String, String>,
    pub(crate) tasks: Tasks,
    pub(crate) sessions: Sessions,
    pub(crate) queue: Option<Queue>,
    pub(crate) workers: Option<Workers>,
    pub(crate) models: Vec<String>,
}

/// Where the gateway listens.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Listening {
    pub(crate) port: u16,
    pub(crate) bind: String,
    pub(crate) auth: String,
    pub(crate) connections: Option<u64>,
    pub(crate) accepting: Option<bool>,
}

/// Tasks inside `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Tasks {
    pub(crate) by_status: Counts,
}

/// Conversations inside `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sessions {
    pub(crate) count: u64,
    pub(crate) defaults: Defaults,
}

/// What answers unless told otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Defaults {
    pub(crate) model_provider: Option<String>,
    pub(crate) model: Option<String>,
}

/// What waits, inside `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Queue {
    pub(crate) lanes: BTreeMap<String, u64>,
    pub(crate) delayed: u64,
    pub(crate) oldest_queued_ms: Option<u64>,
}

/// What runs, inside `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Workers {
    pub(crate) running: BTreeMap<String, u64>,
    pub(crate) capacity: u64,
}

/// The answers to `agent`, first and last.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Run {
    pub(crate) run_id: String,
    pub(crate) task_id: Option<String>,
    /// `accepted`, then `ok`, `error` or `aborted`.
    pub(crate) status: String,
    pub(crate) result: Option<RunResult>,
}

/// What a run produced.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunResult {
    pub(crate) payloads: Vec<Text>,
}

/// One text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Text {
    pub(crate) text: Option<String>,
}

/// The event `agent`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AgentEvent {
    pub(crate) run_id: String,
    pub(crate) stream: String,
    pub(crate) data: AgentEventData,
}

/// The fields of all streams, each event having its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AgentEventData {
    pub(crate) phase: Option<String>,
    pub(crate) delta: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) state: Option<String>,
    #[serde(rename = "approvalId")]
    pub(crate) approval_id: Option<String>,
    #[serde(rename = "commandText")]
    pub(crate) command: Option<String>,
}

/// An answer about one task.
#[derive(Debug, Deserialize)]
pub(crate) struct TaskAnswer {
    pub(crate) task: Task,
}

/// A task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) progress: u8,
    pub(crate) result: Option<TaskResult>,
    pub(crate) error: Option<TaskError>,
    pub(crate) created_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    pub(crate) not_before: Option<String>,
    pub(crate) waits_for_approval: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    pub(crate) agent_id: String,
    pub(crate) session_key: String,
    pub(crate) lane: String,
    pub(crate) priority: u8,
}

impl Task {
    /// Whether nothing more will happen to it.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed" | "cancelled")
    }
}

/// What came of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TaskResult {
    pub(crate) response: String,
    pub(crate) model: String,
    pub(crate) usage: Usage,
}

/// Tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

/// Why something failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct TaskError {
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// `tasks.list`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TaskPage {
    pub(crate) tasks: Vec<Task>,
    pub(crate) next_cursor: Option<String>,
}

/// The event `task.event`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Watched {
    pub(crate) task_id: String,
    pub(crate) event: TaskEvent,
}

/// What happened in a task; the fields of all kinds, each event having its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TaskEvent {
    pub(crate) seq: u64,
    pub(crate) kind: String,
    pub(crate) attempt: u32,
    pub(crate) model: String,
    pub(crate) delta: String,
    pub(crate) percent: u8,
    pub(crate) name: String,
    pub(crate) is_error: bool,
    pub(crate) reason: String,
    pub(crate) call: Option<Call>,
    pub(crate) error: Option<TaskError>,
    pub(crate) retry_at: String,
    pub(crate) approval_id: String,
    pub(crate) shown: String,
    pub(crate) state: String,
}

/// A tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Call {
    pub(crate) name: String,
}

/// `sessions.list`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SessionList {
    pub(crate) sessions: Vec<Session>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) total_count: Option<u64>,
}

/// A conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) label: Option<String>,
    pub(crate) thinking_level: Option<String>,
    pub(crate) verbose_level: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created_at: i64,
    /// Milliseconds since 1970.
    pub(crate) updated_at: i64,
    pub(crate) message_count: u64,
    pub(crate) total_tokens: u64,
    pub(crate) model_provider: Option<String>,
    pub(crate) model: Option<String>,
}

/// `sessions.describe`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Described {
    /// Nothing when there is none of that name.
    pub(crate) session: Option<Session>,
}

/// What a change of a conversation came to.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SessionChanged {
    pub(crate) key: String,
    pub(crate) run_id: Option<String>,
    pub(crate) deleted: bool,
    pub(crate) compacted: bool,
    pub(crate) kept: u64,
}

/// `sessions.history`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct History {
    pub(crate) messages: Vec<HistoryMessage>,
}

/// A message of a conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct HistoryMessage {
    pub(crate) role: String,
    pub(crate) content: String,
    pub(crate) timestamp: String,
    pub(crate) tool_calls: Vec<Call>,
}

/// `logs.tail`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Tail {
    pub(crate) cursor: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) reset: bool,
}

/// `keys.create`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CreatedKey {
    pub(crate) key: Key,
    /// Shown this once.
    pub(crate) secret: String,
}

/// A call that waits for leave, or did.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Approval {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) request: ApprovalRequest,
}

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ApprovalRequest {
    pub(crate) command: String,
    pub(crate) tool: String,
    pub(crate) reason: String,
    pub(crate) agent_id: String,
    pub(crate) session_key: String,
}

/// `exec.approval.resolve`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DecidedApproval {
    pub(crate) approval: Approval,
}

/// `keys.list`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeyList {
    pub(crate) keys: Vec<Key>,
}

/// An API key.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) plan: String,
    pub(crate) plan_in_force: String,
    pub(crate) created_at: String,
    pub(crate) revoked_at: Option<String>,
}

/// An entry of `system-presence`.
#[derive(Debug, Deserialize)]
pub(crate) struct Present {
    pub(crate) host: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) text: String,
}

/// The answer to `wake`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Woken {
    pub(crate) run_id: Option<String>,
    pub(crate) reason: Option<String>,
}

/// A heartbeat.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Beat {
    pub(crate) status: String,
    pub(crate) preview: String,
    pub(crate) run_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_new_breaks_nothing() {
        let hello: Hello = serde_json::from_str(r#"{"type":"hello-ok","new":1}"#).unwrap();
        assert_eq!(hello.policy.tick_interval_ms, 15_000);
        let watched: Watched = serde_json::from_str(
            r#"{"taskId":"task_1","event":{"seq":3,"at":"x","kind":"tool_result","callId":"c","name":"n","text":"t","isError":true}}"#,
        )
        .unwrap();
        assert_eq!((watched.event.seq, watched.event.name.as_str(), watched.event.is_error), (3, "n", true));
    }
}

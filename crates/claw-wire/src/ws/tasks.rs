//! Durable work over the socket: `tasks.submit`, `list`, `get`, `cancel`, `retry`, `watch`.
//!
//! A task looks as it does over REST ([`crate::v2::task::Task`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Unobeyed;
use crate::v2::event::TaskEvent;
use crate::v2::task::{CallbackRequest, NewTask, Task, TaskInput};

/// Parameters of `tasks.submit`: the body of `POST /v2/tasks` and the key of its header.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of `NewTask`")]
pub struct SubmitParams {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub input: Option<TaskInput>,
    pub callback: Option<CallbackRequest>,
    pub lane: Option<String>,
    pub priority: Option<u8>,
    pub max_attempts: Option<u32>,
    pub on_crash: Option<String>,
    pub delay_ms: Option<u64>,
    pub idempotency_key: Option<String>,
    /// Refused: its place is in `input`.
    #[schemars(skip)]
    pub tools: Option<Unobeyed>,
    /// The same.
    #[schemars(skip)]
    pub options: Option<Unobeyed>,
}

impl SubmitParams {
    /// The task and its idempotency key.
    pub fn into_parts(self) -> (NewTask, Option<String>) {
        let Self { kind, input, callback, lane, priority, max_attempts, on_crash, delay_ms, .. } = self;
        let Self { idempotency_key, tools, options, .. } = self;
        let task = NewTask { kind, input, callback, lane, priority, max_attempts, on_crash, delay_ms, tools, options };
        (task, idempotency_key)
    }
}

/// Parameters of methods about one task.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TaskParams {
    pub id: String,
    /// `tasks.watch`: only events behind this number.
    pub after: Option<u64>,
}

/// Parameters of `tasks.list`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ListParams {
    pub status: Option<String>,
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    #[serde(alias = "session_id", alias = "conversationId", alias = "conversation_id")]
    pub session_id: Option<String>,
    pub limit: Option<u32>,
    pub cursor: Option<String>,
}

/// The event `task`: a task changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TaskChanged<'a> {
    pub id: String,
    pub run_id: String,
    pub status: &'static str,
    pub attempt: u32,
    pub session_key: &'a str,
    pub ts: i64,
}

/// An answer about one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskAnswer<'a> {
    /// The task.
    pub task: Task<'a>,
    /// Whether the same submit had been accepted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
}

/// The first answer to `tasks.watch`; the last one is a [`TaskAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Watching {
    pub id: String,
    pub status: &'static str,
}

/// The event `task.event`, to those who watch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Watched<'a> {
    pub task_id: String,
    pub event: TaskEvent<'a>,
}

//! What a callback says: the body of a webhook delivery, as exact bytes.
//!
//! Receivers check the signature over `JSON.stringify(JSON.parse(body))` (D24, K22), so the bytes
//! must come out of JavaScript as they went in: compact, non-ASCII as it is, whole numbers below
//! 2^53 only, no key that looks like a number, none twice.

use claw_core::{Task as CoreTask, TaskState};
use serde::Serialize;

use super::task::Task;

/// One event, as a webhook's receiver reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivery<'a> {
    /// `task.completed`, `task.failed` or `task.cancelled`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// ISO 8601; when it happened, the same in every attempt.
    pub timestamp: String,
    /// The task as `GET /v2/tasks/{id}` shows it.
    pub data: Task<'a>,
}

/// The body that tells how a task ended; `None` while it has not.
pub fn task_ended(task: &CoreTask) -> Option<Vec<u8>> {
    let (kind, at) = match &task.state {
        TaskState::Completed { at, .. } => ("task.completed", at),
        TaskState::Failed { at, .. } => ("task.failed", at),
        TaskState::Cancelled { at } => ("task.cancelled", at),
        TaskState::Queued { .. } | TaskState::Running { .. } => return None,
    };
    serde_json::to_vec(&Delivery { kind, timestamp: at.to_string(), data: Task::from(task) }).ok()
}

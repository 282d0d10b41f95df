//! What happens in a task, as its streams show it: the event's `kind`, its data as one JSON object.

use claw_core::run::{RunEvent, Sequenced};
use serde::Serialize;

use super::task::{Call, TaskError, TaskResult, Usage};

/// One event of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskEvent<'a> {
    /// Its place; resume behind it.
    pub seq: u64,
    /// ISO 8601.
    pub at: String,
    /// What happened. Flattened although contracts avoid that: it is only ever written.
    #[serde(flatten)]
    pub what: Happening<'a>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "one to one with `claw_core::RunEvent`, where each is told")]
pub enum Happening<'a> {
    Started { attempt: u32, model: &'a str },
    Text { delta: &'a str },
    Thinking { delta: &'a str },
    ToolCall { call: Call<'a> },
    ToolOutput { call_id: &'a str, name: &'a str, delta: &'a str },
    ToolResult { call_id: &'a str, name: &'a str, text: &'a str, is_error: bool },
    Progress { percent: u8 },
    Usage { usage: Usage },
    Switched { from: &'a str, to: &'a str, reason: &'a str },
    Continued { number: u32, reason: &'a str },
    Steered { task_id: String, text: &'a str },
    ApprovalRequested { approval_id: String, call_id: &'a str, name: &'a str, shown: &'a str, expires_at: String },
    ApprovalResolved { approval_id: String, call_id: &'a str, state: &'a str },
    Retrying { attempt: u32, error: TaskError<'a>, retry_at: String },
    Completed { result: TaskResult<'a> },
    Failed { error: TaskError<'a>, partial: &'a str },
    Cancelled { partial: &'a str },
}

impl Happening<'_> {
    /// The event's name in a stream.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Text { .. } => "text",
            Self::Thinking { .. } => "thinking",
            Self::ToolCall { .. } => "tool_call",
            Self::ToolOutput { .. } => "tool_output",
            Self::ToolResult { .. } => "tool_result",
            Self::Progress { .. } => "progress",
            Self::Usage { .. } => "usage",
            Self::Switched { .. } => "switched",
            Self::Continued { .. } => "continued",
            Self::Steered { .. } => "steered",
            Self::ApprovalRequested { .. } => "approval_requested",
            Self::ApprovalResolved { .. } => "approval_resolved",
            Self::Retrying { .. } => "retrying",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

impl<'a> From<&'a RunEvent> for Happening<'a> {
    fn from(event: &'a RunEvent) -> Self {
        match event {
            RunEvent::Started { attempt, model } => Self::Started { attempt: *attempt, model },
            RunEvent::Text { delta } | RunEvent::Refusal { delta } => Self::Text { delta },
            RunEvent::Thinking { delta } => Self::Thinking { delta },
            RunEvent::ToolCall { call } => Self::ToolCall { call: call.into() },
            RunEvent::ToolOutput { call_id, name, delta } => Self::ToolOutput { call_id, name, delta },
            RunEvent::ToolResult { call_id, name, text, is_error } => {
                Self::ToolResult { call_id, name, text, is_error: *is_error }
            }
            RunEvent::Progress { percent } => Self::Progress { percent: *percent },
            RunEvent::Usage { usage } => Self::Usage { usage: (*usage).into() },
            RunEvent::Switched { from, to, reason } => Self::Switched { from, to, reason },
            RunEvent::Continued { number, reason } => Self::Continued { number: *number, reason },
            RunEvent::Steered { task, text } => Self::Steered { task_id: task.to_string(), text },
            RunEvent::ApprovalRequested { approval, call_id, name, shown, expires_at } => Self::ApprovalRequested {
                approval_id: approval.to_string(),
                call_id,
                name,
                shown,
                expires_at: expires_at.to_string(),
            },
            RunEvent::ApprovalResolved { approval, call_id, state } => {
                Self::ApprovalResolved { approval_id: approval.to_string(), call_id, state }
            }
            RunEvent::Retrying { attempt, failure, at } => {
                Self::Retrying { attempt: *attempt, error: failure.into(), retry_at: at.to_string() }
            }
            RunEvent::Completed { output } => Self::Completed { result: output.into() },
            RunEvent::Failed { failure, partial } => Self::Failed { error: failure.into(), partial },
            RunEvent::Cancelled { partial } => Self::Cancelled { partial },
        }
    }
}

impl<'a> From<&'a Sequenced> for TaskEvent<'a> {
    fn from(sequenced: &'a Sequenced) -> Self {
        let Sequenced { seq, at, event } = sequenced;
        Self { seq: *seq, at: at.to_string(), what: event.into() }
    }
}

/// The event as a server-sent event: `id`, `event`, `data`.
pub fn server_sent(event: &Sequenced) -> Vec<u8> {
    let shown = TaskEvent::from(event);
    let mut out = format!("id: {}\nevent: {}\ndata: ", shown.seq, shown.what.kind()).into_bytes();
    serde_json::to_writer(&mut out, &shown).expect("texts and numbers always serialise into memory");
    out.extend_from_slice(b"\n\n");
    out
}

#[cfg(test)]
mod tests {
    use claw_core::{Failure, FailureReason, Timestamp};
    use serde_json::json;

    use super::*;

    fn sequenced(event: RunEvent) -> Sequenced {
        Sequenced { seq: 3, at: Timestamp::from_millis(0), event }
    }

    #[test]
    fn an_event_is_one_server_sent_event() {
        let event = server_sent(&sequenced(RunEvent::Text { delta: "a\nb".into() }));
        assert_eq!(
            String::from_utf8(event).unwrap(),
            "id: 3\nevent: text\ndata: {\"seq\":3,\"at\":\"1970-01-01T00:00:00.000Z\",\"kind\":\"text\",\"delta\":\"a\\nb\"}\n\n"
        );
    }

    #[test]
    fn a_kind_is_the_same_in_name_and_body() {
        let failure = Failure::new(FailureReason::Provider, "m");
        for event in [
            RunEvent::Started { attempt: 1, model: "m".into() },
            RunEvent::ToolResult { call_id: "c".into(), name: "n".into(), text: "t".into(), is_error: false },
            RunEvent::ToolOutput { call_id: "c".into(), name: "n".into(), delta: "d".into() },
            RunEvent::Retrying { attempt: 1, failure: failure.clone(), at: Timestamp::from_millis(5) },
            RunEvent::Failed { failure, partial: "p".into() },
            RunEvent::Cancelled { partial: String::new() },
            RunEvent::Progress { percent: 5 },
            RunEvent::ApprovalResolved {
                approval: "appr_00000000000000000000000000000001".parse().unwrap(),
                call_id: "c".into(),
                state: "denied".into(),
            },
            RunEvent::Switched { from: "a/m".into(), to: "b/m".into(), reason: "r".into() },
            RunEvent::Continued { number: 1, reason: "r".into() },
        ] {
            let event = sequenced(event);
            let shown = TaskEvent::from(&event);
            assert_eq!(serde_json::to_value(&shown).unwrap()["kind"], json!(shown.what.kind()));
        }
        let retrying = sequenced(RunEvent::Retrying {
            attempt: 1,
            failure: Failure::new(FailureReason::Provider, "m"),
            at: Timestamp::from_millis(5),
        });
        assert_eq!(
            serde_json::to_value(TaskEvent::from(&retrying)).unwrap()["retryAt"],
            json!("1970-01-01T00:00:00.005Z")
        );
    }
}

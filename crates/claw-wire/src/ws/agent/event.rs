//! The events `agent` and `chat`: what a run says, for the contracts' readers and stock ones at once.

use serde::Serialize;

/// The event `agent`: stock fields and the contracts' in one payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct AgentEvent<'a> {
    pub run_id: &'a str,
    /// `lifecycle`, `assistant` or `tool`.
    pub stream: &'static str,
    pub data: EventBody<'a>,
    /// `output` when there is text (B23).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The new text (B23).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    pub session_key: &'a str,
    pub agent_id: &'a str,
    pub seq: u64,
    pub ts: i64,
}

/// The stock half of an [`AgentEvent`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub enum EventBody<'a> {
    Start { started_at: i64 },
    End { ended_at: i64, is_aborted: bool },
    Error { error: &'a str, ended_at: i64 },
    Retrying { message: &'a str, attempt: u32, delay_ms: u64 },
    Steered { task_id: &'a str, text: &'a str },
    Asked { id: &'a str, call_id: &'a str, name: &'a str, shown: &'a str, expires_at: i64 },
    Answered { id: &'a str, call_id: &'a str, state: &'a str },
    Assistant { text: &'a str, delta: &'a str },
    ToolStart { name: &'a str, tool_call_id: &'a str, args: &'a str },
    ToolUpdate { name: &'a str, tool_call_id: &'a str, partial: &'a str, delta: &'a str },
    ToolResult { name: &'a str, tool_call_id: &'a str, is_error: bool, text: &'a str },
}

impl Serialize for EventBody<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde_json::json;
        // Arguments are a model's text: shown as what they are when they are JSON, as text otherwise.
        let parsed = crate::ws::notice::json_or_text;
        match *self {
            Self::Start { started_at } => json!({"phase": "start", "startedAt": started_at}),
            Self::End { ended_at, is_aborted } => json!({"phase": "end", "endedAt": ended_at, "aborted": is_aborted}),
            Self::Error { error, ended_at } => json!({"phase": "error", "error": error, "endedAt": ended_at}),
            Self::Retrying { message, attempt, delay_ms } => {
                json!({"phase": "retrying", "message": message, "attempt": attempt, "delayMs": delay_ms})
            }
            Self::Steered { task_id, text } => json!({"phase": "steered", "taskId": task_id, "text": text}),
            Self::Asked { id, call_id, name, shown, expires_at } => {
                json!({"phase": "approval_requested", "approvalId": id, "toolCallId": call_id, "name": name,
                       "commandText": shown, "expiresAtMs": expires_at})
            }
            Self::Answered { id, call_id, state } => {
                json!({"phase": "approval_resolved", "approvalId": id, "toolCallId": call_id, "state": state})
            }
            Self::Assistant { text, delta } => json!({"text": text, "delta": delta}),
            Self::ToolStart { name, tool_call_id, args } => {
                json!({"phase": "start", "name": name, "toolCallId": tool_call_id, "args": parsed(args)})
            }
            Self::ToolUpdate { name, tool_call_id, partial, delta } => {
                json!({"phase": "update", "name": name, "toolCallId": tool_call_id, "delta": delta,
                       "partialResult": {"content": [{"type": "text", "text": partial}]}})
            }
            Self::ToolResult { name, tool_call_id, is_error, text } => {
                json!({"phase": "result", "name": name, "toolCallId": tool_call_id, "isError": is_error,
                       "result": {"content": [{"type": "text", "text": text}]}})
            }
        }
        .serialize(serializer)
    }
}

/// The event `chat`: the answer so far, and in the end whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChatEvent<'a> {
    pub run_id: &'a str,
    pub session_key: &'a str,
    pub agent_id: &'a str,
    pub seq: u64,
    /// `delta`, `final`, `aborted` or `error`.
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<ChatMessage<'a>>,
}

/// A message inside a [`ChatEvent`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChatMessage<'a> {
    pub role: &'static str,
    pub content: [TextPart<'a>; 1],
    pub timestamp: i64,
}

/// A text inside a [`ChatMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TextPart<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub text: &'a str,
}

impl<'a> ChatMessage<'a> {
    /// What the assistant said.
    pub const fn assistant(text: &'a str, timestamp: i64) -> Self {
        Self { role: "assistant", content: [TextPart { kind: "text", text }], timestamp }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_event_serves_both_readers() {
        let event = AgentEvent {
            run_id: "r",
            stream: "assistant",
            data: EventBody::Assistant { text: "Hello", delta: "lo" },
            kind: Some("output"),
            text: Some("lo"),
            session_key: "agent:main:main",
            agent_id: "main",
            seq: 2,
            ts: 5,
        };
        assert_eq!(
            serde_json::to_value(event).unwrap(),
            json!({"runId": "r", "stream": "assistant", "data": {"text": "Hello", "delta": "lo"}, "kind": "output",
                   "text": "lo", "sessionKey": "agent:main:main", "agentId": "main", "seq": 2, "ts": 5})
        );
    }

    #[test]
    fn a_tools_arguments_are_shown_as_json_when_they_are() {
        let shown = |args| serde_json::to_value(EventBody::ToolStart { name: "n", tool_call_id: "c", args }).unwrap();
        assert_eq!(shown("{\"a\":1}")["args"], json!({"a": 1}));
        assert_eq!(shown("{broken")["args"], json!("{broken"));
    }
}

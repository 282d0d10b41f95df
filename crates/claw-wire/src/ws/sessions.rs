//! Conversations: `sessions.list`, `sessions.history`.

use claw_core::{Message, SessionKey, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gateway::ModelDefaults;
use crate::BadRequest;
use crate::target::Target;

/// Parameters of `sessions.list`.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ListParams {
    pub limit: Option<u32>,
    pub cursor: Option<String>,
}

/// The answer to `sessions.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SessionList {
    pub ts: i64,
    pub path: String,
    pub count: usize,
    pub total_count: u64,
    pub limit_applied: u32,
    pub next_offset: Option<u64>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
    pub defaults: ModelDefaults,
    pub sessions: Vec<SessionRow>,
}

/// One conversation in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SessionRow {
    pub key: String,
    pub session_key: String,
    pub session_id: String,
    pub agent_id: String,
    pub kind: &'static str,
    pub created_at: i64,
    pub updated_at: i64,
    pub message_count: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    pub model_provider: Option<String>,
    pub model: Option<String>,
}

/// Parameters of `sessions.history` (B14).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct HistoryParams {
    pub session_id: Option<String>,
    pub session_key: Option<String>,
    pub limit: Option<u32>,
    /// Only messages before this number.
    pub before: Option<u64>,
}

impl HistoryParams {
    /// What was written as a name of the conversation.
    pub fn name(&self) -> Option<&str> {
        self.session_key.as_deref().or(self.session_id.as_deref())
    }
    /// The conversation's key.
    ///
    /// # Errors
    /// None is named, or its name has the wrong form.
    pub fn key(&self) -> Result<SessionKey, BadRequest> {
        let names = [("sessionKey", self.session_key.as_deref()), ("sessionId", self.session_id.as_deref())];
        let target = Target::resolve(("agentId", None), &names)?;
        target.session.ok_or_else(|| BadRequest::of("sessionId", "missing field `sessionId`"))
    }
}

/// The answer to `sessions.history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct History {
    pub session_key: String,
    pub session_id: String,
    pub messages: Vec<HistoryMessage>,
}

/// One message of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct HistoryMessage {
    pub role: &'static str,
    pub content: String,
    /// ISO 8601.
    pub timestamp: String,
    pub seq: u64,
    /// Absent when no run said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<HistoryCall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

/// A tool call inside a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct HistoryCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

impl HistoryMessage {
    /// A stored message as shown.
    pub fn new(seq: u64, at: Timestamp, run_id: Option<String>, message: &Message) -> Self {
        let (tool_calls, tool_call_id) = match message {
            Message::Assistant { tool_calls, .. } => (tool_calls.as_slice(), None),
            Message::Tool { call_id, .. } => (&[][..], Some(call_id.clone())),
            Message::System { .. } | Message::User { .. } => (&[][..], None),
        };
        let shown = |call: &claw_core::ToolCall| HistoryCall {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.as_str().to_owned(),
        };
        Self {
            role: message.role(),
            content: message.text(),
            timestamp: at.to_string(),
            seq,
            run_id,
            tool_calls: tool_calls.iter().map(shown).collect(),
            tool_call_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json as reader;

    #[test]
    fn a_message_is_shown_as_the_contract_says() {
        let message = HistoryMessage::new(1, Timestamp::from_millis(0), Some("run_1".into()), &Message::user("hi"));
        assert_eq!(
            serde_json::to_value(message).unwrap(),
            json!({"role": "user", "content": "hi", "timestamp": "1970-01-01T00:00:00.000Z", "seq": 1, "runId": "run_1"})
        );
    }

    #[test]
    fn a_history_needs_a_name() {
        let read = |text: &str| reader::from_slice::<HistoryParams>(text.as_bytes()).unwrap();
        assert_eq!(read(r#"{"sessionId":"x","limit":5}"#).key().unwrap().as_str(), "agent:main:x");
        assert_eq!(read("{}").key().unwrap_err().param.as_deref(), Some("sessionId"));
        assert_eq!(read(r#"{"sessionKey":"agent::x"}"#).key().unwrap_err().param.as_deref(), Some("sessionKey"));
    }
}

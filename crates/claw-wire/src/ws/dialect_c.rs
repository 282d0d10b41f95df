//! Dialect C, the API reference's: `connected`, requests without `type`, pushes `{type, data}`.
//!
//! Its answers are nobody's contract; K3 gives them both names a client may look for, `payload`
//! and `result`.

use claw_core::provider::Usage;
use serde::Serialize;
use serde_json::value::RawValue;

use super::frame::{self, BadFrame, FrameId, Request};
use crate::error::FrameError;

/// What the gateway can do, as `connected` announces it (C7).
pub const CAPABILITIES: &[&str] = &["chat", "channels", "browser"];

/// The server's first word (C7).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Connected<'a> {
    pub client_id: String,
    pub gateway_version: &'a str,
    pub capabilities: &'static [&'static str],
}

/// `heartbeat` (C13).
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Heartbeat {
    pub timestamp: i64,
    pub status: &'static str,
}

/// `chat.delta` (C9).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChatDelta<'a> {
    pub session_key: &'a str,
    pub delta: &'a str,
    pub run_id: &'a str,
    pub seq: u64,
}

/// `chat.done` (C10): the answer is whole.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChatDone<'a> {
    pub session_key: &'a str,
    pub run_id: &'a str,
    pub seq: u64,
    /// `ok`.
    pub status: &'static str,
    pub text: &'a str,
    pub usage: PromptCounts,
}

/// `chat.error`: the run ended without a whole answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChatError<'a> {
    pub session_key: &'a str,
    pub run_id: &'a str,
    pub seq: u64,
    /// `error` or `aborted`.
    pub status: &'static str,
    /// What there was by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    pub error: Failure<'a>,
}

/// Why a run failed.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Failure<'a> {
    pub message: &'a str,
}

/// Tokens in dialect C's spelling (K13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct PromptCounts {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

impl From<Usage> for PromptCounts {
    fn from(usage: Usage) -> Self {
        Self { prompt_tokens: usage.input_tokens, completion_tokens: usage.output_tokens, total_tokens: usage.total() }
    }
}

/// `tool.call` (C11).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ToolCall<'a> {
    pub run_id: &'a str,
    pub session_key: &'a str,
    pub call_id: &'a str,
    pub tool: &'a str,
    pub params: serde_json::Value,
    pub seq: u64,
}

/// `tool.result` (C12).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ToolResult<'a> {
    pub run_id: &'a str,
    pub session_key: &'a str,
    pub call_id: &'a str,
    pub tool: &'a str,
    pub result: serde_json::Value,
    pub is_error: bool,
    pub seq: u64,
}

/// The answer to `chat.run`; the text comes in pushes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RunStarted<'a> {
    pub run_id: &'a str,
    pub session_key: &'a str,
    pub status: &'static str,
}

/// Reads one frame of a socket that speaks C; an id may be absent.
///
/// # Errors
/// Not JSON; or JSON that is no request.
pub fn read(text: &str) -> Result<Request<'_>, BadFrame> {
    frame::read_untyped(text)
}

/// A push: `{type, data}`.
pub fn push(kind: &str, data: &impl Serialize) -> String {
    push_json(kind, &frame::to_json(data))
}

/// A push around data that is JSON already.
pub fn push_json(kind: &str, data: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"data\":{data}}}")
}

/// A good answer under both names (K3).
pub fn answer(id: &FrameId, payload: &RawValue) -> String {
    let (id, payload) = (id.as_json(), payload.get());
    format!("{{\"type\":\"res\",\"id\":{id},\"ok\":true,\"payload\":{payload},\"result\":{payload}}}")
}

/// A refusal, as dialect B has it.
pub fn refusal(id: &FrameId, error: &FrameError) -> String {
    frame::refusal(id, error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_both_names_and_the_id_in_its_type() {
        let request = read(r#"{"method":"chat.run","params":{},"id":1}"#).unwrap();
        let payload: Box<RawValue> = serde_json::from_str("{\"a\":1}").unwrap();
        let shown: serde_json::Value = serde_json::from_str(&answer(&request.id, &payload)).unwrap();
        assert_eq!(shown, json!({"type": "res", "id": 1, "ok": true, "payload": {"a": 1}, "result": {"a": 1}}));
        let nameless = read(r#"{"method":"system.status"}"#).unwrap();
        assert_eq!(nameless.id.as_json(), "null");
    }
}

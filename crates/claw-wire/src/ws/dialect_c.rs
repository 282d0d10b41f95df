//! Dialect C, the API reference's: `connected`, requests without `type`, pushes `{type, data}`.
//!
//! Its answers are nobody's contract; K3 gives them both names a client may look for, `payload`
//! and `result`.

use claw_core::provider::Usage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::agent::{AgentCall, AgentParams};
use super::frame::{self, BadFrame, FrameId, Request};
use crate::BadRequest;
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

/// Parameters of `chat.run` (C8).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RunParams {
    pub message: String,
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub agent_id: Option<String>,
    pub options: Option<RunOptions>,
    pub idempotency_key: Option<String>,
    pub queue_mode: Option<String>,
}

/// How to run (C8, C47).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RunOptions {
    pub thinking: Option<String>,
    pub stream: Option<bool>,
    pub model: Option<String>,
}

/// What `chat.run` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCall {
    /// The run.
    pub call: AgentCall,
    /// Whether the answer is wanted piece by piece.
    pub wants_deltas: bool,
}

impl TryFrom<RunParams> for RunCall {
    type Error = BadRequest;

    fn try_from(raw: RunParams) -> Result<Self, BadRequest> {
        let RunParams { message, session_key, session_id, agent_id, options, idempotency_key, queue_mode } = raw;
        let RunOptions { thinking, stream, model } = options.unwrap_or_default();
        let params = AgentParams {
            message,
            session_key,
            session_id,
            conversation_id: None,
            agent_id,
            model,
            thinking,
            idempotency_key,
            queue_mode,
            timeout: None,
        };
        let mut call = AgentCall::try_from(params).map_err(|bad| match bad.param.as_deref() {
            Some("model" | "thinking") => {
                let param = format!("options.{}", bad.param.as_deref().unwrap_or_default());
                BadRequest::of(param, bad.message)
            }
            _ => bad,
        })?;
        let wants_deltas = stream.unwrap_or(true);
        call.turn.stream = wants_deltas;
        Ok(Self { call, wants_deltas })
    }
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
    use crate::json as reader;

    fn run(text: &str) -> Result<RunCall, BadRequest> {
        reader::from_slice::<RunParams>(text.as_bytes())?.try_into()
    }

    #[test]
    fn the_api_references_example_is_read() {
        // C8, C47.
        let run = run(r#"{"message":"Hello","sessionKey":"agent:default:main","options":{"thinking":"medium","stream":false,"model":"p/m"}}"#).unwrap();
        assert_eq!(run.call.turn.session.as_str(), "agent:main:main");
        assert_eq!((run.call.turn.thinking.as_deref(), run.call.turn.model.as_deref()), (Some("medium"), Some("p/m")));
        assert!(!run.wants_deltas && !run.call.turn.stream);
    }

    #[test]
    fn a_wrong_option_is_named_with_its_place() {
        for (text, param) in [
            (r#"{"message":""}"#, "message"),
            (r#"{"message":"x","options":{"stream":"yes"}}"#, "options.stream"),
            (r#"{"message":"x","sessionKey":"agent:main:"}"#, "sessionKey"),
        ] {
            assert_eq!(run(text).unwrap_err().param.as_deref(), Some(param), "{text}");
        }
    }

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

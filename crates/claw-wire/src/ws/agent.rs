//! The method `agent`, its events, and what belongs to it: `agent.wait`, `chat.abort`.
//!
//! Two clients are served at once. The contracts' sends `{sessionId, message, stream?}` and reads
//! `kind:"output", text` in events and token counts in `summary`; stock ones send an idempotency
//! key, read `stream` and `data`, and expect `summary` to be a word.

pub mod event;

use claw_core::provider::{Thinking, Usage as CoreUsage};
use claw_core::{Output, SessionKey, Turn, WhenBusy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::BadRequest;
use crate::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use crate::openai::model::Selection;
use crate::target::Target;

/// Parameters of `agent`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct AgentParams {
    pub message: String,
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub conversation_id: Option<String>,
    pub agent_id: Option<String>,
    pub model: Option<String>,
    pub thinking: Option<String>,
    pub idempotency_key: Option<String>,
    /// `followup`, `interrupt`, `steer` or `reject`: what to do while the conversation is busy.
    pub queue_mode: Option<String>,
    /// Seconds the run may take; without it, or with 0, as long as it needs (A17).
    pub timeout: Option<u32>,
}

/// What `agent` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentCall {
    /// The turn to run.
    pub turn: Turn,
    /// The client's own name of the run.
    pub idempotency_key: Option<String>,
    /// What to do while the conversation is busy.
    pub when_busy: WhenBusy,
}

/// Reads `queueMode`; stock's words are `followup`, `collect`, `interrupt` and `steer`.
///
/// # Errors
/// Another word.
pub fn when_busy(word: Option<&str>) -> Result<WhenBusy, BadRequest> {
    match word {
        None | Some("" | "followup" | "collect" | "queue") => Ok(WhenBusy::Follow),
        Some("interrupt") => Ok(WhenBusy::Interrupt),
        Some("steer") => Ok(WhenBusy::Steer),
        Some("reject") => Ok(WhenBusy::Reject),
        Some(other) => {
            let found: String = other.chars().take(40).collect();
            let message = format!("must be followup, interrupt, steer or reject, found {found:?}");
            Err(BadRequest::of("queueMode", message))
        }
    }
}

impl TryFrom<AgentParams> for AgentCall {
    type Error = BadRequest;

    fn try_from(raw: AgentParams) -> Result<Self, BadRequest> {
        let AgentParams {
            message,
            session_key,
            session_id,
            conversation_id,
            agent_id,
            model,
            thinking,
            idempotency_key,
            queue_mode,
            timeout,
        } = raw;
        if message.trim().is_empty() {
            return Err(BadRequest::of("message", "must be a text that is not empty"));
        }
        let selection = Selection::parse(model.as_deref().unwrap_or_default())?;
        let agent = agent_id.or_else(|| selection.agent.map(|agent| agent.as_str().to_owned()));
        let Target { agent, session } = Target::resolve(
            ("agentId", agent.as_deref()),
            &[
                ("sessionKey", session_key.as_deref()),
                ("sessionId", session_id.as_deref()),
                ("conversationId", conversation_id.as_deref()),
            ],
        )?;
        let mut turn = Turn::text(session.unwrap_or_else(|| SessionKey::main(&agent)), message);
        turn.model = selection.model;
        turn.thinking = thinking_level(thinking)?;
        turn.time_limit_s = timeout.filter(|seconds| *seconds > 0);
        let when_busy = when_busy(queue_mode.as_deref())?;
        Ok(Self { turn, idempotency_key: checked_key(idempotency_key)?, when_busy })
    }
}

/// A level of reasoning (C47); blank counts as none.
///
/// # Errors
/// A word that is none of them.
pub fn thinking_level(word: Option<String>) -> Result<Option<String>, BadRequest> {
    let word = word.filter(|level| !level.trim().is_empty());
    match word.as_deref().map(|level| (level, Thinking::parse(level))) {
        Some((found, None)) => {
            let found: String = found.chars().take(40).collect();
            let message = format!("must be off, minimal, low, medium or high, found {found:?}");
            Err(BadRequest::of("thinking", message))
        }
        _ => Ok(word),
    }
}

/// An idempotency key within its limit; a blank one counts as none.
///
/// # Errors
/// Too long.
pub fn checked_key(key: Option<String>) -> Result<Option<String>, BadRequest> {
    let key = key.filter(|key| !key.trim().is_empty());
    if key.as_ref().is_some_and(|key| key.chars().count() > IDEMPOTENCY_KEY_CHARS_MAX) {
        let message = format!("must be at most {IDEMPOTENCY_KEY_CHARS_MAX} characters");
        return Err(BadRequest::of("idempotencyKey", message));
    }
    Ok(key)
}

/// The first answer to `agent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Accepted<'a> {
    pub run_id: &'a str,
    pub task_id: String,
    pub session_key: &'a str,
    pub agent_id: &'a str,
    pub status: &'static str,
    pub accepted_at: i64,
}

/// Parameters of `sessions.send`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SessionSendParams {
    pub key: Option<String>,
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub agent_id: Option<String>,
    pub message: String,
    pub thinking: Option<String>,
    pub model: Option<String>,
    pub idempotency_key: Option<String>,
    pub queue_mode: Option<String>,
}

impl TryFrom<SessionSendParams> for AgentCall {
    type Error = BadRequest;

    fn try_from(raw: SessionSendParams) -> Result<Self, BadRequest> {
        let SessionSendParams {
            key,
            session_key,
            session_id,
            agent_id,
            message,
            thinking,
            model,
            idempotency_key,
            queue_mode,
        } = raw;
        let session_key = key.or(session_key);
        if session_key.is_none() && session_id.is_none() {
            return Err(BadRequest::of("key", "missing field `key`"));
        }
        AgentParams {
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
        }
        .try_into()
    }
}

/// The answer to `chat.send` and `sessions.send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Sent<'a> {
    pub run_id: &'a str,
    pub session_key: &'a str,
    /// `started`; for a key used before `in_flight` or `ok`.
    pub status: &'static str,
}

/// Parameters of `runs.resume`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ResumeParams {
    pub run_id: String,
    /// The last number the client has seen; 0 shows everything.
    pub after_seq: Option<u64>,
}

/// The first answer to `runs.resume`; the second is `agent`'s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Resumed<'a> {
    pub run_id: &'a str,
    pub task_id: String,
    pub session_key: &'a str,
    pub status: &'static str,
    pub after_seq: u64,
    /// The task's state at this moment.
    pub state: &'static str,
}

/// The last answer to `agent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Finished<'a> {
    pub run_id: &'a str,
    /// `ok`, `error` or `aborted`.
    pub status: &'static str,
    pub summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<FinishedResult<'a>>,
}

/// A word for stock clients, token counts for the contracts' (B23).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub enum Summary {
    Word(&'static str),
    Tokens(TokenCounts),
}

impl Serialize for Summary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Word(word) => serializer.serialize_str(word),
            Self::Tokens(tokens) => tokens.serialize(serializer),
        }
    }
}

/// Tokens in dialect B's spelling (K13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TokenCounts {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
}

impl From<CoreUsage> for TokenCounts {
    fn from(usage: CoreUsage) -> Self {
        let CoreUsage { input_tokens, output_tokens, .. } = usage;
        Self { input_tokens, output_tokens, total_tokens: usage.total() }
    }
}

/// What a run produced, as stock clients read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct FinishedResult<'a> {
    pub payloads: [Payload<'a>; 1],
    pub meta: RunMeta<'a>,
}

/// One message to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Payload<'a> {
    pub text: &'a str,
    pub media_url: Option<()>,
}

/// About the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RunMeta<'a> {
    pub duration_ms: u64,
    pub agent_meta: AgentMeta<'a>,
    pub aborted: bool,
}

/// Who answered, and what it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct AgentMeta<'a> {
    pub session_id: &'a str,
    pub provider: &'a str,
    pub model: &'a str,
    pub usage: ShortCounts,
}

/// Tokens as stock clients read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ShortCounts {
    pub input: u64,
    pub output: u64,
    pub total: u64,
}

impl<'a> Finished<'a> {
    /// A run that ended well; `session` is what clients call the conversation.
    pub fn completed(run_id: &'a str, session: &'a str, output: &'a Output, duration_ms: u64, is_keyed: bool) -> Self {
        let Output { text, usage, model, .. } = output;
        let (provider, model) = model.split_once('/').unwrap_or(("", model));
        let counts = ShortCounts { input: usage.input_tokens, output: usage.output_tokens, total: usage.total() };
        let agent_meta = AgentMeta { session_id: session, provider, model, usage: counts };
        let meta = RunMeta { duration_ms, agent_meta, aborted: false };
        let summary = if is_keyed { Summary::Word("completed") } else { Summary::Tokens((*usage).into()) };
        let result = FinishedResult { payloads: [Payload { text, media_url: None }], meta };
        Self { run_id, status: "ok", summary, result: Some(result) }
    }
    /// A run that did not.
    pub const fn ended(run_id: &'a str, status: &'static str) -> Self {
        Self { run_id, status, summary: Summary::Word(status), result: None }
    }
}

/// Parameters of `agent.wait`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct WaitParams {
    pub run_id: String,
    pub timeout_ms: Option<u64>,
}

/// The answer to `agent.wait`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Waited<'a> {
    pub run_id: &'a str,
    /// `ok`, `error`, `aborted` or `timeout`.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

/// Parameters of `chat.abort`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct AbortParams {
    pub key: Option<String>,
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub run_id: Option<String>,
}

impl AbortParams {
    /// The conversation whose runs are meant.
    ///
    /// # Errors
    /// A name of the wrong form.
    pub fn session(&self) -> Result<Option<SessionKey>, BadRequest> {
        let names = [
            ("sessionKey", self.session_key.as_deref()),
            ("key", self.key.as_deref()),
            ("sessionId", self.session_id.as_deref()),
        ];
        Ok(Target::resolve(("agentId", None), &names)?.session)
    }
}

/// The answer to `chat.abort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Aborted {
    pub ok: bool,
    pub aborted: bool,
    pub run_ids: Vec<String>,
}

impl Aborted {
    /// The answer when these runs were stopped.
    pub const fn of(run_ids: Vec<String>) -> Self {
        Self { ok: true, aborted: !run_ids.is_empty(), run_ids }
    }
}

/// The answer to `sessions.abort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SessionAborted {
    pub ok: bool,
    pub aborted_run_id: Option<String>,
    pub run_ids: Vec<String>,
    pub status: &'static str,
}

impl SessionAborted {
    /// The answer when these runs were stopped.
    pub fn of(run_ids: Vec<String>) -> Self {
        let status = if run_ids.is_empty() { "no-active-run" } else { "aborted" };
        Self { ok: true, aborted_run_id: run_ids.last().cloned(), run_ids, status }
    }
}

#[cfg(test)]
mod tests {
    use claw_core::provider::FinishReason;
    use serde_json::json;

    use super::event::{AgentEvent, EventBody};
    use super::*;
    use crate::json as reader;

    fn read(text: &str) -> Result<AgentCall, BadRequest> {
        reader::from_slice::<AgentParams>(text.as_bytes())?.try_into()
    }
    fn output() -> Output {
        let usage = CoreUsage { input_tokens: 50, output_tokens: 100, ..CoreUsage::default() };
        Output {
            text: "hi".into(),
            asides: vec![],
            tool_calls: vec![],
            finish: FinishReason::Stop,
            usage,
            model: "p/m".into(),
            answered_by: None,
        }
    }

    #[test]
    fn both_shapes_of_agent_are_read() {
        let contract = read(r#"{"sessionId":"vscode-main-abc123","message":"Hello","stream":true}"#).unwrap();
        assert_eq!(contract.turn.session.as_str(), "agent:main:vscode-main-abc123");
        assert_eq!(contract.idempotency_key, None);
        let stock =
            read(r#"{"message":"hi","sessionKey":"agent:main:main","idempotencyKey":"idem-1","deliver":false}"#)
                .unwrap();
        assert_eq!(
            (stock.turn.session.as_str(), stock.idempotency_key.as_deref()),
            ("agent:main:main", Some("idem-1"))
        );
        assert_eq!(read(r#"{"message":"hi"}"#).unwrap().turn.session.as_str(), "agent:main:main");
    }

    #[test]
    fn wrong_parameters_of_agent_are_named() {
        let long = format!(r#"{{"message":"x","idempotencyKey":"{}"}}"#, "k".repeat(256));
        for (text, param) in [
            ("{}", "message"),
            (r#"{"message":" "}"#, "message"),
            (r#"{"message":["x"]}"#, "message"),
            (r#"{"message":"x","agentId":"a/b"}"#, "agentId"),
            (r#"{"message":"x","sessionKey":"agent:main:"}"#, "sessionKey"),
            (long.as_str(), "idempotencyKey"),
            (r#"{"message":"x","queueMode":"later"}"#, "queueMode"),
            (r#"{"message":"x","thinking":"banana"}"#, "thinking"),
        ] {
            assert_eq!(read(text).unwrap_err().param.as_deref(), Some(param), "{text}");
        }
    }

    #[test]
    fn the_last_answer_suits_the_client_that_asked() {
        let output = output();
        let contract = serde_json::to_value(Finished::completed("run-456", "s", &output, 5, false)).unwrap();
        assert_eq!(contract["summary"], json!({"inputTokens": 50, "outputTokens": 100, "totalTokens": 150}));
        assert_eq!((&contract["status"], &contract["runId"]), (&json!("ok"), &json!("run-456")));
        let stock = serde_json::to_value(Finished::completed("idem-1", "s", &output, 5, true)).unwrap();
        assert_eq!(stock["summary"], json!("completed"));
        assert_eq!(stock["result"]["payloads"], json!([{"text": "hi", "mediaUrl": null}]));
        assert_eq!(
            stock["result"]["meta"],
            json!({"durationMs": 5, "aborted": false, "agentMeta": {"sessionId": "s", "provider": "p", "model": "m",
                   "usage": {"input": 50, "output": 100, "total": 150}}})
        );
    }

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

//! `POST /v1/agent/run` and `/v1/agent/run/stream` (C23, C24).

use claw_core::provider::FinishReason;
use claw_core::turn::THINKING_LEVELS;
use claw_core::{Output, Turn};
use serde::{Deserialize, Serialize};

use crate::BadRequest;
use crate::ws::agent::checked_key;
use crate::ws::dialect_c::{PromptCounts, RunCall, RunOptions, RunParams};

/// The body of both routes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the contract's")]
pub struct RunRequest {
    pub message: String,
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub agent_id: Option<String>,
    pub options: Option<RunOptions>,
    pub stream: Option<bool>,
    pub idempotency_key: Option<String>,
}

/// What it asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The turn to run.
    pub turn: Turn,
    /// Whether to stream, where the body decides.
    pub stream: bool,
    /// The client's own name of the request.
    pub idempotency_key: Option<String>,
}

impl TryFrom<RunRequest> for Asked {
    type Error = BadRequest;

    fn try_from(raw: RunRequest) -> Result<Self, BadRequest> {
        let RunRequest { message, session_key, session_id, agent_id, options, stream, idempotency_key } = raw;
        let idempotency_key = checked_key(idempotency_key)?;
        let options = options.unwrap_or_default();
        let stream = stream.or(options.stream).unwrap_or(false);
        let thinking = options.thinking.as_deref().filter(|level| !level.is_empty());
        if let Some(found) = thinking.filter(|level| !THINKING_LEVELS.contains(level)) {
            let message = format!("must be one of {}, found {found:?}", THINKING_LEVELS.join(", "));
            return Err(BadRequest::of("options.thinking", message));
        }
        let options = Some(RunOptions { stream: Some(stream), ..options });
        let params =
            RunParams { message, session_key, session_id, agent_id, options, idempotency_key: None, queue_mode: None };
        let RunCall { call, wants_deltas } = params.try_into()?;
        Ok(Self { turn: call.turn, stream: wants_deltas, idempotency_key })
    }
}

/// The whole answer (C23).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the contract's")]
pub struct RunAnswer<'a> {
    pub run_id: &'a str,
    pub session_key: &'a str,
    pub response: &'a str,
    pub usage: PromptCounts,
}

impl<'a> RunAnswer<'a> {
    /// What a finished run says.
    pub fn new(run_id: &'a str, session_key: &'a str, output: &'a Output) -> Self {
        Self { run_id, session_key, response: &output.text, usage: output.usage.into() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    delta: &'a str,
    run_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    run_id: &'a str,
    finish_reason: &'static str,
}

/// More of the answer, as an event (C24).
pub fn delta(run_id: &str, delta: &str) -> String {
    event("delta", &Delta { delta, run_id })
}

/// The last event of a good answer (C24).
pub fn done(run_id: &str, finish: FinishReason) -> String {
    event("done", &Done { run_id, finish_reason: finish.as_str() })
}

fn event(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("texts always serialise");
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn asked(text: &str) -> Result<Asked, BadRequest> {
        json::from_slice::<RunRequest>(text.as_bytes())?.try_into()
    }

    #[test]
    fn the_api_references_example_is_read() {
        // C23, C24, C47, K7.
        let text = r#"{"message":"Hello","sessionKey":"agent:default:main","agentId":"default","stream":true,
            "options":{"thinking":"medium","model":"anthropic/claude-3-5-sonnet"}}"#;
        let asked = asked(text).unwrap();
        assert_eq!(asked.turn.session.as_str(), "agent:main:main");
        assert_eq!(asked.turn.thinking.as_deref(), Some("medium"));
        assert_eq!(asked.turn.model.as_deref(), Some("anthropic/claude-3-5-sonnet"));
        assert!(asked.stream && asked.turn.stream);
    }

    #[test]
    fn events_are_the_contracts() {
        assert_eq!(delta("run_1", "a\nb"), "event: delta\ndata: {\"delta\":\"a\\nb\",\"runId\":\"run_1\"}\n\n");
        let expected = "event: done\ndata: {\"runId\":\"run_1\",\"finishReason\":\"stop\"}\n\n";
        assert_eq!(done("run_1", FinishReason::Stop), expected);
    }
}

//! The method `agent`, its events, and what belongs to it: `agent.wait`, `chat.abort`.
//!
//! Two clients are served at once. The contracts' sends `{sessionId, message, stream?}` and reads
//! `kind:"output", text` in events and token counts in `summary`; stock ones send an idempotency
//! key, read `stream` and `data`, and expect `summary` to be a word.
//!
//! - [`asked`] what is asked; [`event`] what is told meanwhile; [`finished`] the end

pub mod asked;
pub mod event;
pub mod finished;

use claw_core::SessionKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::BadRequest;
use crate::target::Target;

pub use asked::{AgentCall, RunParams, checked_key, thinking_level, when_busy};
pub(crate) use asked::{at_most, first, sampling};
pub use finished::{Finished, TokenCounts};

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
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    #[serde(alias = "session_id", alias = "conversationId", alias = "conversation_id")]
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

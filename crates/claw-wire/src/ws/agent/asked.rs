//! What every method that begins a run takes: `agent`, `chat.send`, `sessions.send`, `chat.run` and
//! `/v1/agent/run`. Each has names of its own for the same things; all are read everywhere.

use claw_core::provider::{Sampling, Thinking};
use claw_core::{SessionKey, Turn, WhenBusy};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::BadRequest;
use crate::limits::{IDEMPOTENCY_KEY_CHARS_MAX, TOOLS_MAX};
use crate::openai::checks::{counted, within};
use crate::openai::model::Selection;
use crate::target::{Named, Target, is_said, one_agent};

/// A message to an agent, and how it is to be answered.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RunParams {
    pub message: String,
    pub key: Option<String>,
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    /// The first version's spelling of `sessionId` (K6).
    #[serde(rename = "session_id")]
    pub session_id_v1: Option<String>,
    pub conversation_id: Option<String>,
    /// As Python spells it.
    #[serde(rename = "conversation_id")]
    pub conversation_id_v1: Option<String>,
    #[serde(alias = "agent_id")]
    pub agent_id: Option<String>,
    /// The first version's name of `agentId` (D30).
    #[serde(rename = "bot_id", alias = "botId")]
    pub bot_id: Option<String>,
    pub model: Option<String>,
    pub thinking: Option<String>,
    pub stream: Option<bool>,
    /// The only ones of the gateway's tools that may be used; all when absent.
    pub tools: Option<Vec<String>>,
    /// The API reference's place for `model`, `thinking`, `stream` and `tools`; what stands here counts.
    pub options: Option<RunOptions>,
    pub idempotency_key: Option<String>,
    /// `followup`, `interrupt`, `steer` or `reject`: what to do while the conversation is busy.
    pub queue_mode: Option<String>,
    /// Seconds the run may take; without it, or with 0, as long as it needs (A17).
    pub timeout: Option<u32>,
    /// Refused where it holds any: a message has no place for them.
    #[schemars(skip)]
    pub attachments: Option<Vec<IgnoredAny>>,
    /// These three only the gateway says; whoever asks is refused (advisory 18).
    #[schemars(skip)]
    pub workspace_dir: Option<IgnoredAny>,
    #[schemars(skip)]
    pub spawned_by: Option<IgnoredAny>,
    #[schemars(skip)]
    pub principal: Option<IgnoredAny>,
}

/// How to run (C8, C47).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RunOptions {
    pub thinking: Option<String>,
    pub stream: Option<bool>,
    pub model: Option<String>,
    pub tools: Option<Vec<String>>,
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// Most tokens to generate.
    #[serde(alias = "max_tokens")]
    pub max_tokens: Option<i64>,
}

/// What they ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentCall {
    /// The turn to run; the tools it may use, as the client names them.
    pub turn: Turn,
    /// The field that names them.
    pub tools: &'static str,
    /// The client's own name of the run.
    pub idempotency_key: Option<String>,
    /// What to do while the conversation is busy.
    pub when_busy: WhenBusy,
    /// Whether the answer is wanted piece by piece, where the client has said so.
    pub stream: Option<bool>,
    /// The fields to blame.
    pub named: Named,
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

impl TryFrom<RunParams> for AgentCall {
    type Error = BadRequest;

    fn try_from(raw: RunParams) -> Result<Self, BadRequest> {
        let RunParams { message, key, session_key, session_id, session_id_v1, .. } = raw;
        let RunParams { conversation_id, conversation_id_v1, agent_id, bot_id, model, thinking, .. } = raw;
        let RunParams { stream, options, idempotency_key, queue_mode, timeout, tools, .. } = raw;
        let RunParams { attachments, workspace_dir, spawned_by, principal, .. } = raw;
        if attachments.is_some_and(|all| !all.is_empty()) {
            let message =
                "a message comes without files: send pictures and files to /v1/chat/completions or /v1/responses";
            return Err(BadRequest::of("attachments", message));
        }
        for (field, said) in [("workspaceDir", workspace_dir), ("spawnedBy", spawned_by), ("principal", principal)] {
            if said.is_some() {
                return Err(BadRequest::of(field, "is said by the gateway alone: leave it out"));
            }
        }
        if message.trim().is_empty() {
            return Err(BadRequest::of("message", "must be a text that is not empty"));
        }
        let options = options.unwrap_or_default();
        let (thinking, thinking_field) = first(options.thinking, thinking, ["options.thinking", "thinking"]);
        let (model, model_field) = first(options.model, model, ["options.model", "model"]);
        let (own_tools, tools) = first(options.tools, tools, ["options.tools", "tools"]);
        if model.as_ref().is_some_and(|model| model.trim().is_empty()) {
            let message = "must name a model; without it the agent's own one answers";
            return Err(BadRequest::of(model_field, message));
        }
        let selection = Selection::parse(model.as_deref().unwrap_or_default()).map_err(|bad| bad.at(model_field))?;
        let sessions = [
            ("key", key.as_deref()),
            ("sessionKey", session_key.as_deref()),
            ("sessionId", session_id.as_deref()),
            ("session_id", session_id_v1.as_deref()),
            ("conversationId", conversation_id.as_deref()),
            ("conversation_id", conversation_id_v1.as_deref()),
        ];
        let (agent_field, agent_id) = one_agent([("agentId", agent_id), ("bot_id", bot_id)])?;
        let named = Named::of(
            (agent_field, agent_id.is_some()),
            (model_field, selection.agent.is_some()),
            &sessions.map(|(field, name)| (field, is_said(name))),
        );
        let agent = agent_id.or_else(|| selection.agent.map(|agent| agent.as_str().to_owned()));
        let Target { agent, session } = Target::resolve((agent_field, agent.as_deref()), &sessions)?;
        let mut turn = Turn::text(session.unwrap_or_else(|| SessionKey::main(&agent)), message);
        turn.model = selection.model;
        turn.own_tools = at_most(tools, own_tools)?;
        turn.sampling = sampling("options", options.temperature, options.max_tokens)?;
        turn.thinking = thinking_level(thinking).map_err(|bad| bad.at(thinking_field))?;
        turn.time_limit_s = timeout.filter(|seconds| *seconds > 0);
        let when_busy = when_busy(queue_mode.as_deref())?;
        let stream = options.stream.or(stream);
        Ok(Self { turn, tools, idempotency_key: checked_key(idempotency_key)?, when_busy, stream, named })
    }
}

/// The first of two that is there, with the field it stood in.
pub(crate) fn first<T>(one: Option<T>, other: Option<T>, fields: [&'static str; 2]) -> (Option<T>, &'static str) {
    let [field, other_field] = fields;
    if one.is_some() { (one, field) } else { (other, other_field) }
}

impl AgentCall {
    /// The same for `sessions.send`, which names its conversation.
    ///
    /// # Errors
    /// No conversation, or what cannot be read.
    pub fn in_session(params: RunParams) -> Result<Self, BadRequest> {
        let RunParams { key, session_key, session_id, session_id_v1, .. } = &params;
        let RunParams { conversation_id, conversation_id_v1, .. } = &params;
        let names = [key, session_key, session_id, session_id_v1, conversation_id, conversation_id_v1];
        if names.iter().all(|name| name.is_none()) {
            return Err(BadRequest::of("key", "missing field `key`"));
        }
        params.try_into()
    }

    /// Streamed or not, as the client has said, else as is usual; and which of the two.
    pub fn streamed_unless_said(mut self, usual: bool) -> (Self, bool) {
        let is_streamed = self.stream.unwrap_or(usual);
        self.turn.stream = is_streamed;
        (self, is_streamed)
    }
}

/// The tools that a run may use, not too many.
///
/// # Errors
/// Too many.
pub(crate) fn at_most(field: &str, tools: Option<Vec<String>>) -> Result<Option<Vec<String>>, BadRequest> {
    match tools {
        Some(tools) if tools.len() > TOOLS_MAX => {
            Err(BadRequest::of(field, format!("at most {TOOLS_MAX} tools, found {}", tools.len())))
        }
        fits => Ok(fits),
    }
}

/// How to sample, as `options` says it.
///
/// # Errors
/// A number out of its range.
pub(crate) fn sampling(
    options: &str,
    temperature: Option<f32>,
    max_tokens: Option<i64>,
) -> Result<Sampling, BadRequest> {
    Ok(Sampling {
        temperature: within(&format!("{options}.temperature"), temperature, 0.0, 2.0)?,
        max_tokens: counted(&format!("{options}.maxTokens"), max_tokens, u32::MAX)?,
        ..Sampling::default()
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json as reader;

    fn read(text: &str) -> Result<AgentCall, BadRequest> {
        reader::from_slice::<RunParams>(text.as_bytes())?.try_into()
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
            (r#"{"message":"x","options":{"thinking":"banana"}}"#, "options.thinking"),
            (r#"{"message":"x","options":{"model":"agent:"}}"#, "options.model"),
            (r#"{"message":"x","options":{"model":""}}"#, "options.model"),
            (r#"{"message":"x","model":" "}"#, "model"),
            (r#"{"message":"x","options":{"stream":"yes"}}"#, "options.stream"),
            (r#"{"message":"x","options":[]}"#, "options"),
            (r#"{"message":"x","options":{"temperature":3}}"#, "options.temperature"),
            (r#"{"message":"x","options":{"maxTokens":0}}"#, "options.maxTokens"),
            (r#"{"message":"x","tools":"ls"}"#, "tools"),
            (r#"{"message":"x","tools":[{"type":"function"}]}"#, "tools[0]"),
            (r#"{"message":"x","options":{"tools":[5]}}"#, "options.tools[0]"),
            (r#"{"message":"x","attachments":[{"url":"https://x.example/a"}]}"#, "attachments"),
            (r#"{"message":"x","key":"agent:main:"}"#, "key"),
            (r#"{"message":"x","stream":"yes"}"#, "stream"),
        ] {
            let refused = read(text).unwrap_err();
            assert_eq!(refused.param.as_deref(), Some(param), "{text}: {refused:?}");
        }
    }

    #[test]
    fn the_api_references_example_is_read() {
        // C8, C23, C24, C47, K7.
        let run = read(
            r#"{"message":"Hello","sessionKey":"agent:default:main","agentId":"default","stream":true,
                "options":{"thinking":"medium","stream":false,"model":"p/m"}}"#,
        )
        .unwrap();
        assert_eq!(run.turn.session.as_str(), "agent:main:main");
        assert_eq!((run.turn.thinking.as_deref(), run.turn.model.as_deref()), (Some("medium"), Some("p/m")));
        let (run, is_streamed) = run.streamed_unless_said(true);
        assert!(!is_streamed && !run.turn.stream);
    }

    #[test]
    fn a_run_may_be_allowed_some_tools_alone_and_told_how_to_sample() {
        for (text, tools, field) in [
            (r#"{"message":"x"}"#, None, "tools"),
            (r#"{"message":"x","tools":["ls"],"attachments":[]}"#, Some(vec!["ls".to_owned()]), "tools"),
            (r#"{"message":"x","tools":["ls"],"options":{"tools":[]}}"#, Some(vec![]), "options.tools"),
        ] {
            let call = read(text).unwrap();
            assert_eq!((call.turn.own_tools, call.tools), (tools, field), "{text}");
        }
        let told = read(r#"{"message":"x","options":{"temperature":0.5,"maxTokens":7}}"#).unwrap();
        let expected = Sampling { temperature: Some(0.5), max_tokens: Some(7), ..Sampling::default() };
        assert_eq!(told.turn.sampling, expected);
    }

    #[test]
    fn the_field_that_names_the_agent_is_known() {
        for (text, agent, model) in [
            (r#"{"message":"x"}"#, "agentId", "model"),
            (r#"{"message":"x","agentId":"ops","sessionKey":"agent:ops:x"}"#, "agentId", "model"),
            (r#"{"message":"x","agentId":"","model":"agent:ops"}"#, "model", "model"),
            (r#"{"message":"x","options":{"model":"openclaw:ops"}}"#, "options.model", "options.model"),
            (
                r#"{"message":"x","options":{"model":"gpt-4"},"sessionKey":"agent:ops:x"}"#,
                "sessionKey",
                "options.model",
            ),
        ] {
            assert_eq!(read(text).unwrap().named, Named { agent, model }, "{text}");
        }
    }

    /// K6, D30: what the first version and D call a conversation and an agent.
    #[test]
    fn old_spellings_name_the_same_things_and_two_that_differ_are_refused() {
        for (text, key) in [
            (r#"{"message":"x","session_id":"b"}"#, "agent:main:b"),
            (r#"{"message":"x","session_id":"b","bot_id":"two"}"#, "agent:two:b"),
            (r#"{"message":"x","bot_id":"two"}"#, "agent:two:main"),
            (r#"{"message":"x","conversation_id":"b"}"#, "agent:main:b"),
            (r#"{"message":"x","conversationId":"conv_1","conversation_id":"conv_1"}"#, "agent:main:conv_1"),
            (r#"{"message":"x","session_key":"b","agent_id":"two","bot_id":"Two"}"#, "agent:two:b"),
            (r#"{"message":"x","sessionKey":"agent:two:b","session_id":"b"}"#, "agent:two:b"),
        ] {
            assert_eq!(read(text).unwrap().turn.session.as_str(), key, "{text}");
        }
        for (text, param) in [
            (r#"{"message":"x","sessionId":"b","sessionKey":"c"}"#, "sessionId"),
            (r#"{"message":"x","session_id":"b","sessionKey":"c"}"#, "session_id"),
            (r#"{"message":"x","session_id":"b","conversation_id":"c"}"#, "conversation_id"),
            (r#"{"message":"x","agentId":"one","bot_id":"two"}"#, "bot_id"),
            (r#"{"message":"x","bot_id":"no bot"}"#, "bot_id"),
            (r#"{"message":"x","bot_id":"two","session_id":"agent:one:b"}"#, "bot_id"),
            (r#"{"message":"x","session_id":7}"#, "session_id"),
            (r#"{"message":"x","agentId":"one","agent_id":"one"}"#, "agentId"),
        ] {
            let refused = read(text).unwrap_err();
            assert_eq!(refused.param.as_deref(), Some(param), "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_message_to_a_conversation_names_it() {
        let read = |text: &str| AgentCall::in_session(reader::from_slice(text.as_bytes()).unwrap());
        assert_eq!(read(r#"{"key":"a","message":"x"}"#).unwrap().turn.session.as_str(), "agent:main:a");
        assert_eq!(read(r#"{"message":"x"}"#).unwrap_err().param.as_deref(), Some("key"));
    }
}

//! What is submitted, and what it means.

use std::collections::BTreeMap;
use std::time::Duration;

use claw_core::provider::Sampling;
use claw_core::{Callback, Lane, OnCrash, Priority, SessionKey, Turn};
use schemars::JsonSchema;
use serde::Deserialize;

use super::TYPES;
use crate::BadRequest;
use crate::error::Unobeyed;
use crate::limits::{ATTEMPTS_MAX, CALLBACK_HEADERS_MAX, CALLBACK_URL_BYTES_MAX, DELAY_SECONDS_MAX};
use crate::openai::model::Selection;
use crate::target::{Named, Target, is_said, one_agent};
use crate::ws::agent::{at_most, first, sampling, thinking_level};

/// The body of `POST /v2/tasks` (D20).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTask {
    /// The task type; `agent` when absent.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What the type works on.
    pub input: Option<TaskInput>,
    /// Whom to tell when it ended.
    pub callback: Option<CallbackRequest>,
    /// `interactive`, `standard` or `long`.
    pub lane: Option<String>,
    /// 0 last, 9 first.
    pub priority: Option<u8>,
    /// How many attempts may fail.
    pub max_attempts: Option<u32>,
    /// `fail` or `retry` (G3).
    pub on_crash: Option<String>,
    /// Milliseconds to wait before it may start.
    pub delay_ms: Option<u64>,
    /// Refused: its place is in `input`.
    pub tools: Option<Unobeyed>,
    /// The same.
    pub options: Option<Unobeyed>,
}

/// The input of type `agent` (K26).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskInput {
    /// What to say to the agent.
    pub message: Option<String>,
    /// Which agent.
    #[serde(alias = "agent_id")]
    pub agent_id: Option<String>,
    /// The first version's name of `agentId` (D30).
    #[serde(rename = "bot_id", alias = "botId")]
    pub bot_id: Option<String>,
    /// The conversation, as any surface names it (K6).
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    /// The same.
    pub session_id: Option<String>,
    /// The same, in the first version's spelling.
    #[serde(rename = "session_id")]
    pub session_id_v1: Option<String>,
    /// The same.
    pub conversation_id: Option<String>,
    /// The same, as Python spells it.
    #[serde(rename = "conversation_id")]
    pub conversation_id_v1: Option<String>,
    /// Another model, or an agent by OpenAI's field (K11).
    pub model: Option<String>,
    /// The gateway that carries the run out, as `executors` names it (A12).
    pub executor: Option<String>,
    /// The only ones of the gateway's tools that may be used; all when absent.
    pub tools: Option<Vec<String>>,
    /// How to run.
    pub options: Option<RunOptions>,
}

/// Options of one run (C47).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunOptions {
    /// `off` to `high`.
    pub thinking: Option<String>,
    /// Another model, or an agent by OpenAI's field (K11).
    pub model: Option<String>,
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// Most tokens to generate.
    #[serde(alias = "max_tokens")]
    pub max_tokens: Option<i64>,
    /// The only ones of the gateway's tools that may be used; what stands here counts.
    pub tools: Option<Vec<String>>,
}

/// An address to call when the task ended.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CallbackRequest {
    /// Where to POST.
    pub url: String,
    /// Headers to send along.
    pub headers: Option<BTreeMap<String, String>>,
}

/// A task that can be accepted, its agent and conversation resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Who answers, and where.
    pub target: Target,
    /// What to say.
    pub message: String,
    /// Another model.
    pub model: Option<String>,
    /// Who carries the run out.
    pub executor: Option<String>,
    /// The only tools it may use, as the client names them.
    pub tools: Option<Vec<String>>,
    /// The field that names them.
    pub tools_field: &'static str,
    /// How to sample.
    pub sampling: Sampling,
    /// How much to reason.
    pub thinking: Option<String>,
    /// Its tier.
    pub lane: Lane,
    /// Its order in the tier.
    pub priority: Priority,
    /// How many attempts may fail; the gateway's own number when absent.
    pub attempts_max: Option<u32>,
    /// After a crash.
    pub on_crash: OnCrash,
    /// Whom to tell.
    pub callback: Option<Callback>,
    /// How long to wait before it may start.
    pub delay: Duration,
    /// The fields to blame.
    pub named: Named,
}

impl Submission {
    /// The turn it asks for; `fresh` names a conversation when the client named none.
    pub fn turn(&self, fresh: impl FnOnce() -> String) -> Turn {
        let Target { agent, session } = &self.target;
        let session = session.clone().unwrap_or_else(|| SessionKey::of(agent, &fresh()));
        Turn {
            model: self.model.clone(),
            executor: self.executor.clone(),
            own_tools: self.tools.clone(),
            sampling: self.sampling.clone(),
            thinking: self.thinking.clone(),
            ..Turn::text(session, self.message.clone())
        }
    }
}

impl TryFrom<NewTask> for Submission {
    type Error = BadRequest;

    fn try_from(raw: NewTask) -> Result<Self, BadRequest> {
        let NewTask { kind, input, callback, lane, priority, max_attempts, on_crash, delay_ms, .. } = raw;
        known_type(kind.as_deref())?;
        let mut input = input.ok_or_else(|| BadRequest::of("input", "missing field `input`"))?;
        let executor = input.executor.take().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        let tools = input.tools.take();
        let Asked { target, named, message, model, options } = asked(input)?;
        let RunOptions { thinking, model: _, temperature, max_tokens, tools: narrower } = options;
        let (tools, tools_field) = first(narrower, tools, ["input.options.tools", "input.tools"]);
        Ok(Self {
            target,
            message,
            model,
            executor,
            tools: at_most(tools_field, tools)?,
            tools_field,
            sampling: sampling("input.options", temperature, max_tokens)?,
            thinking: thinking_level(thinking).map_err(|bad| bad.at("input.options.thinking"))?,
            lane: lane.map_or(Ok(Lane::Standard), |name| parse_lane(&name))?,
            priority: priority.map_or(Ok(Priority::NORMAL), parse_priority)?,
            attempts_max: max_attempts.map(parse_attempts).transpose()?,
            on_crash: on_crash.map_or(Ok(OnCrash::Fail), |word| parse_on_crash(&word))?,
            callback: callback.map(Callback::try_from).transpose()?,
            delay: parse_delay(delay_ms.unwrap_or(0))?,
            named,
        })
    }
}

fn known_type(kind: Option<&str>) -> Result<(), BadRequest> {
    match kind {
        None => Ok(()),
        Some(kind) if TYPES.contains(&kind) => Ok(()),
        Some(found) => {
            let message = format!("unknown task type {found:?}; known types: {}", TYPES.join(", "));
            Err(BadRequest::of("type", message))
        }
    }
}

/// What the input of a task comes to.
struct Asked {
    target: Target,
    named: Named,
    message: String,
    model: Option<String>,
    options: RunOptions,
}

fn asked(input: TaskInput) -> Result<Asked, BadRequest> {
    let TaskInput { message, agent_id, bot_id, session_key, session_id, session_id_v1, .. } = input;
    let TaskInput { conversation_id, conversation_id_v1, model, executor: _, tools: _, options, .. } = input;
    let message = message.filter(|text| !text.trim().is_empty());
    let message = message.ok_or_else(|| BadRequest::of("input.message", "message must be a text that is not empty"))?;
    let mut options = options.unwrap_or_default();
    let fields = ["input.model", "input.options.model"];
    let [own, other] = [selection(model, fields[0])?, selection(options.model.take(), fields[1])?];
    let model_field = if own.model.is_none() && other.model.is_some() { fields[1] } else { fields[0] };
    let agent_field = if own.agent.is_none() && other.agent.is_some() { fields[1] } else { fields[0] };
    let (selected, model) = (own.agent.or(other.agent), own.model.or(other.model));
    let (said_field, agent_id) = one_agent([("input.agentId", agent_id), ("input.bot_id", bot_id)])?;
    let agent_said = agent_id.is_some();
    let is_named = selected.is_some();
    let agent = agent_id.or_else(|| selected.map(|agent| agent.as_str().to_owned()));
    let sessions = [
        ("input.sessionKey", session_key.as_deref()),
        ("input.sessionId", session_id.as_deref()),
        ("input.session_id", session_id_v1.as_deref()),
        ("input.conversationId", conversation_id.as_deref()),
        ("input.conversation_id", conversation_id_v1.as_deref()),
    ];
    let by = Named::of(
        (said_field, agent_said),
        (agent_field, is_named),
        &sessions.map(|(field, name)| (field, is_said(name))),
    );
    let named = Named { model: model_field, ..by };
    let target = Target::resolve((said_field, agent.as_deref()), &sessions)?;
    Ok(Asked { target, named, message, model, options })
}

/// What a field for models asks for: a model, or an agent (K11).
fn selection(model: Option<String>, field: &'static str) -> Result<Selection, BadRequest> {
    match model {
        None => Ok(Selection::default()),
        Some(blank) if blank.trim().is_empty() => {
            Err(BadRequest::of(field, "must name a model; without it the agent's own one answers"))
        }
        Some(model) => Selection::parse(&model).map_err(|bad| bad.at(field)),
    }
}

fn parse_lane(name: &str) -> Result<Lane, BadRequest> {
    let unknown = || BadRequest::of("lane", format!("lane must be interactive, standard or long, found {name:?}"));
    Lane::parse(name).ok_or_else(unknown)
}

fn parse_priority(value: u8) -> Result<Priority, BadRequest> {
    let refused = || BadRequest::of("priority", format!("priority must be 0 to {}, found {value}", Priority::MAX));
    Priority::new(value).ok_or_else(refused)
}

fn parse_attempts(value: u32) -> Result<u32, BadRequest> {
    if (1..=ATTEMPTS_MAX).contains(&value) {
        return Ok(value);
    }
    Err(BadRequest::of("maxAttempts", format!("maxAttempts must be 1 to {ATTEMPTS_MAX}, found {value}")))
}

fn parse_on_crash(word: &str) -> Result<OnCrash, BadRequest> {
    match word {
        "fail" => Ok(OnCrash::Fail),
        "retry" => Ok(OnCrash::Retry),
        found => Err(BadRequest::of("onCrash", format!("onCrash must be fail or retry, found {found:?}"))),
    }
}

fn parse_delay(millis: u64) -> Result<Duration, BadRequest> {
    let delay = Duration::from_millis(millis);
    if delay.as_secs() <= DELAY_SECONDS_MAX {
        return Ok(delay);
    }
    Err(BadRequest::of("delayMs", format!("delayMs must be at most {}, found {millis}", DELAY_SECONDS_MAX * 1000)))
}

impl TryFrom<CallbackRequest> for Callback {
    type Error = BadRequest;

    fn try_from(raw: CallbackRequest) -> Result<Self, BadRequest> {
        let CallbackRequest { url, headers } = raw;
        let after_scheme = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let host = after_scheme.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        if host.contains('@') {
            let message = "callback.url must not hold a user name or password; send them in a header";
            return Err(BadRequest::of("callback.url", message));
        }
        let has_host = !host.is_empty();
        if !has_host || url.len() > CALLBACK_URL_BYTES_MAX || url.chars().any(|c| c.is_control() || c == ' ') {
            let message =
                format!("callback.url must be an http or https address of at most {CALLBACK_URL_BYTES_MAX} bytes");
            return Err(BadRequest::of("callback.url", message));
        }
        let headers: Vec<(String, String)> = headers.unwrap_or_default().into_iter().collect();
        if headers.len() > CALLBACK_HEADERS_MAX {
            let message = format!("at most {CALLBACK_HEADERS_MAX} headers, found {}", headers.len());
            return Err(BadRequest::of("callback.headers", message));
        }
        for (name, value) in &headers {
            let problem = if !is_header(name, value) {
                "not a header that can be sent"
            } else if OF_THE_CONNECTION.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
                "this header belongs to the connection and cannot be chosen"
            } else if OURS.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
                "this header is set by the gateway and cannot be chosen"
            } else {
                continue;
            };
            return Err(BadRequest::of(format!("callback.headers.{name}"), problem));
        }
        Ok(Self { url, headers })
    }
}

/// Headers that frame a request or speak to the next hop (RFC 9110, 7.6.1).
const OF_THE_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers by which a receiver knows a delivery.
const OURS: &[&str] = &["webhook-id", "webhook-timestamp", "webhook-signature", "x-openclaw-signature"];

/// RFC 9110: a token, and a value of visible ASCII, spaces and tabs.
fn is_header(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_value = |byte: u8| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic();
    !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_value)
}

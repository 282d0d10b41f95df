//! The request of a chat completion.
//!
//! [`ChatRequest`] reads what clients send, unknown fields ignored; [`Chat`] is what it means, every
//! range checked and every complaint naming its field. The conversation is split: what the client
//! kept by itself becomes `head`, what is new becomes `tail`.

mod content;
mod file;
mod talk;

use std::collections::BTreeMap;

use claw_core::message::Message;
use claw_core::provider::{Sampling, ToolChoice as CoreToolChoice, ToolSpec};
use claw_core::{JsonText, Text};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::checks::{
    SERVICE_TIERS, VERBOSITIES, checked_metadata, checked_name, choice, counted, effort, function_spec, json_text,
    named, repeated, within, word_of,
};
use crate::limits::{CHOICES_MAX, STOPS_MAX, TOOLS_MAX};
use crate::{BadRequest, json};

pub use content::{Content, Mode, StopTexts, ToolChoice};
pub use talk::{check_calls, unasked};

use talk::split;

/// The body of `POST /v1/chat/completions`.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's; what they mean here stands in `Chat`")]
pub struct ChatRequest {
    pub model: Option<String>,
    pub messages: Vec<ChatMessage>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub n: Option<i64>,
    pub stop: Option<StopTexts>,
    pub max_tokens: Option<i64>,
    pub max_completion_tokens: Option<i64>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub seed: Option<i64>,
    pub user: Option<String>,
    pub tools: Option<Vec<Tool>>,
    pub tool_choice: Option<ToolChoice>,
    pub response_format: Option<Box<RawValue>>,
    pub reasoning_effort: Option<String>,
    pub verbosity: Option<String>,
    pub parallel_tool_calls: Option<bool>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub service_tier: Option<String>,
    pub store: Option<bool>,
    pub safety_identifier: Option<String>,
    pub prompt_cache_key: Option<String>,
    pub modalities: Option<Vec<String>>,
    pub logit_bias: Option<BTreeMap<String, f32>>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<u32>,
    pub audio: Option<IgnoredAny>,
    pub web_search_options: Option<IgnoredAny>,
    pub functions: Option<IgnoredAny>,
    pub function_call: Option<IgnoredAny>,
}

/// How to stream; nothing is padded here, whatever it says.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct StreamOptions {
    pub include_usage: Option<bool>,
    pub include_obfuscation: Option<bool>,
}

/// One message, of any role.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatMessage {
    pub role: String,
    pub name: Option<String>,
    pub content: Option<Content>,
    pub tool_calls: Option<Vec<GivenCall>>,
    pub tool_call_id: Option<String>,
    pub refusal: Option<Text>,
    pub reasoning_content: Option<String>,
    pub reasoning_details: Option<Box<RawValue>>,
}

/// A tool call that an assistant made before.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct GivenCall {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub function: GivenFunction,
    pub extra_content: Option<Box<RawValue>>,
}

/// The function of a [`GivenCall`].
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct GivenFunction {
    pub name: String,
    pub arguments: Text,
}

/// A tool the client brings.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Tool {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub function: Option<Function>,
}

/// The function of a [`Tool`].
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Function {
    pub name: String,
    pub description: Option<String>,
    pub parameters: Option<Box<RawValue>>,
    pub strict: Option<bool>,
}

/// What a chat completion asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// The field `model` as spelled.
    pub model: Option<String>,
    /// Whether to stream.
    pub stream: bool,
    /// Whether a stream ends with usage.
    pub include_usage: bool,
    /// The client's name for its user; names a session.
    pub user: Option<String>,
    /// What was said before, system messages included.
    pub head: Vec<Message>,
    /// What is new; never empty.
    pub tail: Vec<Message>,
    /// How to sample.
    pub sampling: Sampling,
    /// The client's own tools.
    pub tools: Vec<ToolSpec>,
    /// Whether one must be called.
    pub tool_choice: CoreToolChoice,
    /// The gateway's own that may be called; all when nothing is said.
    pub own_tools: Option<Vec<String>>,
    /// How many answers are wanted.
    pub n: usize,
    /// `off`, `low`, `medium` or `high`.
    pub thinking: Option<String>,
}

impl TryFrom<ChatRequest> for Chat {
    type Error = BadRequest;

    fn try_from(raw: ChatRequest) -> Result<Self, BadRequest> {
        unsupported(&raw)?;
        let ChatRequest { model, messages, stream, stream_options, temperature, top_p, n, stop, max_tokens, .. } = raw;
        let ChatRequest { max_completion_tokens, presence_penalty, frequency_penalty, seed, user, tools, .. } = raw;
        let ChatRequest { tool_choice, response_format, reasoning_effort, verbosity, parallel_tool_calls, .. } = raw;
        checked_metadata(raw.metadata.unwrap_or_default())?;
        let sampling = Sampling {
            temperature: within("temperature", temperature, 0.0, 2.0)?,
            top_p: within("top_p", top_p, 0.0, 1.0)?,
            max_tokens: counted("max_completion_tokens", max_completion_tokens, u32::MAX)?.or(counted(
                "max_tokens",
                max_tokens,
                u32::MAX,
            )?),
            stop: stops(stop)?,
            seed,
            presence_penalty: within("presence_penalty", presence_penalty, -2.0, 2.0)?,
            frequency_penalty: within("frequency_penalty", frequency_penalty, -2.0, 2.0)?,
            response_format: response_format.map(format).transpose()?,
            parallel_tool_calls,
            verbosity: word_of("verbosity", verbosity, &VERBOSITIES)?,
            reasoning_summary: None,
        };
        let (head, tail) = split(messages)?;
        let mut tools = specs(tools.unwrap_or_default())?;
        let (tool_choice, own_tools) = choice(tool_choice, &mut tools)?;
        let include_usage = stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        Ok(Self {
            model: named(model)?,
            stream: stream.unwrap_or(false),
            include_usage,
            user: user.filter(|user| !user.trim().is_empty()),
            head,
            tail,
            sampling,
            tools,
            tool_choice,
            own_tools,
            n: counted("n", n, CHOICES_MAX)?.unwrap_or(1),
            thinking: effort("reasoning_effort", reasoning_effort.as_deref())?,
        })
    }
}

/// What is not done here is refused by name, never passed over.
fn unsupported(raw: &ChatRequest) -> Result<(), BadRequest> {
    let refuse = |param: &str, message: &str| Err(BadRequest::of(param, message));
    if raw.logprobs == Some(true) {
        return refuse("logprobs", "logprobs are not supported");
    }
    if raw.top_logprobs.is_some_and(|count| count > 0) {
        return refuse("top_logprobs", "logprobs are not supported");
    }
    if raw.logit_bias.as_ref().is_some_and(|bias| !bias.is_empty()) {
        return refuse("logit_bias", "logit_bias is not supported: tokens differ between the models that may answer");
    }
    if raw.modalities.iter().flatten().any(|kind| kind != "text") {
        return refuse("modalities", "only text is answered");
    }
    if raw.stream_options.is_some() && raw.stream != Some(true) {
        return refuse("stream_options", "stream_options says how to stream: it needs `stream: true`");
    }
    if raw.audio.is_some() {
        return refuse("audio", "only text is answered");
    }
    if raw.web_search_options.is_some() {
        return refuse("web_search_options", "not supported: the agent searches with tools of its own");
    }
    if raw.functions.is_some() {
        return refuse("functions", "`functions` is not supported: use `tools`");
    }
    if raw.function_call.is_some() {
        return refuse("function_call", "`function_call` is not supported: use `tool_choice`");
    }
    word_of("service_tier", raw.service_tier.clone(), &SERVICE_TIERS).map(drop)
}

/// An output format, its kind known.
fn format(raw: Box<RawValue>) -> Result<JsonText, BadRequest> {
    #[derive(Deserialize)]
    struct Format {
        #[serde(rename = "type")]
        kind: String,
        json_schema: Option<Schema>,
    }
    #[derive(Deserialize)]
    struct Schema {
        name: String,
        #[serde(rename = "description")]
        _description: Option<String>,
        #[serde(rename = "schema")]
        _schema: Option<BTreeMap<String, IgnoredAny>>,
        #[serde(rename = "strict")]
        _strict: Option<bool>,
    }
    const PARAM: &str = "response_format";
    let below = |BadRequest { param, message }| BadRequest {
        param: Some(param.map_or_else(|| PARAM.to_owned(), |param| format!("{PARAM}.{param}"))),
        message,
    };
    let Format { kind, json_schema } = json::from_slice(raw.get().as_bytes()).map_err(below)?;
    match (kind.as_str(), json_schema) {
        ("text" | "json_object", _) => Ok(json_text(raw)),
        ("json_schema", Some(schema)) => {
            checked_name(&format!("{PARAM}.json_schema.name"), &schema.name)?;
            Ok(json_text(raw))
        }
        ("json_schema", None) => {
            Err(BadRequest::of(format!("{PARAM}.json_schema"), "missing field `json_schema`".to_owned()))
        }
        (found, _) => {
            let message = format!("{PARAM}.type must be text, json_object or json_schema, found {found:?}");
            Err(BadRequest::of(format!("{PARAM}.type"), message))
        }
    }
}

fn stops(stop: Option<StopTexts>) -> Result<Vec<String>, BadRequest> {
    let texts = stop.map(|StopTexts(texts)| texts).unwrap_or_default();
    if texts.len() > STOPS_MAX {
        return Err(BadRequest::of("stop", format!("at most {STOPS_MAX} stop texts, found {}", texts.len())));
    }
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}

fn specs(raw: Vec<Tool>) -> Result<Vec<ToolSpec>, BadRequest> {
    if raw.len() > TOOLS_MAX {
        return Err(BadRequest::of("tools", format!("at most {TOOLS_MAX} tools, found {}", raw.len())));
    }
    let specs: Vec<ToolSpec> =
        raw.into_iter().enumerate().map(|(index, raw)| spec(index, raw)).collect::<Result<_, _>>()?;
    match repeated(&specs) {
        Some(index) => Err(BadRequest::of(format!("tools[{index}].function.name"), "two tools have this name")),
        None => Ok(specs),
    }
}

fn spec(index: usize, raw: Tool) -> Result<ToolSpec, BadRequest> {
    let Tool { kind, function } = raw;
    let at = |field: &str| format!("tools[{index}]{field}");
    if let Some(kind) = kind.filter(|kind| kind != "function") {
        return Err(BadRequest::of(at(".type"), format!("only tools of type function are supported, found {kind:?}")));
    }
    let function = function.ok_or_else(|| BadRequest::of(at(".function"), "missing field `function`"))?;
    function_spec(|field| at(&format!(".function{field}")), function)
}

#[cfg(test)]
mod tests;

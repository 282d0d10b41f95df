//! The request of a chat completion.
//!
//! [`ChatRequest`] reads what clients send, unknown fields ignored; [`Chat`] is what it means, every
//! range checked and every complaint naming its field. The conversation is split: what the client
//! kept by itself becomes `head`, what is new becomes `tail`.

mod content;
mod file;

use std::collections::BTreeMap;

use claw_core::message::Message;
use claw_core::provider::{Sampling, ToolChoice as CoreToolChoice, ToolSpec};
use claw_core::{JsonText, Text, ToolCall, Unpaired, unpaired};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::limits::{
    CHOICES_MAX, METADATA_KEY_CHARS_MAX, METADATA_MAX, METADATA_VALUE_CHARS_MAX, STOPS_MAX, TOOL_NAME_BYTES_MAX,
    TOOLS_MAX,
};

use crate::{BadRequest, json};

pub use content::{Content, Mode, StopTexts, ToolChoice};

/// How many words an answer may have.
pub(super) const VERBOSITIES: [&str; 3] = ["low", "medium", "high"];
/// How urgent a request may be; all are served alike.
pub(super) const SERVICE_TIERS: [&str; 5] = ["auto", "default", "flex", "scale", "priority"];

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
    pub n: Option<u32>,
    pub stop: Option<StopTexts>,
    pub max_tokens: Option<u32>,
    pub max_completion_tokens: Option<u32>,
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
}

/// A tool call that an assistant made before.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct GivenCall {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub function: GivenFunction,
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
            max_tokens: positive("max_completion_tokens", max_completion_tokens)?
                .or(positive("max_tokens", max_tokens)?),
            stop: stops(stop)?,
            seed,
            presence_penalty: within("presence_penalty", presence_penalty, -2.0, 2.0)?,
            frequency_penalty: within("frequency_penalty", frequency_penalty, -2.0, 2.0)?,
            response_format: response_format.map(format).transpose()?,
            parallel_tool_calls,
            verbosity: word_of("verbosity", verbosity, &VERBOSITIES)?,
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
            n: wanted(n)?,
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

/// What the field `model` names, where it is there.
pub(super) fn named(model: Option<String>) -> Result<Option<String>, BadRequest> {
    match model {
        Some(model) if model.trim().is_empty() => {
            Err(BadRequest::of("model", "model must not be empty; without it the default agent answers"))
        }
        fits => Ok(fits),
    }
}

/// How many answers are wanted.
fn wanted(n: Option<u32>) -> Result<usize, BadRequest> {
    let n = n.map_or(1, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if (1..=CHOICES_MAX).contains(&n) {
        return Ok(n);
    }
    Err(BadRequest::of("n", format!("n must be 1 to {CHOICES_MAX}, found {n}")))
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

/// The name of a function or a schema.
pub(super) fn checked_name(param: &str, name: &str) -> Result<(), BadRequest> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=TOOL_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    let message = format!("a name is 1 to {TOOL_NAME_BYTES_MAX} of a-z, A-Z, 0-9, `_` and `-`");
    Err(BadRequest::of(param, message))
}

/// One of these words.
pub(super) fn word_of(param: &str, word: Option<String>, known: &[&str]) -> Result<Option<String>, BadRequest> {
    match word {
        Some(found) if !known.contains(&found.as_str()) => {
            Err(BadRequest::of(param, format!("{param} must be {}, found {found:?}", known.join(" or "))))
        }
        fits => Ok(fits),
    }
}

/// A client's own notes, within their limits.
pub(super) fn checked_metadata(metadata: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, BadRequest> {
    if metadata.len() > METADATA_MAX {
        let message = format!("at most {METADATA_MAX} entries, found {}", metadata.len());
        return Err(BadRequest::of("metadata", message));
    }
    for (key, value) in &metadata {
        if key.chars().count() > METADATA_KEY_CHARS_MAX || value.chars().count() > METADATA_VALUE_CHARS_MAX {
            let message =
                format!("a key has at most {METADATA_KEY_CHARS_MAX} characters, a value {METADATA_VALUE_CHARS_MAX}");
            return Err(BadRequest::of(format!("metadata.{key}"), message));
        }
    }
    Ok(metadata)
}

pub(super) fn within(param: &str, value: Option<f32>, low: f32, high: f32) -> Result<Option<f32>, BadRequest> {
    match value {
        Some(found) if !(low..=high).contains(&found) => {
            Err(BadRequest::of(param, format!("{param} must be {low} to {high}, found {found}")))
        }
        fits => Ok(fits),
    }
}

pub(super) fn positive(param: &str, value: Option<u32>) -> Result<Option<u32>, BadRequest> {
    match value {
        Some(0) => Err(BadRequest::of(param, format!("{param} must be at least 1, found 0"))),
        fits => Ok(fits),
    }
}

fn stops(stop: Option<StopTexts>) -> Result<Vec<String>, BadRequest> {
    let texts = stop.map(|StopTexts(texts)| texts).unwrap_or_default();
    if texts.len() > STOPS_MAX {
        return Err(BadRequest::of("stop", format!("at most {STOPS_MAX} stop texts, found {}", texts.len())));
    }
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}

pub(super) fn effort(param: &str, word: Option<&str>) -> Result<Option<String>, BadRequest> {
    let level = match word {
        None => return Ok(None),
        Some("none" | "off") => "off",
        Some("minimal") => "minimal",
        Some("low") => "low",
        Some("medium") => "medium",
        Some("high" | "xhigh") => "high",
        Some(found) => {
            let message = format!("{param} must be none, minimal, low, medium or high, found {found:?}");
            return Err(BadRequest::of(param, message));
        }
    };
    Ok(Some(level.to_owned()))
}

/// Splits after the last assistant message; leading instructions of the new part count as known.
fn split(raw: Vec<ChatMessage>) -> Result<(Vec<Message>, Vec<Message>), BadRequest> {
    let messages = raw.into_iter().enumerate().map(|(index, raw)| message(index, raw));
    let mut head = messages.collect::<Result<Vec<Message>, BadRequest>>()?;
    let answered = head.iter().rposition(|message| matches!(message, Message::Assistant { .. }));
    let begin = answered.map_or(0, |index| index + 1);
    let instructions = head.iter().skip(begin).take_while(|message| matches!(message, Message::System { .. })).count();
    let tail = head.split_off(begin + instructions);
    if tail.iter().any(|message| matches!(message, Message::User { .. } | Message::Tool { .. })) {
        return Ok((head, tail));
    }
    Err(BadRequest::of("messages", "messages must end with a message of role user or tool"))
}

fn message(index: usize, raw: ChatMessage) -> Result<Message, BadRequest> {
    let ChatMessage { role, name: _, content, tool_calls, tool_call_id, refusal } = raw;
    let at = |field: &str| format!("messages[{index}].{field}");
    let missing = || BadRequest::of(at("content"), "content must be a string or an array of content parts, found none");
    let text = |content: Option<Content>| content.ok_or_else(missing)?.into_text(&at("content"));
    match role.as_str() {
        "system" | "developer" => Ok(Message::System { text: text(content)? }),
        "user" => Ok(Message::User { content: content.ok_or_else(missing)?.into_parts(&at("content"))? }),
        "assistant" => {
            let calls = tool_calls.unwrap_or_default().into_iter().enumerate();
            let calls = calls.map(|(place, raw)| call(&at(&format!("tool_calls[{place}]")), raw));
            let calls = calls.collect::<Result<Vec<ToolCall>, BadRequest>>()?;
            // Whoever only called tools, or declined, has said nothing.
            let said = content.or(refusal.map(Content::Text));
            let said = said.or_else(|| (!calls.is_empty()).then(|| Content::Text("".into())));
            Ok(Message::assistant(text(said)?, calls))
        }
        "tool" => {
            let call_id = tool_call_id.filter(|id| !id.is_empty());
            let call_id =
                call_id.ok_or_else(|| BadRequest::of(at("tool_call_id"), "a tool message needs a tool_call_id"))?;
            Ok(Message::Tool { call_id, text: text(content)?, is_error: false })
        }
        found => {
            let message = format!("role must be system, developer, user, assistant or tool, found {found:?}");
            Err(BadRequest::of(at("role"), message))
        }
    }
}

fn call(at: &str, raw: GivenCall) -> Result<ToolCall, BadRequest> {
    let GivenCall { id, kind, function: GivenFunction { name, arguments } } = raw;
    word_of(&format!("{at}.type"), kind, &["function"])?;
    for (field, value) in [("id", &id), ("function.name", &name)] {
        if value.is_empty() {
            return Err(BadRequest::of(format!("{at}.{field}"), format!("{field} must not be empty")));
        }
    }
    Ok(ToolCall { id, name, arguments: JsonText::new(arguments) })
}

/// Checks that tools' answers follow the calls that they answer, and every call has its answer, in a
/// conversation that the client keeps.
///
/// # Errors
/// The message that stands alone.
pub fn check_calls(head: &[Message], tail: &[Message]) -> Result<(), BadRequest> {
    match unpaired(head.iter().chain(tail), true) {
        None => Ok(()),
        Some(Unpaired::Answer { place, call }) => Err(unasked(place, call)),
        Some(Unpaired::Call { place, call }) => {
            let message = format!("the call {call:?} must be followed by a message of role tool that answers it");
            Err(BadRequest::of(format!("messages[{place}].tool_calls"), message))
        }
    }
}

/// The complaint about a tool's answer to a call that nobody has made.
pub fn unasked(place: usize, call: &str) -> BadRequest {
    let message = format!(
        "a message of role tool must answer a call of the assistant's message before it; there is no call {call:?}"
    );
    BadRequest::of(format!("messages[{place}].role"), message)
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

/// The first tool whose name another one has already.
pub(super) fn repeated(specs: &[ToolSpec]) -> Option<usize> {
    specs.iter().enumerate().position(|(index, spec)| specs.iter().take(index).any(|other| other.name == spec.name))
}

fn spec(index: usize, raw: Tool) -> Result<ToolSpec, BadRequest> {
    let Tool { kind, function } = raw;
    let at = |field: &str| format!("tools[{index}]{field}");
    if let Some(kind) = kind.filter(|kind| kind != "function") {
        return Err(BadRequest::of(at(".type"), format!("only tools of type function are supported, found {kind:?}")));
    }
    let Some(Function { name, description, parameters, strict: _ }) = function else {
        return Err(BadRequest::of(at(".function"), "missing field `function`"));
    };
    function_spec(|field| at(&format!(".function{field}")), name, description, parameters)
}

/// A client's function as a model is shown it; `at` names its fields.
pub(super) fn function_spec(
    at: impl Fn(&str) -> String,
    name: String,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
) -> Result<ToolSpec, BadRequest> {
    checked_name(&at(".name"), &name)?;
    let parameters = parameters.map_or_else(|| JsonText::new(r#"{"type":"object","properties":{}}"#), json_text);
    if !is_object_schema(parameters.as_str()) {
        return Err(BadRequest::of(at(".parameters"), "parameters must be a JSON schema of type object"));
    }
    Ok(ToolSpec { name, description: description.unwrap_or_default(), parameters })
}

/// Whether a schema is an object, and does not say itself that it describes something else than objects.
fn is_object_schema(schema: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: Option<serde_json::Value>,
    }
    let head: Result<Head, _> = serde_json::from_str(schema);
    let is_object = |kind: &serde_json::Value| kind.as_str().is_none_or(|kind| kind == "object");
    schema.starts_with('{') && head.is_ok_and(|head| head.kind.as_ref().is_none_or(is_object))
}

/// Whether a tool must be called; where only some are allowed, the others of the client's leave `tools`,
/// and the names that are none of the client's come along: they are to be the gateway's.
///
/// # Errors
/// It demands what is not there.
pub(super) fn choice(
    raw: Option<ToolChoice>,
    tools: &mut Vec<ToolSpec>,
) -> Result<(CoreToolChoice, Option<Vec<String>>), BadRequest> {
    let refuse = |message: String| Err(BadRequest::of("tool_choice", message));
    let all = |choice| Ok((choice, None));
    match raw {
        None | Some(ToolChoice::Auto) => all(CoreToolChoice::Auto),
        Some(ToolChoice::None) => all(CoreToolChoice::None),
        Some(ToolChoice::Required) if tools.is_empty() => refuse("tool_choice needs tools".to_owned()),
        Some(ToolChoice::Required) => all(CoreToolChoice::Required),
        Some(ToolChoice::Named(name)) if tools.iter().any(|tool| tool.name == name) => all(CoreToolChoice::Named(name)),
        Some(ToolChoice::Named(name)) => refuse(format!("tool_choice names {name:?}, which is not among the tools")),
        Some(ToolChoice::Allowed { mode, names }) => {
            if !(1..=TOOLS_MAX).contains(&names.len()) {
                return refuse(format!("tool_choice must allow 1 to {TOOLS_MAX} tools, found {}", names.len()));
            }
            let own = names.iter().filter(|name| tools.iter().all(|tool| tool.name != **name)).cloned().collect();
            tools.retain(|tool| names.contains(&tool.name));
            let choice = match mode {
                Mode::Auto => CoreToolChoice::Auto,
                Mode::None => CoreToolChoice::None,
                Mode::Required => CoreToolChoice::Required,
            };
            Ok((choice, Some(own)))
        }
    }
}

pub(super) fn json_text(raw: Box<RawValue>) -> JsonText {
    let text: Box<str> = raw.into();
    JsonText::new(text)
}

#[cfg(test)]
mod tests;

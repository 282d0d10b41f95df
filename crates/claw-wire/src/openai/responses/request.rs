//! The request of a response.
//!
//! [`ResponsesRequest`] reads what clients send, unknown fields ignored; [`Ask`] is what it means,
//! every range checked and every complaint naming its field.

use std::collections::BTreeMap;
use std::fmt;

use claw_core::message::JsonText;
use claw_core::provider::{Sampling, ToolChoice as CoreToolChoice};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Kept;
use super::items::{Given, Input};
use super::object::raw;
use super::tools::{GivenTool, Tools, shown_choice};
use crate::BadRequest;
use crate::limits::LABEL_CHARS_MAX;
use crate::openai::chat::ToolChoice;
use crate::openai::checks::{
    SERVICE_TIERS, VERBOSITIES, checked_metadata, checked_name, choice, counted, effort, named, within, word_of,
};

/// The body of `POST /v1/responses`.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's; what they mean here stands in `Ask`")]
pub struct ResponsesRequest {
    pub model: Option<String>,
    pub input: Option<Input>,
    pub instructions: Option<claw_core::Text>,
    pub tools: Option<Vec<GivenTool>>,
    pub tool_choice: Option<ToolChoice>,
    pub parallel_tool_calls: Option<bool>,
    pub stream: Option<bool>,
    pub background: Option<bool>,
    pub store: Option<bool>,
    pub previous_response_id: Option<String>,
    pub conversation: Option<Conversation>,
    pub text: Option<TextOptions>,
    pub reasoning: Option<Reasoning>,
    pub max_output_tokens: Option<i64>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub top_logprobs: Option<u32>,
    pub truncation: Option<String>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub user: Option<String>,
    pub safety_identifier: Option<String>,
    pub prompt_cache_key: Option<String>,
    pub include: Option<Vec<String>>,
    pub max_tool_calls: Option<i64>,
    pub service_tier: Option<String>,
    pub stream_options: Option<StreamOptions>,
    pub prompt: Option<IgnoredAny>,
}

/// What a frame of a socket says beside the request.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct RawFrame {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub generate: Option<bool>,
    pub stream: Option<bool>,
    pub background: Option<bool>,
    pub stream_id: Option<IgnoredAny>,
    pub previous_response_id: Option<String>,
}

/// What it comes to.
#[derive(Debug)]
pub struct CreateFrame {
    /// Whether an answer is wanted; otherwise the request is only prepared, to be continued.
    pub generate: bool,
    /// What it goes on from.
    pub previous: Option<String>,
}

impl TryFrom<RawFrame> for CreateFrame {
    type Error = BadRequest;

    fn try_from(raw: RawFrame) -> Result<Self, BadRequest> {
        let RawFrame { kind, generate, stream, background, stream_id, previous_response_id } = raw;
        let refuse = |param: &str, message: &str| Err(BadRequest::of(param, message));
        match kind.as_deref() {
            Some("response.create") => {}
            None => return refuse("type", "missing field `type`: a frame is a response.create"),
            Some(found) => {
                return Err(BadRequest::of("type", format!("a frame is a response.create, found {found:?}")));
            }
        }
        // Said of a socket, these say nothing or what cannot be.
        if stream == Some(false) {
            return refuse("stream", "a socket always streams");
        }
        if background == Some(true) {
            return refuse("background", "a response of a socket is not made in the background");
        }
        if stream_id.is_some() {
            return refuse("stream_id", "one response is made at a time on a socket; open several sockets");
        }
        Ok(Self { generate: generate.unwrap_or(true), previous: previous_response_id })
    }
}

/// How to stream; nothing is padded here, whatever it says.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct StreamOptions {
    pub include_obfuscation: Option<bool>,
}

/// How to write the answer.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct TextOptions {
    pub format: Option<TextFormat>,
    pub verbosity: Option<String>,
}

/// The format of the answer.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct TextFormat {
    #[serde(rename = "type")]
    pub kind: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub schema: Option<Box<RawValue>>,
    pub strict: Option<bool>,
}

/// How much to reason.
#[derive(Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Reasoning {
    pub effort: Option<String>,
    pub summary: Option<String>,
}

/// A conversation: its id, or an object with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation(pub String);

impl<'de> Deserialize<'de> for Conversation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object {
            id: String,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Conversation;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a conversation's id or an object with the string `id`")
            }
            fn visit_str<E: Error>(self, id: &str) -> Result<Conversation, E> {
                Ok(Conversation(id.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Conversation, A::Error> {
                Object::deserialize(MapAccessDeserializer::new(fields)).map(|object| Conversation(object.id))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// What a response is asked to be.
#[derive(Debug)]
pub struct Ask {
    /// What is new; never empty.
    pub input: Given,
    /// How to sample.
    pub sampling: Sampling,
    /// Ours and the client's.
    pub tools: Tools,
    /// Whether one must be called.
    pub tool_choice: CoreToolChoice,
    /// One of the thinking levels.
    pub thinking: Option<String>,
    /// Most calls of the gateway's tools.
    pub tool_calls_max: Option<u32>,
    /// Whether to stream.
    pub stream: bool,
    /// What the answer says again.
    pub kept: Kept,
}

/// The model that answers when the field is absent.
const MODEL: &str = "openclaw";

impl TryFrom<ResponsesRequest> for Ask {
    type Error = BadRequest;

    fn try_from(request: ResponsesRequest) -> Result<Self, BadRequest> {
        unsupported(&request)?;
        let ResponsesRequest { model, input, instructions, tools, tool_choice, parallel_tool_calls, .. } = request;
        let ResponsesRequest { stream, background, store, previous_response_id, conversation, text, .. } = request;
        let ResponsesRequest { reasoning, max_output_tokens, temperature, top_p, presence_penalty, .. } = request;
        let ResponsesRequest { frequency_penalty, truncation, metadata, user, safety_identifier, .. } = request;
        let ResponsesRequest { prompt_cache_key, include, max_tool_calls, service_tier, .. } = request;
        let include = include.unwrap_or_default();
        let sealed = includes_sealed(&include)?;
        word_of("service_tier", service_tier, &SERVICE_TIERS)?;
        let input = input.ok_or_else(|| BadRequest::of("input", "missing field `input`"))?.read()?;
        let (mut tools, shown_tools) = Tools::read(tools.unwrap_or_default())?;
        let shown_choice = shown_choice(tool_choice.as_ref());
        let (tool_choice, own) = choice(tool_choice, &mut tools.clients)?;
        own.map_or(Ok(()), |own| tools.narrow(own))?;
        let Text { wanted, verbosity, shown: shown_text } = text_format(text)?;
        let Reasoning { effort: word, summary } = reasoning.unwrap_or_default();
        let kept = Kept {
            model: named(model)?.unwrap_or_else(|| MODEL.to_owned()),
            store: store.unwrap_or(true),
            background: background.unwrap_or(false),
            is_alone: true,
            parallel_tool_calls: parallel_tool_calls.unwrap_or(true),
            truncation: word_of("truncation", truncation, &["disabled", "auto"])?
                .unwrap_or_else(|| "disabled".to_owned()),
            instructions,
            previous_response_id,
            conversation: conversation.map(|Conversation(id)| id),
            max_output_tokens: counted("max_output_tokens", max_output_tokens, u32::MAX)?,
            max_tool_calls: counted("max_tool_calls", max_tool_calls, u32::MAX)?,
            temperature,
            top_p,
            presence_penalty,
            frequency_penalty,
            summary: word_of("reasoning.summary", summary, &["auto", "concise", "detailed"])?,
            user: user.filter(|user| !user.trim().is_empty()),
            safety_identifier: label("safety_identifier", safety_identifier)?,
            prompt_cache_key: label("prompt_cache_key", prompt_cache_key)?,
            metadata: checked_metadata(metadata.unwrap_or_default())?,
            tools: shown_tools,
            tool_choice: shown_choice,
            text: shown_text,
            effort: word,
            sealed,
        };
        let thinking = effort("reasoning.effort", kept.effort.as_deref())?;
        let reasoning_summary = kept.summary.clone();
        let sampling = Sampling { parallel_tool_calls, verbosity, reasoning_summary, ..sampling(&kept, wanted)? };
        let (tool_calls_max, stream) = (kept.max_tool_calls, stream.unwrap_or(false));
        Ok(Self { input, sampling, tools, tool_choice, thinking, tool_calls_max, stream, kept })
    }
}

fn sampling(kept: &Kept, response_format: Option<JsonText>) -> Result<Sampling, BadRequest> {
    Ok(Sampling {
        temperature: within("temperature", kept.temperature, 0.0, 2.0)?,
        top_p: within("top_p", kept.top_p, 0.0, 1.0)?,
        max_tokens: kept.max_output_tokens,
        presence_penalty: within("presence_penalty", kept.presence_penalty, -2.0, 2.0)?,
        frequency_penalty: within("frequency_penalty", kept.frequency_penalty, -2.0, 2.0)?,
        response_format,
        ..Sampling::default()
    })
}

fn unsupported(request: &ResponsesRequest) -> Result<(), BadRequest> {
    let refuse = |param: &str, message: &str| Err(BadRequest::of(param, message));
    if request.prompt.is_some() {
        return refuse("prompt", "prompt templates are not supported: send `instructions` and `input`");
    }
    if request.top_logprobs.is_some_and(|count| count > 0) {
        return refuse("top_logprobs", "logprobs are not supported");
    }
    if request.stream_options.is_some() && request.stream != Some(true) {
        return refuse("stream_options", "stream_options says how to stream: it needs `stream: true`");
    }
    if request.background == Some(true) && request.store == Some(false) {
        return refuse("background", "a background response must be stored");
    }
    if request.previous_response_id.is_some() && request.conversation.is_some() {
        return refuse("previous_response_id", "previous_response_id and conversation exclude each other");
    }
    Ok(())
}

/// Asks for reasoning in a form that can be sent back.
const SEALED: &str = "reasoning.encrypted_content";

/// Reads `include`, further parts of the answer, and says whether reasoning is wanted sealed: those that this gateway's
/// answers never have cost nothing, the others are not given.
///
/// # Errors
/// One that is not given, or unknown.
pub fn includes_sealed(include: &[String]) -> Result<bool, BadRequest> {
    const ABSENT: [&str; 6] = [
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
    ];
    for (index, wanted) in include.iter().enumerate() {
        let refuse = |message: String| Err(BadRequest::of(format!("include[{index}]"), message));
        match wanted.as_str() {
            "message.output_text.logprobs" => return refuse("logprobs are not supported".to_owned()),
            SEALED => {}
            absent if ABSENT.contains(&absent) => {}
            found => return refuse(format!("there is nothing called {found:?} to be included")),
        }
    }
    Ok(include.iter().any(|part| part == SEALED))
}

fn label(param: &str, text: Option<String>) -> Result<Option<String>, BadRequest> {
    match text {
        Some(text) if text.chars().count() > LABEL_CHARS_MAX => {
            Err(BadRequest::of(param, format!("{param} has at most {LABEL_CHARS_MAX} characters")))
        }
        fits => Ok(fits),
    }
}

/// How the answer is to be written.
struct Text {
    /// Its format in a chat completion's shape, which all providers are given.
    wanted: Option<JsonText>,
    verbosity: Option<String>,
    /// Both as answers show them.
    shown: Box<RawValue>,
}

/// A format as answers show it: each of its fields is there.
#[derive(Serialize)]
#[serde(untagged)]
enum ShownFormat<'a> {
    Schema {
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        description: Option<&'a str>,
        schema: &'a RawValue,
        strict: bool,
    },
    Plain {
        #[serde(rename = "type")]
        kind: &'a str,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    format: ShownFormat<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
}

/// A format in a chat completion's shape.
#[derive(Serialize)]
struct Wanted<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<JsonSchema<'a>>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// The format in a chat completion's shape, which all providers are given, and as answers show it.
fn text_format(text: Option<TextOptions>) -> Result<Text, BadRequest> {
    let TextOptions { format, verbosity } = text.unwrap_or(TextOptions { format: None, verbosity: None });
    let verbosity = word_of("text.verbosity", verbosity, &VERBOSITIES)?;
    let plain = TextFormat { kind: "text".to_owned(), name: None, description: None, schema: None, strict: None };
    let format = format.unwrap_or(plain);
    let wanted = match (format.kind.as_str(), &format.name, &format.schema) {
        ("text", _, _) => None,
        ("json_object", _, _) => Some(Wanted { kind: "json_object", json_schema: None }),
        ("json_schema", Some(_), Some(schema)) if !schema.get().starts_with('{') => {
            return Err(BadRequest::of("text.format.schema", "schema must be a JSON schema object"));
        }
        ("json_schema", Some(name), Some(schema)) => {
            checked_name("text.format.name", name)?;
            let description = format.description.as_deref();
            let json_schema = JsonSchema { name, description, schema, strict: format.strict };
            Some(Wanted { kind: "json_schema", json_schema: Some(json_schema) })
        }
        ("json_schema", name, _) => {
            let missing = if name.is_none() { "name" } else { "schema" };
            return Err(BadRequest::of(format!("text.format.{missing}"), format!("missing field `{missing}`")));
        }
        (found, _, _) => {
            let message = format!("text.format.type must be text, json_object or json_schema, found {found:?}");
            return Err(BadRequest::of("text.format.type", message));
        }
    };
    let shown = match &wanted {
        Some(Wanted { kind, json_schema: Some(JsonSchema { name, description, schema, strict }) }) => {
            ShownFormat::Schema { kind, name, description: *description, schema, strict: strict.unwrap_or(false) }
        }
        Some(Wanted { kind, json_schema: None }) => ShownFormat::Plain { kind },
        None => ShownFormat::Plain { kind: "text" },
    };
    let shown = raw(&Shown { format: shown, verbosity: verbosity.as_deref() });
    let wanted = wanted.map(|wanted| JsonText::new(raw(&wanted).get()));
    Ok(Text { wanted, verbosity, shown })
}

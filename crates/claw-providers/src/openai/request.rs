//! `ModelRequest` → the body of a chat completion.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claw_core::message::{Detail, JsonText, Message, Part, Thoughts, ToolCall};
use claw_core::provider::{ModelRequest, Sampling, ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::thoughts::Kept;
use crate::effort::{effort, switch};
use crate::source::{Unwritable, write_json};

/// How the server calls the limit of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenLimit {
    /// `max_tokens`, which every compatible server knows.
    Classic,
    /// `max_completion_tokens`, without which OpenAI's reasoning models refuse.
    Completion,
}

/// Who made the server, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    Google,
    DeepSeek,
    OpenRouter,
    Other,
}

/// What a server wants to be told in a way of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    pub(super) token_limit: TokenLimit,
    pub(super) vendor: Vendor,
}

/// Writes the body.
pub(super) fn write(
    request: &ModelRequest,
    manners: Manners,
    texts: &ToolTexts,
    to: &mut dyn Write,
) -> Result<(), Unwritable> {
    let ModelRequest { model, tools, tool_choice, sampling, .. } = request;
    let tool_text = texts.of(tools)?;
    let outgoing = Outgoing {
        tools: tool_text.as_deref(),
        tool_choice: if tools.is_empty() { None } else { outgoing_choice(tool_choice) },
        parallel_tool_calls: sampling.parallel_tool_calls.filter(|_| !tools.is_empty()),
        ..plain(request, model, manners)?
    };
    write_json(&outgoing, to)
}

/// Writes a question without tools, for a server that has its own.
pub(crate) fn write_plain(model: &str, request: &ModelRequest, to: &mut dyn Write) -> Result<(), Unwritable> {
    let manners = Manners { token_limit: TokenLimit::Classic, vendor: Vendor::Other };
    write_json(&plain(request, model, manners)?, to)
}

/// Everything but tools.
fn plain<'a>(request: &'a ModelRequest, model: &'a str, manners: Manners) -> Result<Outgoing<'a>, Unwritable> {
    let Manners { token_limit, vendor } = manners;
    let ModelRequest { model: _, messages, tools: _, tool_choice: _, sampling, thinking, conversation: _, stream } =
        request;
    let Sampling {
        temperature,
        top_p,
        max_tokens,
        stop,
        seed,
        presence_penalty,
        frequency_penalty,
        response_format,
        parallel_tool_calls: _,
        verbosity,
        reasoning_summary: _,
    } = sampling;
    let owed = owed(vendor, model);
    Ok(Outgoing {
        model,
        messages: messages.iter().map(|message| outgoing_message(message, vendor, owed)).collect::<Result<_, _>>()?,
        stream: *stream,
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
        tools: None,
        tool_choice: None,
        parallel_tool_calls: None,
        verbosity: verbosity.as_deref(),
        temperature: *temperature,
        top_p: *top_p,
        max_tokens: max_tokens.filter(|_| token_limit == TokenLimit::Classic),
        max_completion_tokens: max_tokens.filter(|_| token_limit == TokenLimit::Completion),
        reasoning_effort: thinking.and_then(|level| effort(model, level)),
        thinking: thinking.and_then(|level| switch(model, level)).map(OutgoingSwitch::of),
        stop,
        seed: *seed,
        presence_penalty: *presence_penalty,
        frequency_penalty: *frequency_penalty,
        response_format: response_format
            .as_ref()
            .map(|format| raw(format, || "response_format".to_owned()))
            .transpose()?,
    })
}

/// How many tool calls the conversation holds already: new ones are numbered from here when the
/// server gives them no id.
pub(super) fn tool_calls_so_far(messages: &[Message]) -> usize {
    let calls = messages.iter().map(|message| match message {
        Message::Assistant { tool_calls, .. } => tool_calls.len(),
        Message::System { .. } | Message::User { .. } | Message::Tool { .. } => 0,
    });
    calls.sum()
}

fn raw(text: &JsonText, place: impl FnOnce() -> String) -> Result<&RawValue, Unwritable> {
    serde_json::from_str(text.as_str()).map_err(|_| Unwritable::NotJson(place()))
}

/// What a server demands with each call, and what it takes where that was never there or is lost: another model made
/// the call, or a caller has not kept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// A signature on the first call; Google names a word that stands for it.
    Signature,
    /// The reasoning that led there, and to all that was said; none is a text, too.
    Reasoning,
    Nothing,
}

fn owed(vendor: Vendor, model: &str) -> Owed {
    match vendor {
        // Those before the third generation sign nothing.
        Vendor::Google if !["gemini-1", "gemini-2"].iter().any(|old| model.contains(old)) => Owed::Signature,
        Vendor::DeepSeek | Vendor::OpenRouter if model.contains("deepseek") && !model.ends_with("deepseek-chat") => {
            Owed::Reasoning
        }
        Vendor::Google | Vendor::DeepSeek | Vendor::OpenRouter | Vendor::Other => Owed::Nothing,
    }
}

/// Google's word for a call whose signature is not there.
const NO_SIGNATURE: &str = r#"{"google":{"thought_signature":"skip_thought_signature_validator"}}"#;

fn outgoing_message(message: &Message, vendor: Vendor, owed: Owed) -> Result<OutgoingMessage<'_>, Unwritable> {
    Ok(match message {
        Message::System { text } => OutgoingMessage::System { content: text },
        Message::User { content } => OutgoingMessage::User { content: outgoing_content(content)? },
        Message::Assistant { text, tool_calls, thoughts } => {
            let kept = thoughts.as_deref().map(|thoughts| kept(thoughts, vendor)).unwrap_or_default();
            let Kept { reasoning_content, reasoning_details, mut calls, .. } = kept;
            let is_owed = owed == Owed::Reasoning;
            let mut unsigned = owed == Owed::Signature && calls.is_empty();
            OutgoingMessage::Assistant {
                // Null beside tool calls is what the protocol's own answers hold; a message that has
                // neither must still be a text.
                content: (!text.is_empty() || tool_calls.is_empty()).then_some(text.as_str()),
                reasoning_content: Some(reasoning_content).filter(|reasoning| is_owed || !reasoning.is_empty()),
                reasoning_details,
                tool_calls: tool_calls
                    .iter()
                    .map(|call| {
                        let extra = calls.remove(&call.id).or_else(|| no_signature(std::mem::take(&mut unsigned)));
                        outgoing_call(call, extra)
                    })
                    .collect(),
            }
        }
        Message::Tool { call_id, text, is_error: _ } => OutgoingMessage::Tool { tool_call_id: call_id, content: text },
    })
}

/// What was kept. Of what a client has kept without saying whose it is, a server gets what it is known to take.
fn kept(thoughts: &Thoughts, vendor: Vendor) -> Kept {
    let kept = Kept::read(&thoughts.payload).unwrap_or_default();
    match vendor {
        _ if !thoughts.by.is_empty() => kept,
        Vendor::Google => Kept { calls: kept.calls, ..Kept::default() },
        Vendor::DeepSeek => Kept { reasoning_content: kept.reasoning_content, ..Kept::default() },
        Vendor::OpenRouter => Kept { reasoning_details: kept.reasoning_details, ..Kept::default() },
        Vendor::Other => Kept::default(),
    }
}

fn no_signature(is_wanted: bool) -> Option<Box<RawValue>> {
    RawValue::from_string(NO_SIGNATURE.to_owned()).ok().filter(|_| is_wanted)
}

/// A plain text where that says it all: many small servers know nothing else.
fn outgoing_content(content: &[Part]) -> Result<Content<'_>, Unwritable> {
    Ok(match content {
        [] => Content::Text(""),
        [Part::Text { text }] => Content::Text(text),
        parts => Content::Parts(parts.iter().map(outgoing_part).collect::<Result<_, _>>()?),
    })
}

fn outgoing_part(part: &Part) -> Result<OutgoingPart<'_>, Unwritable> {
    Ok(match part {
        Part::Text { text } => OutgoingPart::Text { text },
        Part::Image { url, detail } => {
            OutgoingPart::ImageUrl { image_url: ImageUrl { url, detail: detail.map(looked) } }
        }
        Part::File { url, name } if url.starts_with("data:") => {
            OutgoingPart::File { file: FileData { file_data: url, filename: name.as_deref().unwrap_or("file") } }
        }
        Part::File { .. } => return Err(Unwritable::NoWord("the address of a file")),
    })
}

/// How closely to look, as far as this protocol has words for it.
const fn looked(detail: Detail) -> &'static str {
    match detail {
        Detail::Original => Detail::High.as_str(),
        Detail::Auto | Detail::Low | Detail::High => detail.as_str(),
    }
}

fn outgoing_call(call: &ToolCall, extra_content: Option<Box<RawValue>>) -> OutgoingCall<'_> {
    let ToolCall { id, name, arguments } = call;
    let function = CalledFunction { name, arguments: arguments.as_str() };
    OutgoingCall { id, kind: "function", function, extra_content }
}

/// The tools of the last question as they are sent: an agent's are the same with each question.
#[derive(Debug, Default)]
pub(super) struct ToolTexts(Mutex<Option<ToolText>>);

type ToolText = (Arc<[ToolSpec]>, Arc<RawValue>);

impl ToolTexts {
    /// Nothing where there are no tools.
    fn of(&self, tools: &Arc<[ToolSpec]>) -> Result<Option<Arc<RawValue>>, Unwritable> {
        if tools.is_empty() {
            return Ok(None);
        }
        let last = self.last().as_ref().filter(|(same, _)| Arc::ptr_eq(same, tools)).map(|(_, text)| Arc::clone(text));
        if last.is_some() {
            return Ok(last);
        }
        let outgoing: Vec<OutgoingTool<'_>> = tools.iter().map(outgoing_tool).collect::<Result<_, _>>()?;
        let text: Arc<RawValue> =
            to_raw_value(&outgoing).expect("texts, numbers and JSON can always be written as JSON").into();
        *self.last() = Some((Arc::clone(tools), Arc::clone(&text)));
        Ok(Some(text))
    }

    fn last(&self) -> MutexGuard<'_, Option<ToolText>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn outgoing_tool(tool: &ToolSpec) -> Result<OutgoingTool<'_>, Unwritable> {
    let ToolSpec { name, description, parameters, strict } = tool;
    let parameters = raw(parameters, || format!("the schema of tool {name:?}"))?;
    Ok(OutgoingTool { kind: "function", function: Function { name, description, parameters, strict: *strict } })
}

fn outgoing_choice(choice: &ToolChoice) -> Option<OutgoingChoice<'_>> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(OutgoingChoice::Word("none")),
        ToolChoice::Required => Some(OutgoingChoice::Word("required")),
        ToolChoice::Named(name) => Some(OutgoingChoice::Named { kind: "function", function: FunctionName { name } }),
    }
}

#[derive(Serialize)]
struct Outgoing<'a> {
    model: &'a str,
    messages: Vec<OutgoingMessage<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutgoingChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    /// Z.ai's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<OutgoingSwitch>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct OutgoingSwitch {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl OutgoingSwitch {
    const fn of(is_on: bool) -> Self {
        Self { kind: if is_on { "enabled" } else { "disabled" } }
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum OutgoingMessage<'a> {
    System {
        content: &'a str,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        reasoning_details: Vec<Value>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<OutgoingCall<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<OutgoingPart<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OutgoingPart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
    File { file: FileData<'a> },
}

#[derive(Serialize)]
struct FileData<'a> {
    filename: &'a str,
    file_data: &'a str,
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

#[derive(Serialize)]
struct OutgoingCall<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct OutgoingTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutgoingChoice<'a> {
    Word(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: FunctionName<'a>,
    },
}

#[derive(Serialize)]
struct FunctionName<'a> {
    name: &'a str,
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;

//! `ModelRequest` → the body of a question for a response.
//!
//! What the protocol has no word for – stop texts, a seed, penalties – is left out.

use std::io::Write;

use claw_core::message::{Detail, JsonText, Message, Part, Thoughts, ToolCall};
use claw_core::provider::{ModelRequest, Sampling, ToolChoice, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::thoughts;
use crate::effort::{effort, reasons};
use crate::source::{Unwritable, parted, write_json};

/// Asks for reasoning in a form that can be given back, since nothing is kept there.
const SEALED: &str = "reasoning.encrypted_content";

/// Writes the body.
pub(super) fn write(request: &ModelRequest, to: &mut dyn Write) -> Result<(), Unwritable> {
    let ModelRequest { model, messages, tools, tool_choice, sampling, thinking, conversation: _, stream } = request;
    let Sampling {
        temperature,
        top_p,
        max_tokens,
        stop: _,
        seed: _,
        presence_penalty: _,
        frequency_penalty: _,
        response_format,
        parallel_tool_calls,
        verbosity,
        reasoning_summary,
    } = sampling;
    let effort = thinking.and_then(|level| effort(model, level));
    let (messages, alone) = parted(messages);
    // Models that do not reason refuse to be asked for it.
    let has_reasoning = effort.is_some() || reasons(model);
    let summary = reasoning_summary.as_deref();
    let outgoing = Outgoing {
        model,
        instructions: instructions(messages),
        input: match alone {
            Some(text) => {
                vec![Item::Known(Known::Message { role: "user", content: vec![Content::InputText { text }] })]
            }
            None => messages.iter().flat_map(items).collect(),
        },
        stream: *stream,
        store: false,
        tools: tools.iter().map(outgoing_tool).collect::<Result<_, _>>()?,
        tool_choice: if tools.is_empty() { None } else { outgoing_choice(tool_choice) },
        parallel_tool_calls: parallel_tool_calls.filter(|_| !tools.is_empty()),
        temperature: *temperature,
        top_p: *top_p,
        max_output_tokens: *max_tokens,
        include: if has_reasoning { &[SEALED] } else { &[] },
        reasoning: (has_reasoning && (effort.is_some() || summary.is_some())).then_some(Reasoning { effort, summary }),
        text: (response_format.is_some() || verbosity.is_some())
            .then(|| {
                let format = response_format.as_ref().map(format).transpose()?;
                Ok::<_, Unwritable>(Text { format, verbosity: verbosity.as_deref() })
            })
            .transpose()?,
    };
    write_json(&outgoing, to)
}

fn instructions(messages: &[Message]) -> Option<String> {
    let texts: Vec<&str> = messages
        .iter()
        .filter_map(|message| match message {
            Message::System { text } => Some(text.as_str()),
            Message::User { .. } | Message::Assistant { .. } | Message::Tool { .. } => None,
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn items(message: &Message) -> Vec<Item<'_>> {
    match message {
        Message::System { .. } => Vec::new(),
        Message::User { content } => {
            let content = content.iter().map(outgoing_part).collect();
            vec![Item::Known(Known::Message { role: "user", content })]
        }
        Message::Assistant { text, tool_calls, thoughts } => thought_and_said(thoughts.as_deref(), text, tool_calls),
        Message::Tool { call_id, text, is_error: _ } => {
            vec![Item::Known(Known::FunctionCallOutput { call_id, output: text })]
        }
    }
}

/// What was said, behind the reasoning that led to it; each item where it stood.
fn thought_and_said<'a>(thoughts: Option<&'a Thoughts>, text: &'a str, calls: &'a [ToolCall]) -> Vec<Item<'a>> {
    let mut spoken = Some(text).filter(|text| !text.is_empty()).map(spoken);
    let mut left: Vec<&ToolCall> = calls.iter().collect();
    let mut items = Vec::new();
    for item in thoughts.and_then(|thoughts| thoughts::read(&thoughts.payload)).unwrap_or_default() {
        match item {
            thoughts::Item::Reasoning(raw) => items.push(Item::Raw(raw)),
            thoughts::Item::Message => items.extend(spoken.take()),
            thoughts::Item::Call(id) => {
                if let Some(place) = left.iter().position(|call| call.id == id) {
                    items.push(called(left.remove(place)));
                }
            }
        }
    }
    items.extend(spoken);
    items.extend(left.into_iter().map(called));
    items
}

fn spoken(text: &str) -> Item<'_> {
    Item::Known(Known::Message { role: "assistant", content: vec![Content::OutputText { text }] })
}

fn called(ToolCall { id, name, arguments }: &ToolCall) -> Item<'_> {
    Item::Known(Known::FunctionCall { call_id: id, name, arguments: arguments.as_str() })
}

fn outgoing_part(part: &Part) -> Content<'_> {
    match part {
        Part::Text { text } => Content::InputText { text },
        Part::Image { url, detail } => Content::InputImage { image_url: url, detail: detail.map(Detail::as_str) },
        Part::File { url, name } if url.starts_with("data:") => Content::InputFile {
            filename: Some(name.as_deref().unwrap_or("file")),
            file_data: Some(url),
            file_url: None,
        },
        // A file by its address has no name beside it.
        Part::File { url, name: _ } => Content::InputFile { filename: None, file_data: None, file_url: Some(url) },
    }
}

fn outgoing_tool(tool: &ToolSpec) -> Result<OutgoingTool<'_>, Unwritable> {
    let ToolSpec { name, description, parameters, strict } = tool;
    let parameters = serde_json::from_str(parameters.as_str())
        .map_err(|_| Unwritable::NotJson(format!("the schema of tool {name:?}")))?;
    Ok(OutgoingTool { kind: "function", name, description, parameters, strict: strict.unwrap_or(false) })
}

fn outgoing_choice(choice: &ToolChoice) -> Option<OutgoingChoice<'_>> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(OutgoingChoice::Word("none")),
        ToolChoice::Required => Some(OutgoingChoice::Word("required")),
        ToolChoice::Named(name) => Some(OutgoingChoice::Named { kind: "function", name }),
    }
}

/// The wanted format, whose schema lies one level higher here than in a chat completion.
fn format(format: &JsonText) -> Result<Format, Unwritable> {
    let wanted: WantedFormat =
        serde_json::from_str(format.as_str()).map_err(|_| Unwritable::NotJson("response_format".to_owned()))?;
    let WantedFormat { kind, json_schema } = wanted;
    let WantedSchema { name, description, schema, strict } = json_schema.unwrap_or_default();
    Ok(Format { kind, name, description, schema, strict })
}

#[derive(Deserialize)]
struct WantedFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<WantedSchema>,
}

#[derive(Default, Deserialize)]
struct WantedSchema {
    name: Option<String>,
    description: Option<String>,
    schema: Option<Box<RawValue>>,
    strict: Option<bool>,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    input: Vec<Item<'a>>,
    stream: bool,
    store: bool,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    include: &'static [&'static str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutgoingTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutgoingChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Known(Known<'a>),
    Raw(Box<RawValue>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Known<'a> {
    Message { role: &'static str, content: Vec<Content<'a>> },
    FunctionCall { call_id: &'a str, name: &'a str, arguments: &'a str },
    FunctionCallOutput { call_id: &'a str, output: &'a str },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content<'a> {
    InputText {
        text: &'a str,
    },
    InputImage {
        image_url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'static str>,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
    },
    OutputText {
        text: &'a str,
    },
}

#[derive(Serialize)]
struct OutgoingTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a RawValue,
    /// Said always: without it this protocol means true, and most schemas are made for people.
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutgoingChoice<'a> {
    Word(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        name: &'a str,
    },
}

#[derive(Serialize)]
struct Reasoning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
}

#[derive(Serialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;

//! The input of a response: a text, or items; and the same items shown again.

use std::fmt;

use claw_core::message::{JsonText, Message, Part, ToolCall};
use claw_core::{Text, Unpaired, unpaired};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::compaction::unseal;
use crate::BadRequest;
use crate::openai::chat::Content;

/// The field `input`.
#[derive(Debug)]
pub enum Input {
    /// A user's text.
    Text(Text),
    /// Messages, calls and their outputs.
    Items(Vec<Item>),
}

/// One item of the input, of any type.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Item {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub id: Option<String>,
    pub status: Option<String>,
    pub role: Option<String>,
    pub content: Option<Content>,
    pub call_id: Option<String>,
    pub name: Option<String>,
    pub arguments: Option<Text>,
    pub output: Option<Content>,
    pub encrypted_content: Option<String>,
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Input;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of items")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Input, E> {
                Ok(Input::Text(text.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Input, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Input::Items(all))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Input {
    /// Its messages; calls join the assistant's message before them.
    ///
    /// # Errors
    /// Nothing to answer, or an item that is wrong or of an unknown type.
    pub fn into_messages(self) -> Result<Vec<Message>, BadRequest> {
        let items = match self {
            Self::Text(text) if text.trim().is_empty() => {
                return Err(BadRequest::of("input", "input must not be empty"));
            }
            Self::Text(text) => return Ok(vec![Message::user(text)]),
            Self::Items(items) => items,
        };
        let mut messages = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            add(index, item, &mut messages)?;
        }
        if messages.iter().any(|message| matches!(message, Message::User { .. } | Message::Tool { .. })) {
            return Ok(messages);
        }
        Err(BadRequest::of("input", "input must hold a user's message or the output of a function call"))
    }
}

fn add(index: usize, item: Item, messages: &mut Vec<Message>) -> Result<(), BadRequest> {
    let Item { kind, id: _, status: _, role, content, call_id, name, arguments, output, encrypted_content } = item;
    let at = |field: &str| format!("input[{index}].{field}");
    let required = |field: &str, value: Option<String>| {
        let present = value.filter(|value| !value.is_empty());
        present.ok_or_else(|| BadRequest::of(at(field), format!("missing field `{field}`")))
    };
    match kind.as_deref() {
        None | Some("message") => {
            let content = content.ok_or_else(|| BadRequest::of(at("content"), "missing field `content`"))?;
            messages.push(said(index, &required("role", role)?, content)?);
        }
        Some("function_call") => {
            let (id, name) = (required("call_id", call_id)?, required("name", name)?);
            let arguments = arguments.ok_or_else(|| BadRequest::of(at("arguments"), "missing field `arguments`"))?;
            let call = ToolCall { id, name, arguments: JsonText::new(arguments) };
            match messages.last_mut() {
                Some(Message::Assistant { tool_calls, .. }) => tool_calls.push(call),
                _ => messages.push(Message::assistant("", vec![call])),
            }
        }
        Some("function_call_output") => {
            let call_id = required("call_id", call_id)?;
            let output = output.ok_or_else(|| BadRequest::of(at("output"), "missing field `output`"))?;
            messages.push(Message::Tool { call_id, text: output.into_text(&at("output"))?, is_error: false });
        }
        Some("compaction") => {
            let content = required("encrypted_content", encrypted_content)?;
            let refuse = || BadRequest::of(at("encrypted_content"), "this is no compaction that this gateway has made");
            messages.extend(unseal(&content).ok_or_else(refuse)?);
        }
        Some("item_reference") => {
            let message = "items are not kept one by one: send the item itself, or previous_response_id";
            return Err(BadRequest::of(at("type"), message));
        }
        // What a model thought for itself is not shown to another one.
        Some("reasoning") => {}
        Some(found) => {
            let message = format!(
                "an item is of type message, function_call, function_call_output, reasoning or compaction; found {found:?}"
            );
            return Err(BadRequest::of(at("type"), message));
        }
    }
    Ok(())
}

fn said(index: usize, role: &str, content: Content) -> Result<Message, BadRequest> {
    let at = |field: &str| format!("input[{index}].{field}");
    match role {
        "system" | "developer" => Ok(Message::System { text: content.into_text(&at("content"))? }),
        "user" => Ok(Message::User { content: content.into_parts(&at("content"))? }),
        "assistant" => Ok(Message::assistant(content.into_text(&at("content"))?, Vec::new())),
        found => {
            let message = format!("role must be user, assistant, system or developer, found {found:?}");
            Err(BadRequest::of(at("role"), message))
        }
    }
}

/// Checks that every call has its output and every output its call, as models demand.
///
/// # Errors
/// The call that is missing one of the two; blames `input`.
pub fn check_calls<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Result<(), BadRequest> {
    match unpaired(messages, false) {
        None => Ok(()),
        Some(Unpaired::Answer { call, .. }) => Err(unasked(call)),
        Some(Unpaired::Call { call, .. }) => {
            Err(BadRequest::of("input", format!("there is no output for the function call {call:?}")))
        }
    }
}

/// The complaint about an output of a call that nobody has made.
pub fn unasked(call: &str) -> BadRequest {
    BadRequest::of("input", format!("there is no function call {call:?} for this output"))
}

/// An item as answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ShownItem<'a> {
    Message { id: String, status: &'static str, role: &'static str, content: Vec<ShownPart<'a>> },
    FunctionCall { id: String, status: &'static str, call_id: &'a str, name: &'a str, arguments: &'a str },
    FunctionCallOutput { id: String, status: &'static str, call_id: &'a str, output: &'a str },
    Compaction { id: String, encrypted_content: String },
}

/// A part of a message as answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ShownPart<'a> {
    InputText {
        text: &'a str,
    },
    InputImage {
        image_url: &'a str,
        detail: &'static str,
        file_id: Option<&'a str>,
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
        annotations: [(); 0],
        logprobs: [(); 0],
    },
}

impl<'a> ShownPart<'a> {
    /// What the model said.
    pub const fn output(text: &'a str) -> Self {
        Self::OutputText { text, annotations: [], logprobs: [] }
    }
}

impl<'a> ShownItem<'a> {
    /// What the model said; nothing yet without a text.
    pub fn assistant(id: String, status: &'static str, text: Option<&'a str>) -> Self {
        let content = text.map(ShownPart::output).into_iter().collect();
        Self::Message { id, status, role: "assistant", content }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Message { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::FunctionCallOutput { id, .. }
            | Self::Compaction { id, .. } => id,
        }
    }
}

/// A conversation as items; `name` is what their ids are made of.
pub fn shown<'a>(name: &str, messages: &'a [Message]) -> Vec<ShownItem<'a>> {
    let mut items = Vec::new();
    for message in messages {
        let place = items.len();
        let id = |prefix: &str| format!("{prefix}_{name}_{place}");
        let status = "completed";
        match message {
            Message::System { text } => {
                let content = vec![ShownPart::InputText { text }];
                items.push(ShownItem::Message { id: id("msg"), status, role: "system", content });
            }
            Message::User { content } => {
                let content = content.iter().map(shown_part).collect();
                items.push(ShownItem::Message { id: id("msg"), status, role: "user", content });
            }
            Message::Assistant { text, tool_calls, thoughts: _ } => {
                if !text.is_empty() || tool_calls.is_empty() {
                    let content = vec![ShownPart::output(text)];
                    items.push(ShownItem::Message { id: id("msg"), status, role: "assistant", content });
                }
                for ToolCall { id: call_id, name: function, arguments } in tool_calls {
                    let id = format!("fc_{name}_{}", items.len());
                    let arguments = arguments.as_str();
                    items.push(ShownItem::FunctionCall { id, status, call_id, name: function, arguments });
                }
            }
            Message::Tool { call_id, text, is_error: _ } => {
                items.push(ShownItem::FunctionCallOutput { id: id("fco"), status, call_id, output: text });
            }
        }
    }
    items
}

fn shown_part(part: &Part) -> ShownPart<'_> {
    match part {
        Part::Text { text } => ShownPart::InputText { text },
        Part::Image { url } => ShownPart::InputImage { image_url: url, detail: "auto", file_id: None },
        Part::File { url, name } => {
            let is_data = url.starts_with("data:");
            let (file_data, file_url) = (is_data.then_some(url.as_str()), (!is_data).then_some(url.as_str()));
            ShownPart::InputFile { filename: name.as_deref(), file_data, file_url }
        }
    }
}

/// A page of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ItemPage<'a> {
    pub object: &'static str,
    pub data: &'a [ShownItem<'a>],
    pub first_id: Option<&'a str>,
    pub last_id: Option<&'a str>,
    pub has_more: bool,
}

impl<'a> ItemPage<'a> {
    /// The page with these items.
    pub fn new(data: &'a [ShownItem<'a>], has_more: bool) -> Self {
        let (first_id, last_id) = (data.first().map(ShownItem::id), data.last().map(ShownItem::id));
        Self { object: "list", data, first_id, last_id, has_more }
    }
}

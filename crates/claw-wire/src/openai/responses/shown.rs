//! What was said as items: shown in answers and lists, and found again by their ids.
//!
//! An item has no row of its own. Its id says whose it is and its place there: `msg_<run>` and `fc_<run>_2` in what a
//! run answered, `msg_<run>i_2` in what it was asked.

use claw_core::message::{Detail, Message, Part, ToolCall};
use claw_core::task::TaskState;
use claw_core::turn::Context;
use claw_core::{Task, TaskId, Text};
use serde::Serialize;

use super::object::{call_id, has_message, message_id};

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

/// What an item is made of.
enum Piece<'a> {
    Whole(&'a Message),
    /// What an assistant said, without its calls.
    Said(&'a Text),
    Call(&'a ToolCall),
}

impl Piece<'_> {
    fn to_message(&self) -> Message {
        match self {
            Self::Whole(message) => (*message).clone(),
            Self::Said(text) => Message::assistant((*text).clone(), Vec::new()),
            Self::Call(call) => Message::assistant("", vec![(*call).clone()]),
        }
    }
}

fn pieces(messages: &[Message]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Message::Assistant { text, tool_calls, thoughts: _ } => {
                if !text.is_empty() || tool_calls.is_empty() {
                    pieces.push(Piece::Said(text));
                }
                pieces.extend(tool_calls.iter().map(Piece::Call));
            }
            Message::System { .. } | Message::User { .. } | Message::Tool { .. } => pieces.push(Piece::Whole(message)),
        }
    }
    pieces
}

/// What a run was asked.
pub fn asked_of(task: &Task) -> Vec<Message> {
    let given = match &task.turn.context {
        Context::Session => &[][..],
        Context::Given(given) => given,
    };
    given.iter().chain(&task.turn.input).cloned().collect()
}

/// What the run `task` was asked, as items.
pub fn shown(task: TaskId, asked: &[Message]) -> Vec<ShownItem<'_>> {
    let run = task.uuid();
    let name = run.as_simple();
    let items = pieces(asked).into_iter().enumerate();
    items.map(|(place, piece)| item(|prefix| format!("{prefix}_{name}i_{place}"), piece)).collect()
}

fn item<'a>(id: impl Fn(&str) -> String, piece: Piece<'a>) -> ShownItem<'a> {
    let status = "completed";
    let said = |role, content| ShownItem::Message { id: id("msg"), status, role, content };
    match piece {
        Piece::Said(text) => said("assistant", vec![ShownPart::output(text)]),
        Piece::Call(ToolCall { id: call_id, name, arguments }) => {
            ShownItem::FunctionCall { id: id("fc"), status, call_id, name, arguments: arguments.as_str() }
        }
        Piece::Whole(Message::System { text }) => said("system", vec![ShownPart::InputText { text }]),
        Piece::Whole(Message::User { content }) => said("user", content.iter().map(shown_part).collect()),
        Piece::Whole(Message::Assistant { text, .. }) => said("assistant", vec![ShownPart::output(text)]),
        Piece::Whole(Message::Tool { call_id, text, is_error: _ }) => {
            ShownItem::FunctionCallOutput { id: id("fco"), status, call_id, output: text }
        }
    }
}

/// Whose item this is, by its id.
pub fn run_of_item(id: &str) -> Option<TaskId> {
    let (_, name) = id.split_once('_')?;
    let run = name.split('_').next()?;
    format!("task_{}", run.strip_suffix('i').unwrap_or(run)).parse().ok()
}

/// The item of that id, as it was said, if it is one of this run.
pub fn item_of(task: &Task, id: &str) -> Option<Message> {
    let asked = asked_of(task);
    let place = shown(task.id, &asked).iter().position(|item| item.id() == id);
    if let Some(place) = place {
        return pieces(&asked).get(place).map(Piece::to_message);
    }
    let TaskState::Completed { output, at: _ } = &task.state else { return None };
    let said = output.asides.iter().map(|aside| Text::from(aside.as_str()));
    let said = said.chain(has_message(output).then(|| output.text.clone())).enumerate();
    let calls = output.tool_calls.iter().enumerate();
    let mut said = said.filter(|(index, _)| message_id(task.id, *index) == id);
    let mut calls = calls.filter(|(index, _)| call_id(task.id, *index) == id);
    let message = said.next().map(|(_, text)| Message::assistant(text, Vec::new()));
    message.or_else(|| calls.next().map(|(_, call)| Piece::Call(call).to_message()))
}

fn shown_part(part: &Part) -> ShownPart<'_> {
    match part {
        Part::Text { text } => ShownPart::InputText { text },
        Part::Image { url, detail } => {
            let detail = detail.unwrap_or(Detail::Auto).as_str();
            ShownPart::InputImage { image_url: url, detail, file_id: None }
        }
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

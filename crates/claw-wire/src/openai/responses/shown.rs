//! What was said as items: shown in answers and lists, and found again by their ids.
//!
//! An item has no row of its own. Its id says whose it is and its place there: `msg_<run>` and `fc_<run>_2` in what a
//! run answered, `msg_<run>i_2` in what it was asked.

use claw_core::message::{Detail, Message, Part, ToolCall};
use claw_core::task::TaskState;
use claw_core::turn::Context;
use claw_core::{Task, TaskId, Text, Thoughts};
use serde::Serialize;

use super::object;

/// An item as answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ShownItem<'a> {
    Message {
        id: String,
        status: &'static str,
        role: &'static str,
        content: Vec<ShownPart<'a>>,
    },
    Reasoning {
        id: String,
        summary: Vec<ShownPart<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    FunctionCall {
        id: String,
        status: &'static str,
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    FunctionCallOutput {
        id: String,
        status: &'static str,
        call_id: &'a str,
        output: &'a str,
    },
    Compaction {
        id: String,
        encrypted_content: String,
    },
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
    Refusal {
        refusal: &'a str,
    },
    SummaryText {
        text: &'a str,
    },
}

impl<'a> ShownPart<'a> {
    /// What the model said.
    pub const fn output(text: &'a str) -> Self {
        Self::OutputText { text, annotations: [], logprobs: [] }
    }
}

/// What a message of the model's consists of: a text, unless it only refuses.
pub(super) fn parts<'a>(said: &'a str, refusal: Option<&'a str>) -> Vec<ShownPart<'a>> {
    let said = Some(said).filter(|said| refusal.is_none() || !said.is_empty());
    let refusal = refusal.map(|refusal| ShownPart::Refusal { refusal });
    said.map(ShownPart::output).into_iter().chain(refusal).collect()
}

impl ShownItem<'_> {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Message { id, .. }
            | Self::Reasoning { id, .. }
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
    Thought(&'a Thoughts),
    Call(&'a ToolCall),
}

impl Piece<'_> {
    fn to_message(&self) -> Message {
        match self {
            Self::Whole(message) => (*message).clone(),
            Self::Said(text) => Message::assistant((*text).clone(), Vec::new()),
            Self::Thought(thoughts) => {
                let thoughts = Some(Box::new((*thoughts).clone()));
                Message::Assistant { text: Text::default(), tool_calls: Vec::new(), thoughts }
            }
            Self::Call(call) => Message::assistant("", vec![(*call).clone()]),
        }
    }
}

fn pieces(messages: &[Message]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Message::Assistant { text, tool_calls, thoughts } => {
                pieces.extend(thoughts.as_deref().map(Piece::Thought));
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
        // It is shown to the model that wrote it, and here is its place.
        Piece::Thought(_) => ShownItem::Reasoning { id: id("rs"), summary: Vec::new(), encrypted_content: None },
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
    object::pieces(output).into_iter().find(|piece| piece.id(task.id) == id).map(|piece| piece.to_message())
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

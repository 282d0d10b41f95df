//! The input of a response: a text, or items.
//!
//! An item may be named instead of sent: whoever can look it up puts it in its place before the input is read.

use std::fmt;

use claw_core::message::{JsonText, Message, Part, ToolCall};
use claw_core::{Text, Thoughts, Unpaired, unpaired};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::compaction::unseal;
use super::sealed;
use crate::BadRequest;
use crate::openai::chat::Content;

/// The type of an item that names another one.
const REFERENCE: &str = "item_reference";

/// The type of an item of reasoning.
const REASONING: &str = "reasoning";

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
    /// What an id stands for, once it was looked up.
    #[serde(skip)]
    pub found: Option<Message>,
}

impl Item {
    /// The id of another item, where this one only names it.
    fn reference(&self) -> Option<&str> {
        let is_bare = self.kind.is_none() && self.role.is_none() && self.content.is_none();
        self.id.as_deref().filter(|_| is_bare || self.kind.as_deref() == Some(REFERENCE))
    }

    /// The id of reasoning that came without what its provider wants back.
    fn thought(&self) -> Option<&str> {
        let is_bare = self.kind.as_deref() == Some(REASONING) && self.encrypted_content.is_none();
        self.id.as_deref().filter(|id| is_bare && id.starts_with("rs_"))
    }
}

/// The name of an item.
#[derive(Debug)]
pub struct Reference {
    /// Where it stands.
    pub place: usize,
    /// The id.
    pub id: String,
    /// Whether nothing can stand for it. Reasoning may be another gateway's, and is of use but no need.
    pub is_needed: bool,
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
    /// Items that only name another one.
    pub fn references(&self) -> Vec<Reference> {
        let Self::Items(items) = self else { return Vec::new() };
        let named = |(place, item): (usize, &Item)| {
            let needed = item.reference().map(|id| (id, true));
            let (id, is_needed) = needed.or_else(|| Some((item.thought()?, false)))?;
            Some(Reference { place, id: id.to_owned(), is_needed })
        };
        items.iter().enumerate().filter_map(named).collect()
    }

    /// Puts what was looked up in the place of its name.
    pub fn put(&mut self, place: usize, found: Message) {
        if let Self::Items(items) = self
            && let Some(item) = items.get_mut(place)
        {
            item.found = Some(found);
        }
    }

    /// Its messages; calls join the assistant's message before them.
    ///
    /// # Errors
    /// Nothing to answer, or an item that is wrong or of an unknown type.
    pub fn read(self) -> Result<Given, BadRequest> {
        let items = match self {
            Self::Text(text) if text.trim().is_empty() => {
                return Err(BadRequest::of("input", "input must not be empty"));
            }
            Self::Text(text) => return Ok(Given { messages: vec![Message::user(text)], ..Given::default() }),
            Self::Items(items) => items,
        };
        let mut given = Given::default();
        for (index, item) in items.into_iter().enumerate() {
            if let Some(call) = item.call_id.as_ref().filter(|_| item.kind.as_deref() == Some("function_call")) {
                given.calls.push((call.clone(), index));
            }
            let begin = given.messages.len();
            add(index, item, &mut given)?;
            if given.messages.len() > begin {
                given.show(begin);
            }
            given.places.resize(given.messages.len(), index);
        }
        given.show(given.messages.len());
        given.places.resize(given.messages.len(), given.places.last().copied().unwrap_or_default());
        let is_new = |message: &Message| matches!(message, Message::User { .. } | Message::Tool { .. });
        if given.messages.iter().any(is_new) {
            return Ok(given);
        }
        Err(BadRequest::of("input", "input must hold a user's message or the output of a function call"))
    }
}

/// Adds an item; reasoning stays with what the model said or called next.
fn add(index: usize, item: Item, given: &mut Given) -> Result<(), BadRequest> {
    let is_reasoning = item.kind.as_deref() == Some(REASONING);
    let before = given.thoughts.take();
    place(index, item, given)?;
    if let (Some(before), false, Some(Message::Assistant { thoughts, .. })) =
        (before, is_reasoning, given.messages.last_mut())
    {
        *thoughts = Some(before);
    }
    Ok(())
}

fn place(index: usize, item: Item, given: &mut Given) -> Result<(), BadRequest> {
    let messages = &mut given.messages;
    let reference = item.reference().map(str::to_owned);
    let Item { kind, id: _, status: _, role, content, call_id, name, arguments, .. } = item;
    let Item { output, encrypted_content, found, .. } = item;
    let at = |field: &str| format!("input[{index}].{field}");
    let required = |field: &str, value: Option<String>| {
        let present = value.filter(|value| !value.is_empty());
        present.ok_or_else(|| BadRequest::of(at(field), format!("missing field `{field}`")))
    };
    if let Some(id) = reference {
        let found =
            found.ok_or_else(|| BadRequest::of(at("id"), format!("the item {id:?} cannot be looked up here")))?;
        again(found, given);
        return Ok(());
    }
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
            let (text, beside) = told(output.into_parts(&at("output"))?, &call_id);
            given.beside.extend(beside);
            messages.push(Message::Tool { call_id, text, is_error: false });
        }
        Some("compaction") => {
            let content = required("encrypted_content", encrypted_content)?;
            let refuse = || BadRequest::of(at("encrypted_content"), "this is no compaction that this gateway has made");
            let (held, strangers) = unseal(&content).ok_or_else(refuse)?;
            messages.extend(held);
            given.untrusted |= strangers;
        }
        Some(REFERENCE) => drop(required("id", None)?),
        Some(REASONING) => {
            let kept = match (encrypted_content, found) {
                (Some(content), _) => {
                    sealed::unseal(&content).map_err(|wrong| BadRequest::of(at("encrypted_content"), wrong))?
                }
                (None, Some(Message::Assistant { thoughts, .. })) => thoughts.map(|thoughts| *thoughts),
                (None, _) => None,
            };
            given.thoughts = kept.map(Box::new);
        }
        Some(found) => {
            let message = format!(
                "an item is of type message, function_call, function_call_output, item_reference, reasoning or compaction; found {found:?}"
            );
            return Err(BadRequest::of(at("type"), message));
        }
    }
    Ok(())
}

/// Adds an item that was looked up.
fn again(found: Message, given: &mut Given) {
    match (found, given.messages.last_mut()) {
        (Message::Assistant { text, tool_calls, thoughts: thoughts @ Some(_) }, _)
            if text.is_empty() && tool_calls.is_empty() =>
        {
            given.thoughts = thoughts;
        }
        (Message::Assistant { text, tool_calls: calls, .. }, Some(Message::Assistant { tool_calls, .. }))
            if text.is_empty() =>
        {
            tool_calls.extend(calls);
        }
        (found, _) => given.messages.push(found),
    }
}

/// The text of a call's output, and its pictures and files with a word of whose they are.
fn told(parts: Vec<Part>, call: &str) -> (Text, Vec<Part>) {
    let (texts, mut beside): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| matches!(part, Part::Text { .. }));
    let text = Message::User { content: texts }.text();
    if beside.is_empty() {
        return (text, beside);
    }
    beside.insert(0, Part::Text { text: format!("[from the output of the call {call}]").into() });
    (if text.is_empty() { "[a picture or file, which follows]".into() } else { text }, beside)
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

/// What an input says, and where each part of it stood.
#[derive(Debug, Default)]
pub struct Given {
    /// Its messages.
    pub messages: Vec<Message>,
    /// Whether strangers' words are in a conversation that was made short.
    pub untrusted: bool,
    /// Of each message the item that it began with; empty where the input was a text.
    places: Vec<usize>,
    /// The calls it names and their items.
    calls: Vec<(String, usize)>,
    /// What was reasoned before what comes next.
    thoughts: Option<Box<Thoughts>>,
    /// Pictures and files of the last outputs of calls. Not every protocol has a place for them there, and all have
    /// one in what a user says next.
    beside: Vec<Part>,
}

impl Given {
    /// Shows pictures and files of outputs behind the last of those; `place` is where the newest item began.
    fn show(&mut self, place: usize) {
        if self.beside.is_empty() || self.messages.get(place..).is_some_and(|new| new.iter().any(Message::is_of_tool)) {
            return;
        }
        let content = std::mem::take(&mut self.beside);
        self.messages.insert(place.min(self.messages.len()), Message::User { content });
    }

    /// Checks that every call has its output and every output its call, as models demand.
    ///
    /// # Errors
    /// The item that is missing one of the two; `input` where the call was made before.
    pub fn check_calls(&self, before: &[Message]) -> Result<(), BadRequest> {
        match unpaired(before.iter().chain(&self.messages), false) {
            None => Ok(()),
            Some(Unpaired::Answer { place, call }) => Err(self.unasked(place.saturating_sub(before.len()), call)),
            Some(Unpaired::Call { call, .. }) => {
                let item = self.calls.iter().rev().find(|(known, _)| known == call);
                let param = item.map_or_else(|| "input".to_owned(), |(_, index)| format!("input[{index}].call_id"));
                Err(BadRequest::of(param, format!("there is no output for the function call {call:?}")))
            }
        }
    }

    /// The complaint about an output, the message of that place, of a call that nobody has made.
    pub fn unasked(&self, place: usize, call: &str) -> BadRequest {
        let item = self.places.get(place);
        let param = item.map_or_else(|| "input".to_owned(), |index| format!("input[{index}].call_id"));
        BadRequest::of(param, format!("there is no function call {call:?} for this output"))
    }
}

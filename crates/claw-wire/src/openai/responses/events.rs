//! The streamed response: events in the contract's order, each with its number.
//!
//! The numbers follow from the run's own events alone, so that a stream that is taken up again
//! counts as the first one did. Each attempt has numbers of its own: no number ever stands for two
//! texts. The parts of a delta that do not change are written once. What is said before the agent
//! calls tools of its own is a message by itself, closed when the first call begins.

mod message;
mod thought;
mod told;

use claw_core::{Output, TaskId};
use serde::Serialize;

use message::OpenMessage;
use thought::OpenThought;
use told::{Arguments, Broken, WithItem, WithResponse};

use super::object::{Piece, Response, call_id, called, pieces};
use super::shown::{ShownItem, ShownPart, parts};
use super::{Kept, response_id};

/// The first attempt's events have numbers below this, the second's from here on, and so forth.
const NUMBERS_PER_ATTEMPT: u64 = 10_000_000;

/// Says that the answer is whole (G8).
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// How events are set apart from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As server-sent events; `[DONE]` says that the answer is whole (G8).
    Sse,
    /// One JSON text to a line, for the frames of a socket.
    Lines,
}

/// Writes the events of one stream.
#[derive(Debug)]
pub struct EventWriter {
    id: String,
    task: TaskId,
    created_at: i64,
    kept: Kept,
    framing: Framing,
    next: u64,
    /// Numbers up to here were seen before and are left out.
    seen: Option<u64>,
    /// How many items were opened.
    opened: usize,
    /// How many of them are messages.
    messages: usize,
    /// How many are reasoning.
    thoughts: usize,
    message: Option<OpenMessage>,
    thought: Option<OpenThought>,
    /// The items that are done.
    told: Vec<Told>,
    /// Whether the model reasons of which no word was told: its item is opened with what follows, so that nothing was
    /// told of an attempt that comes to nothing.
    is_thinking: bool,
    /// Whether tools are called, behind which the model is asked anew.
    has_paused: bool,
}

/// An item that is done, as it was told.
#[derive(Debug)]
enum Told {
    Message { id: String, status: &'static str, text: Option<String>, refusal: Option<String> },
    Thought { id: String, text: Option<String>, sealed: Option<String> },
}

impl Told {
    fn shown(&self) -> ShownItem<'_> {
        match self {
            Self::Message { id, status, text, refusal } => {
                let content = parts(text.as_deref().unwrap_or_default(), refusal.as_deref());
                ShownItem::Message { id: id.clone(), status, role: "assistant", content }
            }
            Self::Thought { id, text, sealed } => {
                let summary = text.as_deref().map(|text| ShownPart::SummaryText { text }).into_iter().collect();
                ShownItem::Reasoning { id: id.clone(), summary, encrypted_content: sealed.clone() }
            }
        }
    }
}

/// What went wrong, as events tell it.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ErrorPayload<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    pub code: &'a str,
    pub message: &'a str,
    pub param: Option<&'a str>,
    /// Ours, as in the answers over HTTP: when to come back.
    #[serde(rename = "retryAfterMs", skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// A refusal on a socket: what the status and body of an HTTP answer would be, in one frame.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct SocketError<'a> {
    #[serde(rename = "type")]
    pub event: &'static str,
    pub status: u16,
    pub error: ErrorPayload<'a>,
}

impl<'a> SocketError<'a> {
    /// A frame that says so.
    pub const fn new(status: u16, error: ErrorPayload<'a>) -> Self {
        Self { event: "error", status, error }
    }
}

/// The first number of an attempt, from 1.
fn first_number(attempt: u32) -> u64 {
    u64::from(attempt.saturating_sub(1)) * NUMBERS_PER_ATTEMPT
}

/// What follows an event.
const fn after(framing: Framing) -> &'static [u8] {
    match framing {
        Framing::Sse => b"\n\n",
        Framing::Lines => b"\n",
    }
}

impl EventWriter {
    /// A writer for the response of `task`; events up to number `seen` are left out.
    pub fn new(task: TaskId, created_at: i64, kept: Kept, seen: Option<u64>, framing: Framing) -> Self {
        Self {
            id: response_id(task),
            task,
            created_at,
            kept,
            framing,
            next: 0,
            seen,
            opened: 0,
            messages: 0,
            thoughts: 0,
            message: None,
            thought: None,
            is_thinking: false,
            told: Vec::new(),
            has_paused: false,
        }
    }

    /// The events before anything is said.
    pub fn opening(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        let first = if self.kept.background { "queued" } else { "in_progress" };
        self.with_response(&mut out, "response.created", first);
        if self.kept.background {
            self.with_response(&mut out, "response.queued", "queued");
        }
        self.with_response(&mut out, "response.in_progress", "in_progress");
        out
    }

    /// The same for a stream that begins with this attempt, from 1: its numbers have no gap.
    #[must_use]
    pub fn from_attempt(mut self, attempt: u32) -> Self {
        self.next = first_number(attempt);
        self
    }

    /// An attempt begins, from 1, and counts in its own numbers.
    pub fn began(&mut self, attempt: u32) {
        self.is_thinking = false;
        self.next = self.preamble() + first_number(attempt);
    }

    /// How many events [`EventWriter::opening`] has, which say nothing of the answer.
    const fn preamble(&self) -> u64 {
        if self.kept.background { 3 } else { 2 }
    }

    /// Whether `number` was told by an attempt before this one, which has said something else since.
    pub const fn is_outdated(&self, number: u64, attempt: u32) -> bool {
        number >= self.preamble() && number / NUMBERS_PER_ATTEMPT + 1 < attempt as u64
    }

    /// Whether these words of its reasoning are told.
    pub fn tells_thought(&self, delta: &str) -> bool {
        self.kept.summary.is_some() && !delta.is_empty()
    }

    /// Whether it reasons, and nothing of that was told yet.
    pub const fn is_thinking(&self) -> bool {
        self.is_thinking
    }

    /// More of the model's reasoning; the first words open an item. What it reasons while it answers is not told here.
    pub fn thinking(&mut self, delta: &str) -> Vec<u8> {
        let mut out = Vec::new();
        if self.message.is_some() && !self.has_paused {
            return out;
        }
        self.is_thinking = true;
        if self.tells_thought(delta) {
            self.begin_thought(&mut out);
            self.think(&mut out, delta);
        }
        out
    }

    /// Another model is asked: what the one before had reasoned came to nothing.
    pub fn switched(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.is_thinking = false;
        if self.message.is_none() || self.has_paused {
            self.go_on(&mut out);
            self.close_thought(&mut out, None);
        }
        out
    }

    /// More of the answer; the first piece opens a message.
    pub fn text(&mut self, delta: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(320 + delta.len());
        self.begin_message(&mut out);
        self.say(&mut out, delta);
        out
    }

    /// More of the words with which the model refuses.
    pub fn refusal(&mut self, delta: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(320 + delta.len());
        self.begin_message(&mut out);
        self.refuse(&mut out, delta);
        out
    }

    /// A tool is called: what was said before it is a message by itself. It is not done before the reasoning that led
    /// to it. Nothing, if nothing was said.
    pub fn pause(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.begin_thought(&mut out);
        self.end_thought(&mut out);
        if self.thought.is_none() {
            self.close_message(&mut out, "completed");
        }
        self.has_paused = true;
        out
    }

    /// The events that end a finished answer, `[DONE]` included.
    pub fn complete(&mut self, output: &Output, at: i64) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        // A reader who came late was told nothing of it.
        for (index, piece) in pieces(output).into_iter().enumerate() {
            let is_news = index >= self.opened;
            match piece {
                Piece::Reasoned(_, reasoned) => {
                    if is_news {
                        self.open_thought(&mut out);
                        self.think(&mut out, &reasoned.text);
                    }
                    if self.thought.as_ref().is_some_and(|open| open.index == index) {
                        self.close_thought(&mut out, reasoned.thoughts.as_deref());
                    }
                }
                Piece::Said { said, refusal, status, .. } => {
                    if is_news {
                        self.open_message(&mut out);
                    }
                    if self.message.as_ref().is_some_and(|open| open.index == index) {
                        self.say_rest(&mut out, said, refusal);
                        self.close_message(&mut out, status);
                    }
                }
                Piece::Called(number, _) => self.call(&mut out, output, number),
            }
        }
        let sequence_number = self.number();
        let open = Response::open(&self.id, self.created_at, "completed", &self.kept);
        let response = open.with_output(self.task, output, at);
        let kind = if response.status == "incomplete" { "response.incomplete" } else { "response.completed" };
        self.write_end(&mut out, kind, sequence_number, &WithResponse { kind, sequence_number, response });
        if self.framing == Framing::Sse {
            out.extend_from_slice(DONE);
        }
        out
    }

    /// The event that ends a response which was only prepared, and says nothing.
    pub fn prepared(&mut self, at: i64) -> Vec<u8> {
        let (mut out, kind, sequence_number) = (Vec::new(), "response.completed", self.number());
        let response = Response::open(&self.id, self.created_at, "completed", &self.kept).prepared(at);
        self.write_end(&mut out, kind, sequence_number, &WithResponse { kind, sequence_number, response });
        out
    }

    /// Ends what is open of an answer that goes on no more: what was said of it stays.
    pub fn break_off(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.close_thought(&mut out, None);
        if self.message.is_some() {
            self.close_message(&mut out, "incomplete");
        }
        out
    }

    /// What was told, as items; what is open not yet.
    pub fn items(&self) -> Vec<ShownItem<'_>> {
        self.told.iter().map(Told::shown).collect()
    }

    /// The events that end a broken answer.
    pub fn fail(&mut self, code: &'static str, message: &str) -> Vec<u8> {
        let (mut out, kind, sequence_number) = (self.break_off(), "response.failed", self.number());
        let open = Response::open(&self.id, self.created_at, "failed", &self.kept);
        let response = open.with_failure(code, message).with_items(self.items());
        self.write_end(&mut out, kind, sequence_number, &WithResponse { kind, sequence_number, response });
        out
    }

    /// The event that ends a stream whose response may still come.
    pub fn error(&mut self, error: ErrorPayload<'_>) -> Vec<u8> {
        let (mut out, kind, sequence_number) = (Vec::new(), "error", self.number());
        let ErrorPayload { kind: _, code, message, param, retry_after_ms: _ } = error;
        self.write_end(&mut out, kind, sequence_number, &Broken { kind, sequence_number, code, message, param, error });
        out
    }

    /// The place of the item that is opened now.
    const fn place(&mut self) -> usize {
        let place = self.opened;
        self.opened += 1;
        place
    }

    /// The model speaks or reasons: behind tools, for the next time.
    fn go_on(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.has_paused) {
            self.close_thought(out, None);
            self.close_message(out, "completed");
        }
    }

    /// Opens the item of reasoning that is due.
    fn begin_thought(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_thinking) {
            self.go_on(out);
            self.open_thought(out);
        }
    }

    fn begin_message(&mut self, out: &mut Vec<u8>) {
        self.begin_thought(out);
        self.go_on(out);
        if self.message.is_none() {
            self.end_thought(out);
            self.open_message(out);
        }
    }

    fn call(&mut self, out: &mut Vec<u8>, output: &Output, index: usize) {
        let Some(call) = output.tool_calls.get(index) else { return };
        let output_index = self.place();
        let opened = claw_core::ToolCall { arguments: claw_core::JsonText::new(""), ..call.clone() };
        let item = called(self.task, index, &opened, "in_progress");
        let (kind, sequence_number) = ("response.output_item.added", self.number());
        self.write(out, kind, sequence_number, &WithItem { kind, sequence_number, output_index, item });
        let (id, arguments) = (call_id(self.task, index), call.arguments.as_str());
        let item_id = id.as_str();
        let (kind, sequence_number) = ("response.function_call_arguments.delta", self.number());
        let delta = Arguments {
            kind,
            sequence_number,
            item_id,
            output_index,
            name: None,
            delta: Some(arguments),
            arguments: None,
        };
        self.write(out, kind, sequence_number, &delta);
        let (kind, sequence_number) = ("response.function_call_arguments.done", self.number());
        let (name, arguments) = (Some(call.name.as_str()), Some(arguments));
        let done = Arguments { kind, sequence_number, item_id, output_index, name, delta: None, arguments };
        self.write(out, kind, sequence_number, &done);
        let item = called(self.task, index, call, "completed");
        let (kind, sequence_number) = ("response.output_item.done", self.number());
        self.write(out, kind, sequence_number, &WithItem { kind, sequence_number, output_index, item });
    }

    fn with_response(&mut self, out: &mut Vec<u8>, kind: &'static str, status: &'static str) {
        let sequence_number = self.number();
        let response = Response::open(&self.id, self.created_at, status, &self.kept);
        self.write(out, kind, sequence_number, &WithResponse { kind, sequence_number, response });
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn is_new(&self, number: u64) -> bool {
        self.seen.is_none_or(|seen| number > seen)
    }

    fn write(&self, out: &mut Vec<u8>, kind: &str, number: u64, event: &impl Serialize) {
        if self.is_new(number) {
            self.put(out, kind, event);
        }
    }

    /// The last event is told unless it is the very one that was seen: nobody is left without an end.
    fn write_end(&self, out: &mut Vec<u8>, kind: &str, number: u64, event: &impl Serialize) {
        if self.seen != Some(number) {
            self.put(out, kind, event);
        }
    }

    fn put(&self, out: &mut Vec<u8>, kind: &str, event: &impl Serialize) {
        if self.framing == Framing::Sse {
            out.extend_from_slice(b"event: ");
            out.extend_from_slice(kind.as_bytes());
            out.extend_from_slice(b"\ndata: ");
        }
        serde_json::to_writer(&mut *out, event).expect("texts and numbers always serialise into memory");
        out.extend_from_slice(after(self.framing));
    }
}

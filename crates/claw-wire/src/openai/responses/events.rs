//! The streamed response: events in the contract's order, each with its number.
//!
//! The numbers follow from the run's own events alone, so that a stream that is taken up again
//! counts as the first one did. The parts of a delta that do not change are written once.

use claw_core::{Output, TaskId};
use serde::Serialize;

use super::items::{ShownItem, ShownPart};
use super::object::{Response, call_id, called, has_message, message_id};
use super::{Kept, response_id};

/// Says that the answer is whole (G8).
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Writes the events of one stream.
#[derive(Debug)]
pub struct EventWriter {
    id: String,
    task: TaskId,
    message_id: String,
    created_at: i64,
    kept: Kept,
    /// A delta's event up to its number.
    before_number: Vec<u8>,
    /// From there up to its text.
    before_text: Vec<u8>,
    next: u64,
    /// Numbers up to here were seen before and are left out.
    seen: Option<u64>,
    /// Whether the message is open.
    is_open: bool,
}

#[derive(Serialize)]
struct WithResponse<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    response: Response<'a>,
}

#[derive(Serialize)]
struct WithItem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    output_index: usize,
    item: ShownItem<'a>,
}

#[derive(Serialize)]
struct WithPart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    content_index: usize,
    part: ShownPart<'a>,
}

#[derive(Serialize)]
struct TextDone<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    content_index: usize,
    text: &'a str,
    logprobs: [(); 0],
}

#[derive(Serialize)]
struct Arguments<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
}

#[derive(Serialize)]
struct Broken<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
}

impl EventWriter {
    /// A writer for the response of `task`; events up to number `seen` are left out.
    pub fn new(task: TaskId, created_at: i64, kept: Kept, seen: Option<u64>) -> Self {
        let message_id = message_id(task);
        let head =
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":";
        let tail =
            format!(",\"item_id\":\"{message_id}\",\"output_index\":0,\"content_index\":0,\"logprobs\":[],\"delta\":");
        Self {
            id: response_id(task),
            task,
            message_id,
            created_at,
            kept,
            before_number: head.into(),
            before_text: tail.into(),
            next: 0,
            seen,
            is_open: false,
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

    /// More of the answer; the first piece opens the message.
    pub fn text(&mut self, delta: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.before_number.len() + self.before_text.len() + delta.len() + 48);
        self.open_message(&mut out);
        let number = self.number();
        if self.is_new(number) {
            out.extend_from_slice(&self.before_number);
            out.extend_from_slice(number.to_string().as_bytes());
            out.extend_from_slice(&self.before_text);
            serde_json::to_writer(&mut out, delta).expect("texts always serialise into memory");
            out.extend_from_slice(b"}\n\n");
        }
        out
    }

    /// The events that end a finished answer, `[DONE]` included.
    pub fn complete(&mut self, output: &Output, at: i64) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        if !self.is_open && !output.text.is_empty() {
            out.append(&mut self.text(&output.text));
        }
        if has_message(output) {
            self.open_message(&mut out);
            self.close_message(&mut out, output);
        }
        let first = usize::from(self.is_open);
        for index in 0..output.tool_calls.len() {
            self.call(&mut out, output, index, first + index);
        }
        let sequence_number = self.number();
        let open = Response::open(&self.id, self.created_at, "completed", &self.kept);
        let response = open.with_output(self.task, output, at);
        let kind = if response.status == "incomplete" { "response.incomplete" } else { "response.completed" };
        self.write(&mut out, kind, sequence_number, &WithResponse { kind, sequence_number, response });
        out.extend_from_slice(DONE);
        out
    }

    /// The event that ends a broken answer.
    pub fn fail(&mut self, code: &'static str, message: &str) -> Vec<u8> {
        let (mut out, kind, sequence_number) = (Vec::new(), "response.failed", self.number());
        let open = Response::open(&self.id, self.created_at, "failed", &self.kept);
        let response = open.with_failure(code, message);
        self.write(&mut out, kind, sequence_number, &WithResponse { kind, sequence_number, response });
        out
    }

    /// The event that ends a stream whose response may still come.
    pub fn error(&mut self, code: &str, message: &str) -> Vec<u8> {
        let (mut out, kind, sequence_number) = (Vec::new(), "error", self.number());
        self.write(&mut out, kind, sequence_number, &Broken { kind, sequence_number, code, message, param: None });
        out
    }

    fn open_message(&mut self, out: &mut Vec<u8>) {
        if self.is_open {
            return;
        }
        self.is_open = true;
        let (kind, sequence_number) = ("response.output_item.added", self.number());
        let id = self.message_id.clone();
        let item = ShownItem::Message { id, status: "in_progress", role: "assistant", content: Vec::new() };
        self.write(out, kind, sequence_number, &WithItem { kind, sequence_number, output_index: 0, item });
        self.part(out, "response.content_part.added", "");
    }

    fn close_message(&mut self, out: &mut Vec<u8>, output: &Output) {
        let text = output.text.as_str();
        let (kind, sequence_number) = ("response.output_text.done", self.number());
        let item_id = self.message_id.as_str();
        let done = TextDone { kind, sequence_number, item_id, output_index: 0, content_index: 0, text, logprobs: [] };
        self.write(out, kind, sequence_number, &done);
        self.part(out, "response.content_part.done", text);
        let (kind, sequence_number) = ("response.output_item.done", self.number());
        let whole = Response::open(&self.id, 0, "", &self.kept).with_output(self.task, output, 0);
        if let Some(item) = whole.output.into_iter().next() {
            self.write(out, kind, sequence_number, &WithItem { kind, sequence_number, output_index: 0, item });
        }
    }

    fn part(&mut self, out: &mut Vec<u8>, kind: &'static str, text: &str) {
        let sequence_number = self.number();
        let (item_id, part) = (self.message_id.as_str(), ShownPart::output(text));
        let event = WithPart { kind, sequence_number, item_id, output_index: 0, content_index: 0, part };
        self.write(out, kind, sequence_number, &event);
    }

    fn call(&mut self, out: &mut Vec<u8>, output: &Output, index: usize, output_index: usize) {
        let Some(call) = output.tool_calls.get(index) else { return };
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
        if !self.is_new(number) {
            return;
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        serde_json::to_writer(&mut *out, event).expect("texts and numbers always serialise into memory");
        out.extend_from_slice(b"\n\n");
    }
}

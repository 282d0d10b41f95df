//! The events of a message: what is said, and behind it with what words the model refuses.

use std::io::Write as _;

use super::super::object::message_id;
use super::super::shown::{ShownItem, ShownPart};
use super::told::{Refused, TextDone, WithItem, WithPart};
use super::{EventWriter, Framing, Told, after};

/// The message that is being said.
#[derive(Debug)]
pub(super) struct OpenMessage {
    id: String,
    /// Its place in the output.
    pub(super) index: usize,
    /// What is said, once something is.
    text: Option<String>,
    /// The words with which it is refused.
    refusal: Option<String>,
    /// A delta's event from its number up to its text.
    before_text: Vec<u8>,
}

impl OpenMessage {
    /// Whether no word of it was told.
    fn is_silent(&self) -> bool {
        self.text.is_none() && self.refusal.is_none()
    }
}

/// A delta's event up to its number.
const fn before_number(framing: Framing) -> &'static [u8] {
    match framing {
        Framing::Sse => {
            b"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":"
        }
        Framing::Lines => b"{\"type\":\"response.output_text.delta\",\"sequence_number\":",
    }
}

impl EventWriter {
    pub(super) fn open_message(&mut self, out: &mut Vec<u8>) {
        if self.message.is_some() {
            return;
        }
        let (index, id) = (self.place(), message_id(self.task, self.messages));
        self.messages += 1;
        let before_text =
            format!(",\"item_id\":\"{id}\",\"output_index\":{index},\"content_index\":0,\"logprobs\":[],\"delta\":");
        let (kind, sequence_number) = ("response.output_item.added", self.number());
        let item = ShownItem::Message { id: id.clone(), status: "in_progress", role: "assistant", content: Vec::new() };
        self.write(out, kind, sequence_number, &WithItem { kind, sequence_number, output_index: index, item });
        self.message = Some(OpenMessage { id, index, text: None, refusal: None, before_text: before_text.into() });
    }

    /// Says more in the open message.
    pub(super) fn say(&mut self, out: &mut Vec<u8>, delta: &str) {
        let Some(mut open) = self.message.take() else { return };
        if open.text.is_none() {
            self.part(out, "response.content_part.added", &open, 0, ShownPart::output(""));
        }
        let number = self.number();
        if self.is_new(number) {
            out.extend_from_slice(before_number(self.framing));
            let _infallible = write!(out, "{number}");
            out.extend_from_slice(&open.before_text);
            serde_json::to_writer(&mut *out, delta).expect("texts always serialise into memory");
            out.push(b'}');
            out.extend_from_slice(after(self.framing));
        }
        open.text.get_or_insert_default().push_str(delta);
        self.message = Some(open);
    }

    /// Refuses in the open message; nothing more is said in it.
    pub(super) fn refuse(&mut self, out: &mut Vec<u8>, delta: &str) {
        let Some(mut open) = self.message.take() else { return };
        let content_index = usize::from(open.text.is_some());
        if open.refusal.is_none() {
            self.end_text(out, &open);
            let part = ShownPart::Refusal { refusal: "" };
            self.part(out, "response.content_part.added", &open, content_index, part);
        }
        let (kind, sequence_number) = ("response.refusal.delta", self.number());
        let (item_id, output_index) = (open.id.as_str(), open.index);
        let delta_event =
            Refused { kind, sequence_number, item_id, output_index, content_index, delta: Some(delta), refusal: None };
        self.write(out, kind, sequence_number, &delta_event);
        open.refusal.get_or_insert_default().push_str(delta);
        self.message = Some(open);
    }

    /// Says what was not told of a message that is whole now.
    pub(super) fn say_rest(&mut self, out: &mut Vec<u8>, said: &str, refusal: Option<&str>) {
        if self.message.as_ref().is_none_or(|open| !open.is_silent()) {
            return;
        }
        if !said.is_empty() {
            self.say(out, said);
        }
        if let Some(refusal) = refusal {
            self.refuse(out, refusal);
        }
    }

    pub(super) fn close_message(&mut self, out: &mut Vec<u8>, status: &'static str) {
        let Some(mut open) = self.message.take() else { return };
        if open.is_silent() {
            self.part(out, "response.content_part.added", &open, 0, ShownPart::output(""));
            open.text = Some(String::new());
        }
        let content_index = usize::from(open.text.is_some());
        match &open.refusal {
            None => self.end_text(out, &open),
            Some(refusal) => {
                let (kind, sequence_number) = ("response.refusal.done", self.number());
                let (item_id, output_index, refusal) = (open.id.as_str(), open.index, refusal.as_str());
                let done = Refused {
                    kind,
                    sequence_number,
                    item_id,
                    output_index,
                    content_index,
                    delta: None,
                    refusal: Some(refusal),
                };
                self.write(out, kind, sequence_number, &done);
                self.part(out, "response.content_part.done", &open, content_index, ShownPart::Refusal { refusal });
            }
        }
        let (kind, sequence_number) = ("response.output_item.done", self.number());
        let OpenMessage { id, index: output_index, text, refusal, before_text: _ } = open;
        let told = Told::Message { id, status, text, refusal };
        let item = told.shown();
        self.write(out, kind, sequence_number, &WithItem { kind, sequence_number, output_index, item });
        self.told.push(told);
    }

    /// Nothing more is said in the message; nothing where nothing was.
    fn end_text(&mut self, out: &mut Vec<u8>, open: &OpenMessage) {
        let Some(text) = open.text.as_deref() else { return };
        let (kind, sequence_number) = ("response.output_text.done", self.number());
        let (item_id, output_index) = (open.id.as_str(), open.index);
        let done = TextDone { kind, sequence_number, item_id, output_index, content_index: 0, text, logprobs: [] };
        self.write(out, kind, sequence_number, &done);
        self.part(out, "response.content_part.done", open, 0, ShownPart::output(text));
    }

    fn part(
        &mut self,
        out: &mut Vec<u8>,
        kind: &'static str,
        of: &OpenMessage,
        content_index: usize,
        part: ShownPart<'_>,
    ) {
        let sequence_number = self.number();
        let (item_id, output_index) = (of.id.as_str(), of.index);
        let event = WithPart { kind, sequence_number, item_id, output_index, content_index, part };
        self.write(out, kind, sequence_number, &event);
    }
}

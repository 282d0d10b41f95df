//! The events of an item of reasoning, with one part of a summary where its words are wanted.
//!
//! What its provider wants back of it is known at the end of the answer alone. Where a client wants that, too, its
//! item is done only then, before the message that was said meanwhile.

use super::super::object::{reasoning_id, sealed};
use super::super::shown::{ShownItem, ShownPart};
use super::told::{Summary, WithItem};
use super::{EventWriter, Told};
use claw_core::Thoughts;

/// The reasoning that is told, or waits for its end.
#[derive(Debug)]
pub(super) struct OpenThought {
    id: String,
    /// Its place in the output.
    pub(super) index: usize,
    /// Its words, once some were told.
    text: Option<String>,
    /// Whether no more of them come.
    is_said: bool,
}

impl EventWriter {
    pub(super) fn open_thought(&mut self, out: &mut Vec<u8>) {
        if self.thought.is_some() {
            return;
        }
        let (index, id) = (self.place(), reasoning_id(self.task, self.thoughts));
        self.thoughts += 1;
        let (kind, sequence_number) = ("response.output_item.added", self.number());
        let item = ShownItem::Reasoning { id: id.clone(), summary: Vec::new(), encrypted_content: None };
        self.write(out, kind, sequence_number, &WithItem { kind, sequence_number, output_index: index, item });
        self.thought = Some(OpenThought { id, index, text: None, is_said: false });
    }

    /// Tells more of its words, where they are wanted.
    pub(super) fn think(&mut self, out: &mut Vec<u8>, delta: &str) {
        if !self.tells_thought(delta) {
            return;
        }
        let Some(mut open) = self.thought.take() else { return };
        if open.text.is_none() {
            let part = Some(ShownPart::SummaryText { text: "" });
            self.summary(out, "response.reasoning_summary_part.added", &open, |event| Summary { part, ..event });
        }
        let words = Some(delta);
        self.summary(out, "response.reasoning_summary_text.delta", &open, |event| Summary { delta: words, ..event });
        open.text.get_or_insert_default().push_str(delta);
        self.thought = Some(open);
    }

    /// No more of its words come; it is done with that where nothing else is wanted of it.
    pub(super) fn end_thought(&mut self, out: &mut Vec<u8>) {
        self.end_summary(out);
        if !self.kept.sealed {
            self.close_thought(out, None);
        }
    }

    /// It is done, and this is what its provider wants back.
    pub(super) fn close_thought(&mut self, out: &mut Vec<u8>, thoughts: Option<&Thoughts>) {
        self.end_summary(out);
        let Some(OpenThought { id, index: output_index, text, is_said: _ }) = self.thought.take() else { return };
        let (kind, sequence_number) = ("response.output_item.done", self.number());
        let told = Told::Thought { id, text, sealed: sealed(&self.kept, thoughts) };
        let item = told.shown();
        self.write(out, kind, sequence_number, &WithItem { kind, sequence_number, output_index, item });
        self.told.push(told);
    }

    fn end_summary(&mut self, out: &mut Vec<u8>) {
        let Some(mut open) = self.thought.take() else { return };
        if let Some(text) = open.text.as_deref().filter(|_| !open.is_said) {
            let whole = Some(text);
            self.summary(out, "response.reasoning_summary_text.done", &open, |event| Summary { text: whole, ..event });
            let part = Some(ShownPart::SummaryText { text });
            self.summary(out, "response.reasoning_summary_part.done", &open, |event| Summary { part, ..event });
        }
        open.is_said = true;
        self.thought = Some(open);
    }

    fn summary<'a>(
        &mut self,
        out: &mut Vec<u8>,
        kind: &'static str,
        of: &'a OpenThought,
        with: impl FnOnce(Summary<'a>) -> Summary<'a>,
    ) {
        let (sequence_number, item_id, output_index) = (self.number(), of.id.as_str(), of.index);
        let (delta, text, part) = (None, None, None);
        let bare = Summary { kind, sequence_number, item_id, output_index, summary_index: 0, delta, text, part };
        self.write(out, kind, sequence_number, &with(bare));
    }
}

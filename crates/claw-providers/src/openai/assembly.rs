//! Chunks of a chat completion → `ModelEvent`s. Pure.
//!
//! Text goes through at once. Tool calls come in shreds and leave whole, once the server has said
//! why it finished; without that word nothing here ever says `Done`.

use std::collections::VecDeque;

use super::thoughts::Kept;
use super::wire::{Answer, Choice, CompletionDetails, Delta, FunctionDelta, Object, PromptDetails, ToolCallDelta};
use crate::body::Assembly;
use crate::fault::{Fault, failure, reported};
use crate::gathered::{self, Gathered, PartialCall, say};
use crate::lenient::text_of;
use claw_core::provider::{FinishReason, ModelEvent, Usage};

/// What ends a stream.
pub(crate) const DONE: &[u8] = b"[DONE]";

/// An answer under way.
#[derive(Debug)]
pub(crate) struct Completion {
    gathered: Gathered,
    kept: Kept,
    /// Whether it is known that the model has thought.
    has_told: bool,
}

impl Completion {
    /// Nothing yet; calls without an id are numbered from `first_call_number`.
    pub(crate) fn new(first_call_number: usize) -> Self {
        Self { gathered: Gathered::numbered_from(first_call_number), kept: Kept::default(), has_told: false }
    }

    /// Takes one chunk, or one whole answer, and appends what it says to `events`.
    fn take(&mut self, json: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Answer { choices, usage, error, object, message, detail } = gathered::object(json)?;
        if let Some(error) = error.filter(|error| error.get() != "null") {
            return Err(failure(&error));
        }
        if object == Some(Object::Error) {
            let said = message.or(detail).as_deref().map(text_of).unwrap_or_default();
            return Err(Fault::Failed { status: None, message: said });
        }
        if let Some(usage) = usage {
            self.gathered.usage = Some(counted(usage));
        }
        // We never ask for alternatives; a server that sends them all the same is not mixed up.
        for choice in choices.into_iter().filter(|choice| choice.index == 0) {
            self.gathered.has_answered = true;
            self.take_choice(choice, events)?;
        }
        Ok(())
    }

    /// Takes the server's word that nothing follows. An answer without a reason to finish then
    /// simply stopped; no answer at all stays unfinished.
    fn take_done(&mut self) {
        if self.gathered.finish.is_none() && self.gathered.has_answered {
            self.gathered.finish = Some(FinishReason::Stop);
        }
    }

    fn take_choice(&mut self, choice: Choice, events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Choice { index: _, delta, message, finish_reason } = choice;
        let is_whole = delta.is_none() && message.is_some();
        let Delta { content, reasoning_content, reasoning, reasoning_details, refusal, tool_calls } =
            delta.or(message).unwrap_or_default();
        self.kept.add(&reasoning_content.0, reasoning_details.as_deref());
        let thought = if reasoning_content.0.is_empty() { reasoning } else { reasoning_content };
        self.has_told |= !thought.0.is_empty();
        say(events, ModelEvent::Thinking, thought.0);
        say(events, ModelEvent::Text, content.0);
        say(events, ModelEvent::Refusal, refusal.0);
        for shred in tool_calls {
            if shred.extra_content.is_some() && !std::mem::replace(&mut self.has_told, true) {
                // It has thought, and does not say what.
                events.push_back(ModelEvent::Thinking(String::new()));
            }
            self.take_shred(shred, is_whole)?;
        }
        if let Some(reason) = finish_reason.filter(|reason| !reason.is_empty()) {
            self.gathered.finish = Some(finish(&reason)?);
        }
        Ok(())
    }

    /// Adds a shred to its call; where calls come whole, each is one by itself.
    fn take_shred(&mut self, shred: ToolCallDelta, is_whole: bool) -> Result<(), Fault> {
        let ToolCallDelta { index, id, function: FunctionDelta { name, arguments }, extra_content } = shred;
        let arguments = arguments.as_deref().map(text_of).unwrap_or_default();
        self.gathered.count_arguments(arguments.len())?;
        let place = match self.place_of(index, &id, &name) {
            Some(place) if !is_whole => place,
            Some(_) | None => {
                self.gathered.begin(PartialCall { index, ..PartialCall::default() })?;
                self.gathered.calls().len() - 1
            }
        };
        if let Some(call) = self.gathered.call_mut(place) {
            // Some servers repeat id and name in every shred; only arguments add up.
            if call.id.is_empty() {
                call.id = id;
            }
            if call.name.is_empty() {
                call.name = name;
            }
            call.arguments.push_str(&arguments);
            call.extra = extra_content.or(call.extra.take());
        }
        Ok(())
    }

    /// Which call a shred belongs to; `None` for a new one.
    ///
    /// The index says it, unless ids disagree (servers that number every call 0). Without an
    /// index the id says it, and without either a shred with a name begins a call.
    fn place_of(&self, index: Option<u32>, id: &str, name: &str) -> Option<usize> {
        let calls = self.gathered.calls();
        let same_id = |call: &PartialCall| id.is_empty() || call.id.is_empty() || call.id == id;
        match index {
            Some(_) => calls
                .iter()
                .rposition(|call| call.index == index)
                .filter(|place| calls.get(*place).is_some_and(same_id)),
            None if !id.is_empty() => calls.iter().rposition(|call| call.id == id),
            None if !name.is_empty() => None,
            None => calls.len().checked_sub(1),
        }
    }
}

impl Assembly for Completion {
    fn take_event(&mut self, name: &str, data: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        if data == DONE {
            self.take_done();
            return Ok(true);
        }
        if name == "error" {
            return Err(reported(data));
        }
        self.take(data, events).map(|()| false)
    }

    fn take_whole(&mut self, json: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        self.take(json, events)?;
        // A whole JSON text cannot have been cut, so the answer in it is finished even where
        // the server does not say why.
        self.take_done();
        Ok(())
    }

    fn end(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        let first = events.len();
        let extras: Vec<_> = self.gathered.calls().iter().map(|call| call.extra.clone()).collect();
        if !self.gathered.end(None, events)? {
            return Ok(false);
        }
        // Only now every call has the id by which it will be answered.
        let calls = events.iter().skip(first).map_while(|event| match event {
            ModelEvent::ToolCall(call) => Some(call.id.clone()),
            _ => None,
        });
        let ids: Vec<String> = calls.collect();
        let behind = first + ids.len();
        if let Some(thoughts) = std::mem::take(&mut self.kept).with_calls(ids.into_iter().zip(extras)) {
            events.insert(behind, ModelEvent::Thoughts(thoughts));
        }
        Ok(true)
    }

    fn gathered(&mut self) -> &mut Gathered {
        &mut self.gathered
    }
}

fn counted(usage: super::wire::Usage) -> Usage {
    let super::wire::Usage { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details } =
        usage;
    let PromptDetails { cached_tokens } = prompt_tokens_details;
    let CompletionDetails { reasoning_tokens } = completion_tokens_details;
    Usage {
        input_tokens: prompt_tokens,
        output_tokens: completion_tokens,
        cached_tokens,
        cache_write_tokens: 0,
        reasoning_tokens,
    }
}

fn finish(reason: &str) -> Result<FinishReason, Fault> {
    match reason {
        "length" | "max_tokens" | "model_length" => Ok(FinishReason::Length),
        "tool_calls" | "function_call" | "tool_use" => Ok(FinishReason::ToolCalls),
        "content_filter" | "safety" => Ok(FinishReason::ContentFilter),
        "error" => Err(Fault::Failed { status: None, message: "it gave up without saying why".to_owned() }),
        // `stop` and its many spellings (`eos`, `end_turn`, `stop_sequence`, …).
        _ => Ok(FinishReason::Stop),
    }
}

#[cfg(test)]
#[path = "assembly/tests.rs"]
mod tests;

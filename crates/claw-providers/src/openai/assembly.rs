//! Chunks of a chat completion → `ModelEvent`s. Pure.
//!
//! Text goes through at once. Tool calls come in shreds and leave whole, once the server has said
//! why it finished; without that word nothing here ever says `Done`.

use std::collections::VecDeque;

use super::wire::{Answer, Choice, CompletionDetails, Delta, FunctionDelta, Object, PromptDetails, ToolCallDelta};
use crate::body::Assembly;
use crate::fault::{Fault, failure, reported};
use crate::lenient::{Text, text_of};
use claw_core::message::{JsonText, ToolCall};
use claw_core::provider::{FinishReason, ModelEvent, Usage};

/// What ends a stream.
pub(crate) const DONE: &[u8] = b"[DONE]";

/// Most tool calls in one answer.
const TOOL_CALLS_MAX: usize = 128;

/// Most bytes of all arguments together in one answer.
const ARGUMENTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// An answer under way.
#[derive(Debug)]
pub(crate) struct Completion {
    calls: Vec<PartialCall>,
    arguments_bytes: usize,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    first_call_number: usize,
    has_answered: bool,
}

#[derive(Debug, Default)]
struct PartialCall {
    index: Option<u32>,
    id: String,
    name: String,
    arguments: String,
}

impl Completion {
    /// Nothing yet; calls without an id are numbered from `first_call_number`.
    pub(crate) fn new(first_call_number: usize) -> Self {
        Self {
            calls: Vec::new(),
            arguments_bytes: 0,
            usage: None,
            finish: None,
            first_call_number,
            has_answered: false,
        }
    }

    /// Takes one chunk, or one whole answer, and appends what it says to `events`.
    fn take(&mut self, json: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        // A list would be taken for the fields in their order.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(Fault::Unreadable("it is no JSON object".to_owned()));
        }
        let answer: Answer = serde_json::from_slice(json).map_err(|wrong| Fault::Unreadable(wrong.to_string()))?;
        let Answer { choices, usage, error, object, message, detail } = answer;
        if let Some(error) = error.filter(|error| error.get() != "null") {
            return Err(failure(&error));
        }
        if object == Some(Object::Error) {
            let said = message.or(detail).as_deref().map(text_of).unwrap_or_default();
            return Err(Fault::Failed { status: None, message: said });
        }
        if let Some(usage) = usage {
            self.usage = Some(counted(usage));
        }
        // We never ask for alternatives; a server that sends them all the same is not mixed up.
        for choice in choices.into_iter().filter(|choice| choice.index == 0) {
            self.has_answered = true;
            self.take_choice(choice, events)?;
        }
        Ok(())
    }

    /// Takes the server's word that nothing follows. An answer without a reason to finish then
    /// simply stopped; no answer at all stays unfinished.
    fn take_done(&mut self) {
        if self.finish.is_none() && self.has_answered {
            self.finish = Some(FinishReason::Stop);
        }
    }

    fn take_choice(&mut self, choice: Choice, events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Choice { index: _, delta, message, finish_reason } = choice;
        let Delta { content, reasoning_content, reasoning, refusal, tool_calls } =
            delta.or(message).unwrap_or_default();
        let thought = if reasoning_content.0.is_empty() { reasoning } else { reasoning_content };
        if !thought.0.is_empty() {
            events.push_back(ModelEvent::Thinking(thought.0));
        }
        for Text(said) in [content, refusal] {
            if !said.is_empty() {
                events.push_back(ModelEvent::Text(said));
            }
        }
        for shred in tool_calls {
            self.take_shred(shred)?;
        }
        if let Some(reason) = finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish = Some(finish(&reason)?);
        }
        Ok(())
    }

    fn take_shred(&mut self, shred: ToolCallDelta) -> Result<(), Fault> {
        let ToolCallDelta { index, id, function: FunctionDelta { name, arguments } } = shred;
        let arguments = arguments.as_deref().map(text_of).unwrap_or_default();
        self.arguments_bytes += arguments.len();
        if self.arguments_bytes > ARGUMENTS_BYTES_MAX {
            return Err(Fault::Unreadable(format!("tool arguments of more than {ARGUMENTS_BYTES_MAX} bytes")));
        }
        let place = self.place_of(index, &id, &name);
        if place.is_none() && self.calls.len() == TOOL_CALLS_MAX {
            return Err(Fault::Unreadable(format!("more than {TOOL_CALLS_MAX} tool calls")));
        }
        let place = place.unwrap_or_else(|| {
            self.calls.push(PartialCall { index, ..PartialCall::default() });
            self.calls.len() - 1
        });
        if let Some(call) = self.calls.get_mut(place) {
            // Some servers repeat id and name in every shred; only arguments add up.
            if call.id.is_empty() {
                call.id = id;
            }
            if call.name.is_empty() {
                call.name = name;
            }
            call.arguments.push_str(&arguments);
        }
        Ok(())
    }

    /// Which call a shred belongs to; `None` for a new one.
    ///
    /// The index says it, unless ids disagree (servers that number every call 0). Without an
    /// index the id says it, and without either a shred with a name begins a call.
    fn place_of(&self, index: Option<u32>, id: &str, name: &str) -> Option<usize> {
        let same_id = |call: &PartialCall| id.is_empty() || call.id.is_empty() || call.id == id;
        match index {
            Some(_) => self
                .calls
                .iter()
                .rposition(|call| call.index == index)
                .filter(|place| self.calls.get(*place).is_some_and(same_id)),
            None if !id.is_empty() => self.calls.iter().rposition(|call| call.id == id),
            None if !name.is_empty() => None,
            None => self.calls.len().checked_sub(1),
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
        let Some(finish) = self.finish else { return Ok(false) };
        let calls = std::mem::take(&mut self.calls);
        let called = !calls.is_empty();
        for (number, call) in (self.first_call_number..).zip(calls) {
            events.push_back(ModelEvent::ToolCall(whole_call(call, number)?));
        }
        self.take_usage(events);
        // Several servers say `stop` after a tool call.
        let finish = if called && finish == FinishReason::Stop { FinishReason::ToolCalls } else { finish };
        events.push_back(ModelEvent::Done(finish));
        Ok(true)
    }

    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn has_answered(&self) -> bool {
        self.has_answered
    }

    fn take_usage(&mut self, events: &mut VecDeque<ModelEvent>) {
        events.extend(self.usage.take().map(ModelEvent::Usage));
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

fn whole_call(call: PartialCall, number: usize) -> Result<ToolCall, Fault> {
    let PartialCall { index: _, id, name, arguments } = call;
    if name.is_empty() {
        return Err(Fault::Unreadable("a tool call without a name".to_owned()));
    }
    let id = if id.is_empty() { format!("call_{number}") } else { id };
    // A call without arguments is spelled in three ways.
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    Ok(ToolCall { id, name, arguments: JsonText::new(arguments) })
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

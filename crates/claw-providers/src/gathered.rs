//! What an answer gathers until its end, in whichever protocol: calls, usage, the word that it is finished. Pure.
//!
//! Text goes through at once; a call leaves whole, at the end, and only there. The order of the end is the same
//! everywhere: calls, thoughts, usage, `Done`.

use std::collections::{HashSet, VecDeque};

use claw_core::message::{JsonText, ToolCall};
use claw_core::provider::{FinishReason, ModelEvent, Usage};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::fault::Fault;

/// Most tool calls in one answer.
pub(crate) const TOOL_CALLS_MAX: usize = 128;

/// Most bytes of all arguments together in one answer.
pub(crate) const ARGUMENTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// An answer under way.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    calls: Vec<PartialCall>,
    arguments_bytes: usize,
    /// Calls without an id are numbered from here.
    first_call_number: Option<usize>,
    /// The newest; the last one counts.
    pub(crate) usage: Option<Usage>,
    /// Why it finished, once the server has said so.
    pub(crate) finish: Option<FinishReason>,
    /// Whether any part of it has come.
    pub(crate) has_answered: bool,
}

/// A call as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct PartialCall {
    /// The server's number for it.
    pub(crate) index: Option<u32>,
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON, in the end; nothing counts as an empty object.
    pub(crate) arguments: String,
    /// What its server wants back with it.
    pub(crate) extra: Option<Box<RawValue>>,
}

impl Gathered {
    /// Nothing yet; calls without an id are numbered from `first_call_number`.
    pub(crate) fn numbered_from(first_call_number: usize) -> Self {
        Self { first_call_number: Some(first_call_number), ..Self::default() }
    }

    /// The calls so far, in their order.
    pub(crate) fn calls(&self) -> &[PartialCall] {
        &self.calls
    }

    /// One of them.
    pub(crate) fn call_mut(&mut self, place: usize) -> Option<&mut PartialCall> {
        self.calls.get_mut(place)
    }

    /// Begins a call; what it has of its arguments was counted already.
    ///
    /// Errors: there are too many.
    pub(crate) fn begin(&mut self, call: PartialCall) -> Result<(), Fault> {
        if self.calls.len() == TOOL_CALLS_MAX {
            return Err(Fault::Unreadable(format!("more than {TOOL_CALLS_MAX} tool calls")));
        }
        self.calls.push(call);
        Ok(())
    }

    /// Counts what came of arguments.
    ///
    /// Errors: it is too much.
    pub(crate) fn count_arguments(&mut self, bytes: usize) -> Result<(), Fault> {
        self.arguments_bytes += bytes;
        if self.arguments_bytes > ARGUMENTS_BYTES_MAX {
            return Err(Fault::Unreadable(format!("tool arguments of more than {ARGUMENTS_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    /// Hands out the newest usage, once.
    pub(crate) fn take_usage(&mut self, events: &mut VecDeque<ModelEvent>) {
        events.extend(self.usage.take().map(ModelEvent::Usage));
    }

    /// The end. False, and nothing said, while the server has not said that it finished.
    pub(crate) fn end(&mut self, thoughts: Option<JsonText>, events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        let Some(finish) = self.finish else { return Ok(false) };
        let calls = std::mem::take(&mut self.calls);
        // Several servers say `stop` after a tool call.
        let has_called = !calls.is_empty() && finish == FinishReason::Stop;
        let finish = if has_called { FinishReason::ToolCalls } else { finish };
        let mut ids = HashSet::new();
        for (place, call) in calls.into_iter().enumerate() {
            let number = self.first_call_number.map(|first| first + place);
            let mut call = whole(call, number)?;
            // Its answer has to find it.
            if !ids.insert(call.id.clone()) {
                call.id = format!("{}_{place}", call.id);
                ids.insert(call.id.clone());
            }
            events.push_back(ModelEvent::ToolCall(call));
        }
        events.extend(thoughts.map(ModelEvent::Thoughts));
        self.take_usage(events);
        events.push_back(ModelEvent::Done(finish));
        Ok(true)
    }
}

/// A JSON object of a server.
pub(crate) fn object<T: DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    // A list would be taken for the fields in their order.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(Fault::Unreadable("it is no JSON object".to_owned()));
    }
    serde_json::from_slice(json).map_err(|wrong| Fault::Unreadable(wrong.to_string()))
}

/// Says more, if it is more.
pub(crate) fn say(events: &mut VecDeque<ModelEvent>, kind: fn(String) -> ModelEvent, text: String) {
    if !text.is_empty() {
        events.push_back(kind(text));
    }
}

fn whole(call: PartialCall, number: Option<usize>) -> Result<ToolCall, Fault> {
    let PartialCall { index: _, id, name, arguments, extra: _ } = call;
    if name.is_empty() {
        return Err(Fault::Unreadable("a tool call without a name".to_owned()));
    }
    let id = match number {
        Some(number) if id.is_empty() => format!("call_{number}"),
        _ => id,
    };
    // A call without arguments is spelled in three ways.
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    Ok(ToolCall { id, name, arguments: JsonText::new(arguments) })
}

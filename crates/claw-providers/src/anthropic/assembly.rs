//! Events of a message → `ModelEvent`s. Pure.
//!
//! Text and thoughts go through at once; a tool's input comes in shreds and leaves whole at the
//! end. What is finished is said by `stop_reason`. Kinds of events and blocks that are not known
//! here are passed over, as the protocol asks.

use std::collections::VecDeque;

use claw_core::message::{JsonText, ToolCall};
use claw_core::provider::{FinishReason, ModelEvent, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::thoughts;
use crate::body::Assembly;
use crate::fault::{Fault, reported};
use crate::lenient::null_is_default;

/// Most tool calls in one answer.
const TOOL_CALLS_MAX: usize = 128;

/// Most bytes of all inputs together in one answer.
const INPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A message under way.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    calls: Vec<PartialCall>,
    thoughts: thoughts::Blocks,
    input_bytes: usize,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    has_answered: bool,
}

#[derive(Debug)]
struct PartialCall {
    index: u32,
    id: String,
    name: String,
    input: String,
}

impl Assembly for Blocks {
    fn take_event(&mut self, name: &str, data: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        if name == "error" {
            return Err(reported(data));
        }
        // A list would be taken for the fields in their order.
        if !data.trim_ascii_start().starts_with(b"{") {
            return Err(Fault::Unreadable("it is no JSON object".to_owned()));
        }
        let event: Event = serde_json::from_slice(data).map_err(|wrong| Fault::Unreadable(wrong.to_string()))?;
        let Event { kind, index, message, content_block, delta, usage } = event;
        match kind {
            Kind::MessageStart => {
                self.has_answered = true;
                self.count(message.usage);
            }
            Kind::ContentBlockStart => match content_block {
                Some(block) => self.begin(index, block, events)?,
                None => return Err(Fault::Unreadable("a block that is none".to_owned())),
            },
            Kind::ContentBlockDelta => self.go_on(index, delta, events)?,
            Kind::MessageDelta => {
                self.count(usage);
                self.finish = delta.stop_reason.as_deref().map(finish).or(self.finish);
            }
            Kind::MessageStop => return Ok(self.finish.is_some()),
            Kind::Error => return Err(reported(data)),
            Kind::Other => {}
        }
        Ok(false)
    }

    fn take_whole(&mut self, json: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let whole: Whole = serde_json::from_slice(json).map_err(|wrong| Fault::Unreadable(wrong.to_string()))?;
        let Whole { kind, content, stop_reason, usage } = whole;
        if kind.as_deref() == Some("error") {
            return Err(reported(json));
        }
        for (index, block) in (0..).zip(content) {
            self.has_answered = true;
            self.begin(index, block, events)?;
        }
        self.count(usage);
        self.finish = stop_reason.as_deref().map(finish).or(self.has_answered.then_some(FinishReason::Stop));
        Ok(())
    }

    fn end(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        let Some(finish) = self.finish else { return Ok(false) };
        for call in std::mem::take(&mut self.calls) {
            let PartialCall { index: _, id, name, input } = call;
            let input = if input.trim().is_empty() { "{}".to_owned() } else { input };
            events.push_back(ModelEvent::ToolCall(ToolCall { id, name, arguments: JsonText::new(input) }));
        }
        events.extend(self.thoughts.take().map(ModelEvent::Thoughts));
        self.take_usage(events);
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

impl Blocks {
    fn begin(&mut self, index: u32, block: Block, events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Block { kind, text, thinking, signature, data, id, name, input } = block;
        match kind {
            BlockKind::Text => {
                self.thoughts.begin(index, thoughts::Block::Text { text: text.clone() });
                push(events, ModelEvent::Text, text);
            }
            BlockKind::Thinking => {
                self.thoughts.begin(index, thoughts::Block::Thinking { thinking: thinking.clone(), signature });
                push(events, ModelEvent::Thinking, thinking);
            }
            BlockKind::RedactedThinking => self.thoughts.begin(index, thoughts::Block::RedactedThinking { data }),
            BlockKind::ToolUse if name.is_empty() => {
                return Err(Fault::Unreadable("a tool call without a name".to_owned()));
            }
            BlockKind::ToolUse if self.calls.len() == TOOL_CALLS_MAX => {
                return Err(Fault::Unreadable(format!("more than {TOOL_CALLS_MAX} tool calls")));
            }
            BlockKind::ToolUse => {
                // A stream begins with an empty object, which the shreds then write anew.
                let input = input.map(|input| input.get().to_owned()).filter(|input| input != "{}" && input != "null");
                self.thoughts.begin(index, thoughts::Block::ToolUse { id: id.clone() });
                self.calls.push(PartialCall { index, id, name, input: input.unwrap_or_default() });
            }
            BlockKind::Other => {}
        }
        Ok(())
    }

    fn go_on(&mut self, index: u32, delta: Delta, events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Delta { text, thinking, signature, partial_json, stop_reason: _ } = delta;
        self.thoughts.go_on(index, &text, &thinking, &signature);
        push(events, ModelEvent::Thinking, thinking);
        push(events, ModelEvent::Text, text);
        if partial_json.is_empty() {
            return Ok(());
        }
        self.input_bytes += partial_json.len();
        if self.input_bytes > INPUT_BYTES_MAX {
            return Err(Fault::Unreadable(format!("tool arguments of more than {INPUT_BYTES_MAX} bytes")));
        }
        let call = self.calls.iter_mut().rev().find(|call| call.index == index);
        call.ok_or_else(|| Fault::Unreadable("arguments of no tool call".to_owned()))?.input.push_str(&partial_json);
        Ok(())
    }

    /// The input is counted apart from what went through the cache; here it is one number.
    fn count(&mut self, counted: Counted) {
        let Counted { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens } = counted;
        let input = input_tokens.unwrap_or(0) + cache_creation_input_tokens + cache_read_input_tokens;
        let before = self.usage.unwrap_or_default();
        let usage = Usage {
            // Later events repeat it, or leave it out.
            input_tokens: if input_tokens.is_some() { input } else { before.input_tokens },
            output_tokens: output_tokens.unwrap_or(before.output_tokens),
            cached_tokens: if input_tokens.is_some() { cache_read_input_tokens } else { before.cached_tokens },
            cache_write_tokens: match input_tokens {
                Some(_) => cache_creation_input_tokens,
                None => before.cache_write_tokens,
            },
            reasoning_tokens: 0,
        };
        if usage != Usage::default() {
            self.usage = Some(usage);
        }
    }
}

fn push(events: &mut VecDeque<ModelEvent>, kind: fn(String) -> ModelEvent, text: String) {
    if !text.is_empty() {
        events.push_back(kind(text));
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        // `end_turn`, `stop_sequence`, and what may come.
        _ => FinishReason::Stop,
    }
}

/// Every kind of event at once: each has some of the fields.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    index: u32,
    #[serde(default, deserialize_with = "null_is_default")]
    message: Start,
    content_block: Option<Block>,
    #[serde(default, deserialize_with = "null_is_default")]
    delta: Delta,
    #[serde(default, deserialize_with = "null_is_default")]
    usage: Counted,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    MessageDelta,
    MessageStop,
    Error,
    #[serde(other)]
    Other,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Start {
    #[serde(deserialize_with = "null_is_default")]
    usage: Counted,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    content: Vec<Block>,
    stop_reason: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    usage: Counted,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: BlockKind,
    #[serde(default)]
    text: String,
    #[serde(default)]
    thinking: String,
    #[serde(default, deserialize_with = "null_is_default")]
    signature: String,
    #[serde(default, deserialize_with = "null_is_default")]
    data: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    input: Option<Box<RawValue>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BlockKind {
    Text,
    Thinking,
    RedactedThinking,
    ToolUse,
    #[serde(other)]
    Other,
}

/// What is new: of a block its text, thoughts or input, of the message its end.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    text: String,
    thinking: String,
    signature: String,
    partial_json: String,
    stop_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counted {
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "null_is_default")]
    cache_creation_input_tokens: u64,
    #[serde(deserialize_with = "null_is_default")]
    cache_read_input_tokens: u64,
    output_tokens: Option<u64>,
}

//! Events of a message → `ModelEvent`s. Pure.
//!
//! Text and thoughts go through at once; a tool's input comes in shreds and leaves whole at the
//! end. What is finished is said by `stop_reason`. Kinds of events and blocks that are not known
//! here are passed over, as the protocol asks.

use std::collections::VecDeque;

use claw_core::message::JsonText;
use claw_core::provider::{FinishReason, ModelEvent, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::thoughts;
use crate::body::Assembly;
use crate::fault::{Fault, reported};
use crate::gathered::{Gathered, PartialCall, object, say};
use crate::lenient::null_is_default;

/// A message under way.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    gathered: Gathered,
    thoughts: thoughts::Blocks,
}

impl Assembly for Blocks {
    fn take_event(&mut self, name: &str, data: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        if name == "error" {
            return Err(reported(data));
        }
        let Event { kind, index, message, content_block, delta, usage } = object(data)?;
        match kind {
            Kind::MessageStart => {
                self.gathered.has_answered = true;
                self.count(message.usage);
            }
            Kind::ContentBlockStart => match content_block {
                Some(block) => self.begin(index, block, events)?,
                None => return Err(Fault::Unreadable("a block that is none".to_owned())),
            },
            Kind::ContentBlockDelta => self.go_on(index, delta, events)?,
            Kind::MessageDelta => {
                self.count(usage);
                self.gathered.finish = delta.stop_reason.as_deref().map(finish).or(self.gathered.finish);
            }
            Kind::MessageStop => return Ok(self.gathered.finish.is_some()),
            Kind::Error => return Err(reported(data)),
            Kind::Other => {}
        }
        Ok(false)
    }

    fn take_whole(&mut self, json: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Whole { kind, content, stop_reason, usage } = object(json)?;
        if kind.as_deref() == Some("error") {
            return Err(reported(json));
        }
        for (index, block) in (0..).zip(content) {
            self.gathered.has_answered = true;
            self.begin(index, block, events)?;
        }
        self.count(usage);
        self.gathered.finish =
            stop_reason.as_deref().map(finish).or(self.gathered.has_answered.then_some(FinishReason::Stop));
        Ok(())
    }

    fn gathered(&mut self) -> &mut Gathered {
        &mut self.gathered
    }

    fn take_thoughts(&mut self) -> Option<JsonText> {
        self.thoughts.take()
    }
}

impl Blocks {
    fn begin(&mut self, index: u32, block: Block, events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Block { kind, text, thinking, signature, data, id, name, input } = block;
        match kind {
            BlockKind::Text => {
                self.thoughts.begin(index, thoughts::Block::Text { text: text.clone() });
                say(events, ModelEvent::Text, text);
            }
            BlockKind::Thinking => {
                self.thoughts.begin(index, thoughts::Block::Thinking { thinking: thinking.clone(), signature });
                events.push_back(ModelEvent::Thinking(thinking));
            }
            BlockKind::RedactedThinking => {
                self.thoughts.begin(index, thoughts::Block::RedactedThinking { data });
                events.push_back(ModelEvent::Thinking(String::new()));
            }
            BlockKind::ToolUse if name.is_empty() => {
                return Err(Fault::Unreadable("a tool call without a name".to_owned()));
            }
            BlockKind::ToolUse => {
                // A stream begins with an empty object, which the shreds then write anew.
                let input = input.map(|input| input.get().to_owned()).filter(|input| input != "{}" && input != "null");
                self.thoughts.begin(index, thoughts::Block::ToolUse { id: id.clone() });
                let arguments = input.unwrap_or_default();
                self.gathered.begin(PartialCall { index: Some(index), id, name, arguments, extra: None })?;
            }
            BlockKind::Other => {}
        }
        Ok(())
    }

    fn go_on(&mut self, index: u32, delta: Delta, events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Delta { text, thinking, signature, partial_json, stop_reason: _ } = delta;
        self.thoughts.go_on(index, &text, &thinking, &signature);
        say(events, ModelEvent::Thinking, thinking);
        say(events, ModelEvent::Text, text);
        if partial_json.is_empty() {
            return Ok(());
        }
        self.gathered.count_arguments(partial_json.len())?;
        let place = self.gathered.calls().iter().rposition(|call| call.index == Some(index));
        let call = place.and_then(|place| self.gathered.call_mut(place));
        call.ok_or_else(|| Fault::Unreadable("arguments of no tool call".to_owned()))?
            .arguments
            .push_str(&partial_json);
        Ok(())
    }

    /// The input is counted apart from what went through the cache; here it is one number.
    fn count(&mut self, counted: Counted) {
        let Counted { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens } = counted;
        let input = input_tokens.unwrap_or(0) + cache_creation_input_tokens + cache_read_input_tokens;
        let before = self.gathered.usage.unwrap_or_default();
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
            self.gathered.usage = Some(usage);
        }
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

//! Events of a response → `ModelEvent`s. Pure.
//!
//! Text and thoughts go through at once; a call is taken whole when its item is done. Kinds that
//! are not known here are passed over.

use std::collections::VecDeque;

use claw_core::message::JsonText;
use claw_core::provider::{FinishReason, ModelEvent, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::thoughts;
use crate::body::Assembly;
use crate::fault::{Fault, failure, reported};
use crate::gathered::{Gathered, PartialCall, object, say};
use crate::lenient::null_is_default;

/// A response under way.
#[derive(Debug, Default)]
pub(crate) struct Items {
    gathered: Gathered,
    thoughts: thoughts::Items,
    has_spoken: bool,
}

impl Assembly for Items {
    fn take_event(&mut self, name: &str, data: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        if name == "error" {
            return Err(reported(data));
        }
        let Event { kind, delta, item, summary_index, response } = object(data)?;
        self.gathered.has_answered = true;
        match kind.as_str() {
            "response.output_text.delta" => self.say(ModelEvent::Text, delta, events),
            "response.refusal.delta" => self.say(ModelEvent::Refusal, delta, events),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                say(events, ModelEvent::Thinking, delta);
            }
            // The next part of a summary is a paragraph of its own.
            "response.reasoning_summary_part.added" if summary_index > 0 => {
                say(events, ModelEvent::Thinking, "\n\n".to_owned());
            }
            "response.output_item.added" => {
                let item = item.as_deref().map(read_item).transpose()?.filter(|item| item.kind == "reasoning");
                events.extend(item.map(|_| ModelEvent::Thinking(String::new())));
            }
            "response.output_item.done" => {
                if let Some(raw) = item {
                    self.item(raw)?;
                }
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                return self.conclude(response.unwrap_or_default(), events).map(|()| true);
            }
            "error" => return Err(reported(data)),
            _ => {}
        }
        Ok(false)
    }

    fn take_whole(&mut self, json: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let whole: Response = object(json)?;
        self.gathered.has_answered = !whole.output.is_empty();
        self.conclude(whole, events)
    }

    fn gathered(&mut self) -> &mut Gathered {
        &mut self.gathered
    }

    fn take_thoughts(&mut self) -> Option<JsonText> {
        self.thoughts.take()
    }
}

impl Items {
    fn say(&mut self, how: fn(String) -> ModelEvent, text: String, events: &mut VecDeque<ModelEvent>) {
        self.has_spoken |= !text.is_empty();
        say(events, how, text);
    }

    /// Takes an item that is whole.
    fn item(&mut self, raw: Box<RawValue>) -> Result<(), Fault> {
        let item = read_item(&raw)?;
        match item.kind.as_str() {
            "reasoning" if item.encrypted_content.is_some() => self.thoughts.add(thoughts::Item::Reasoning(raw)),
            "message" => self.thoughts.add(thoughts::Item::Message),
            "function_call" => {
                let id = if item.call_id.is_empty() { item.id.clone() } else { item.call_id.clone() };
                self.thoughts.add(thoughts::Item::Call(id));
                self.call(item)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, item: Item) -> Result<(), Fault> {
        let Item { call_id, id, name, arguments, .. } = item;
        let id = if call_id.is_empty() { id } else { call_id };
        if name.is_empty() || id.is_empty() {
            return Err(Fault::Unreadable("a tool call without a name or an id".to_owned()));
        }
        self.gathered.count_arguments(arguments.len())?;
        // The whole response repeats what its events have said.
        if self.gathered.calls().iter().any(|call| call.id == id) {
            return Ok(());
        }
        self.gathered.begin(PartialCall { index: None, id, name, arguments, extra: None })
    }

    /// Takes the response as it stands at the end; what its events had not said is said now.
    fn conclude(&mut self, response: Response, events: &mut VecDeque<ModelEvent>) -> Result<(), Fault> {
        let Response { status, error, incomplete_details, output, usage } = response;
        if let Some(Counted { input_tokens, output_tokens, input_tokens_details, output_tokens_details }) = usage {
            let cached_tokens = input_tokens_details.cached_tokens;
            let reasoning_tokens = output_tokens_details.reasoning_tokens;
            self.gathered.usage =
                Some(Usage { input_tokens, output_tokens, cached_tokens, reasoning_tokens, ..Usage::default() });
        }
        if let Some(error) = error.filter(|error| error.get() != "null") {
            return Err(failure(&error));
        }
        let finish = match status.as_str() {
            "completed" => FinishReason::Stop,
            "incomplete" if incomplete_details.reason == "content_filter" => FinishReason::ContentFilter,
            "incomplete" => FinishReason::Length,
            other => return Err(Fault::Failed { status: None, message: format!("the response is {other:?}") }),
        };
        let was_silent = !self.has_spoken;
        let is_news = self.thoughts.is_empty();
        for raw in output {
            let item = read_item(&raw)?;
            match item.kind.as_str() {
                "reasoning" if is_news => {
                    let Item { content, summary, .. } = item;
                    let texts: Vec<String> = summary.into_iter().chain(content).map(|part| part.text).collect();
                    events.push_back(ModelEvent::Thinking(texts.join("\n\n")));
                }
                "message" if was_silent => {
                    for Content { text, refusal } in item.content {
                        self.say(ModelEvent::Text, text, events);
                        self.say(ModelEvent::Refusal, refusal, events);
                    }
                }
                "function_call" if !is_news => self.call(item)?,
                _ => {}
            }
            if is_news {
                self.item(raw)?;
            }
        }
        self.gathered.finish = Some(finish);
        Ok(())
    }
}

fn read_item(raw: &RawValue) -> Result<Item, Fault> {
    serde_json::from_str(raw.get()).map_err(|wrong| Fault::Unreadable(wrong.to_string()))
}

/// Every kind of event at once: each has some of the fields.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "text_or_nothing")]
    delta: String,
    item: Option<Box<RawValue>>,
    #[serde(default)]
    summary_index: u32,
    response: Option<Response>,
}

/// Of events that are not known here the delta may be anything.
fn text_or_nothing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let raw: Box<RawValue> = Deserialize::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response {
    #[serde(deserialize_with = "null_is_default")]
    status: String,
    error: Option<Box<RawValue>>,
    #[serde(deserialize_with = "null_is_default")]
    incomplete_details: Incomplete,
    #[serde(deserialize_with = "null_is_default")]
    output: Vec<Box<RawValue>>,
    usage: Option<Counted>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Incomplete {
    #[serde(deserialize_with = "null_is_default")]
    reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    #[serde(deserialize_with = "null_is_default")]
    call_id: String,
    #[serde(deserialize_with = "null_is_default")]
    id: String,
    #[serde(deserialize_with = "null_is_default")]
    name: String,
    #[serde(deserialize_with = "null_is_default")]
    arguments: String,
    #[serde(deserialize_with = "null_is_default")]
    content: Vec<Content>,
    #[serde(deserialize_with = "null_is_default")]
    summary: Vec<Content>,
    encrypted_content: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    #[serde(deserialize_with = "null_is_default")]
    text: String,
    #[serde(deserialize_with = "null_is_default")]
    refusal: String,
}

#[derive(Deserialize)]
struct Counted {
    #[serde(default, deserialize_with = "null_is_default")]
    input_tokens: u64,
    #[serde(default, deserialize_with = "null_is_default")]
    output_tokens: u64,
    #[serde(default, deserialize_with = "null_is_default")]
    input_tokens_details: InputDetails,
    #[serde(default, deserialize_with = "null_is_default")]
    output_tokens_details: OutputDetails,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    #[serde(deserialize_with = "null_is_default")]
    reasoning_tokens: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    #[serde(deserialize_with = "null_is_default")]
    cached_tokens: u64,
}

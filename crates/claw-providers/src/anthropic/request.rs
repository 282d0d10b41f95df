//! `ModelRequest` → the body of a question to Anthropic.
//!
//! What the protocol has no word for – a seed, penalties – is left out. A conversation has to
//! begin with the user, and the tools' answers to one message are one message.

use std::borrow::Cow;
use std::io::Write;

use claw_core::message::{JsonText, Message, Part, Thoughts, ToolCall, turn_begins};
use claw_core::provider::{ModelRequest, Sampling, Thinking, ToolChoice, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{thoughts, version};
use crate::source::{Unwritable, parted, write_json};

/// The least budget for thinking that is taken.
const BUDGET_TOKENS_MIN: u32 = 1_024;

/// Makes a model that knows no formats answer in JSON.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else.";

/// Writes the body; `answer_tokens_max` is the model's own limit, when it is configured or its vendor says so.
pub(super) fn write(
    request: &ModelRequest,
    answer_tokens_max: Option<u32>,
    to: &mut dyn Write,
) -> Result<(), Unwritable> {
    let ModelRequest { model, messages, tools, tool_choice, sampling, thinking, conversation: _, stream } = request;
    let (messages, alone) = parted(messages);
    // Seed, penalties and verbosity have no place here.
    let Sampling {
        temperature,
        top_p,
        max_tokens,
        stop,
        seed: _,
        presence_penalty: _,
        frequency_penalty: _,
        response_format,
        parallel_tool_calls,
        verbosity: _,
        reasoning_summary: _,
    } = sampling;
    let format = response_format.as_ref().map(wanted_format).transpose()?.flatten();
    let limit = answer_tokens_max.or_else(|| version::answer_tokens_max(model));
    let thinking = thinking.filter(|_| may_think(messages, tool_choice)).and_then(|level| thought(model, level, limit));
    let is_free = thinking.is_some() || version::samples_by_itself(model);
    let answer = max_tokens.or(answer_tokens_max).unwrap_or_else(|| version::answer_tokens(model));
    let limit = limit.unwrap_or(u32::MAX);
    // A budget counts as part of the answer, which the caller meant without it.
    let budget = thinking.as_ref().map_or(0, |thinking| thinking.budget_tokens.unwrap_or(0));
    let outgoing = Outgoing {
        model,
        max_tokens: answer.saturating_add(if max_tokens.is_some() || answer <= budget { budget } else { 0 }).min(limit),
        system: system(messages, matches!(format, Some(Format::Object))),
        messages: match alone {
            Some(text) => vec![Turn { role: "user", content: vec![Block::text(text)] }],
            None => turns(messages)?,
        },
        stream: *stream,
        tools: tools.iter().map(|tool| outgoing_tool(tool, model)).collect::<Result<_, _>>()?,
        tool_choice: if tools.is_empty() { None } else { outgoing_choice(tool_choice, *parallel_tool_calls) },
        output_config: output_config(&thinking, format),
        thinking: thinking.map(|thinking| thinking.outgoing()),
        // From 0 to 1 here, and one of the two is enough for newer models.
        temperature: temperature.filter(|_| !is_free).map(|temperature| temperature.clamp(0.0, 1.0)),
        top_p: top_p.filter(|_| !is_free && temperature.is_none()),
        stop_sequences: stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect(),
    };
    write_json(&outgoing, to)
}

/// Whether thinking can be asked for: not with a forced tool, and while tools are answered only where
/// the turn's own thoughts come along.
fn may_think(messages: &[Message], choice: &ToolChoice) -> bool {
    let turn = messages.get(turn_begins(messages)..).unwrap_or_default();
    // The first answer of a turn tells for all: later ones of the same turn need not have thought anew.
    let first = turn.iter().find(|message| matches!(message, Message::Assistant { .. }));
    let is_signed = match first {
        Some(Message::Assistant { thoughts, .. }) => {
            thoughts.as_ref().is_some_and(|thoughts| thoughts::read(&thoughts.payload).is_some())
        }
        Some(_) | None => true,
    };
    is_signed && matches!(choice, ToolChoice::Auto | ToolChoice::None)
}

/// How much to think, in the words the model knows.
struct Thought {
    effort: Option<&'static str>,
    budget_tokens: Option<u32>,
}

impl Thought {
    fn outgoing(&self) -> OutgoingThinking {
        match self.budget_tokens {
            Some(budget_tokens) => OutgoingThinking::Enabled { budget_tokens },
            None => OutgoingThinking::Adaptive,
        }
    }
}

/// Nothing where the model cannot think, or its answer, of which thoughts are a part, has no room for it.
fn thought(model: &str, level: Thinking, limit: Option<u32>) -> Option<Thought> {
    if !version::thinks(model) {
        return None;
    }
    let (effort, budget) = match level {
        Thinking::Off => return None,
        Thinking::Minimal => ("low", BUDGET_TOKENS_MIN),
        Thinking::Low => ("low", 4_096),
        Thinking::Medium => ("medium", 10_240),
        Thinking::High => ("high", 24_576),
    };
    if version::is_adaptive(model) {
        return Some(Thought { effort: Some(effort), budget_tokens: None });
    }
    // Some is left to answer with.
    let budget = budget.min(limit.map_or(u32::MAX, |limit| limit - limit / 4));
    (budget >= BUDGET_TOKENS_MIN).then_some(Thought { effort: None, budget_tokens: Some(budget) })
}

/// The wanted format of an answer.
enum Format {
    /// Any JSON object.
    Object,
    Schema(Box<RawValue>),
}

#[derive(Deserialize)]
struct WantedFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<WantedSchema>,
}

#[derive(Deserialize)]
struct WantedSchema {
    schema: Option<Box<RawValue>>,
}

fn wanted_format(format: &JsonText) -> Result<Option<Format>, Unwritable> {
    let wanted: WantedFormat =
        serde_json::from_str(format.as_str()).map_err(|_| Unwritable::NotJson("response_format".to_owned()))?;
    Ok(match (wanted.kind.as_str(), wanted.json_schema.and_then(|named| named.schema)) {
        ("json_schema", Some(schema)) => Some(Format::Schema(schema)),
        ("json_object" | "json_schema", _) => Some(Format::Object),
        _ => None,
    })
}

fn output_config(thinking: &Option<Thought>, format: Option<Format>) -> Option<OutputConfig> {
    let effort = thinking.as_ref().and_then(|thinking| thinking.effort);
    let format = match format {
        Some(Format::Schema(schema)) => Some(OutgoingFormat { kind: "json_schema", schema }),
        Some(Format::Object) | None => None,
    };
    (effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format })
}

fn system(messages: &[Message], json_only: bool) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = messages
        .iter()
        .filter_map(|message| match message {
            Message::System { text } if !text.is_empty() => Some(Block::text(text)),
            _ => None,
        })
        .collect();
    // What is the same in every question of a conversation is worth the provider's cache.
    if let Some(Block::Text { cache_control, .. }) = blocks.last_mut() {
        *cache_control = Some(Cache::EPHEMERAL);
    }
    if json_only {
        blocks.push(Block::text(JSON_ONLY));
    }
    blocks
}

/// The conversation as turns of user and assistant, from the user's first on.
fn turns(messages: &[Message]) -> Result<Vec<Turn<'_>>, Unwritable> {
    let first = messages.iter().position(|message| matches!(message, Message::User { .. })).unwrap_or(0);
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for message in messages.get(first..).unwrap_or_default() {
        let (role, content) = match message {
            Message::System { .. } => continue,
            Message::User { content } => ("user", content.iter().filter_map(outgoing_part).collect()),
            Message::Assistant { text, tool_calls, thoughts } => {
                ("assistant", thought_and_said(thoughts.as_deref(), text, tool_calls))
            }
            Message::Tool { call_id, text, is_error } => {
                let tool_use_id = allowed_id(call_id);
                ("user", vec![Block::ToolResult { tool_use_id, content: text, is_error: *is_error }])
            }
        };
        match turns.last_mut() {
            _ if content.is_empty() => {}
            Some(last) if last.role == role => last.content.extend(content),
            _ => turns.push(Turn { role, content }),
        }
    }
    if let Some(Block::Text { cache_control, .. }) = turns.last_mut().and_then(|turn| turn.content.last_mut()) {
        *cache_control = Some(Cache::EPHEMERAL);
    }
    Ok(turns)
}

fn outgoing_part(part: &Part) -> Option<Block<'_>> {
    match part {
        Part::Text { text } if text.is_empty() => None,
        Part::Text { text } => Some(Block::text(text)),
        // There is no word for how closely to look at it.
        Part::Image { url, detail: _ } => Some(Block::Image { source: source(url) }),
        Part::File { url, name } => Some(Block::Document { source: source(url), title: name.as_deref() }),
    }
}

fn source(url: &str) -> Source<'_> {
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inline {
        Some((kind, data)) => {
            // Parameters between kind and data say nothing here.
            let media_type = kind.split(';').next().unwrap_or(kind);
            Source::Base64 { media_type, data }
        }
        None => Source::Url { url },
    }
}

/// What was said, behind the thoughts that led to it; each block where it stood.
fn thought_and_said<'a>(thoughts: Option<&'a Thoughts>, text: &'a str, calls: &'a [ToolCall]) -> Vec<Block<'a>> {
    let kept = thoughts.and_then(|thoughts| thoughts::read(&thoughts.payload));
    let Some(kept) = kept else { return said(text, calls).collect() };
    let mut left: Vec<&ToolCall> = calls.iter().collect();
    let mut blocks: Vec<Block<'a>> = Vec::with_capacity(kept.len());
    for block in kept {
        match block {
            thoughts::Block::Thinking { thinking, signature } => blocks.push(Block::Thinking { thinking, signature }),
            thoughts::Block::RedactedThinking { data } => blocks.push(Block::RedactedThinking { data }),
            thoughts::Block::Text { text } if text.trim().is_empty() => {}
            thoughts::Block::Text { text } => blocks.push(Block::Text { text: text.into(), cache_control: None }),
            thoughts::Block::ToolUse { id } => {
                if let Some(place) = left.iter().position(|call| call.id == id) {
                    blocks.push(called(left.remove(place)));
                }
            }
        }
    }
    blocks.extend(left.into_iter().map(called));
    blocks
}

fn said<'a>(text: &'a str, calls: &'a [ToolCall]) -> impl Iterator<Item = Block<'a>> {
    let spoken = Some(text).filter(|text| !text.trim().is_empty()).map(Block::text);
    spoken.into_iter().chain(calls.iter().map(called))
}

fn called(ToolCall { id, name, arguments }: &ToolCall) -> Block<'_> {
    let input: Option<&RawValue> = serde_json::from_str(arguments.as_str()).ok();
    let input = input.filter(|input| input.get().starts_with('{')).unwrap_or(RawValue::NULL);
    Block::ToolUse { id: allowed_id(id), name, input: Input(input) }
}

/// Ids that other providers made may have letters that are refused here.
fn allowed_id(id: &str) -> Cow<'_, str> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    match id.chars().all(is_allowed) {
        true => Cow::Borrowed(id),
        false => Cow::Owned(id.chars().map(|letter| if is_allowed(letter) { letter } else { '_' }).collect()),
    }
}

fn outgoing_tool<'a>(tool: &'a ToolSpec, model: &str) -> Result<OutgoingTool<'a>, Unwritable> {
    let ToolSpec { name, description, parameters, strict } = tool;
    let input_schema = serde_json::from_str(parameters.as_str())
        .map_err(|_| Unwritable::NotJson(format!("the schema of tool {name:?}")))?;
    let strict = *strict == Some(true) && version::is_strict(model);
    Ok(OutgoingTool { name, description, input_schema, strict })
}

fn outgoing_choice(choice: &ToolChoice, parallel: Option<bool>) -> Option<OutgoingChoice<'_>> {
    let one = parallel == Some(false);
    match choice {
        ToolChoice::Auto if !one => None,
        ToolChoice::Auto => Some(OutgoingChoice::Auto { disable_parallel_tool_use: one }),
        ToolChoice::None => Some(OutgoingChoice::None),
        ToolChoice::Required => Some(OutgoingChoice::Any { disable_parallel_tool_use: one }),
        ToolChoice::Named(name) => Some(OutgoingChoice::Tool { name, disable_parallel_tool_use: one }),
    }
}

#[derive(Serialize)]
struct Outgoing<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutgoingTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutgoingChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<OutgoingThinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Thinking {
        thinking: String,
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Cache>,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Input<'a>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

impl<'a> Block<'a> {
    fn text(text: &'a str) -> Self {
        Self::Text { text: text.into(), cache_control: None }
    }
}

/// A call's arguments; an empty object where they are none.
struct Input<'a>(&'a RawValue);

impl Serialize for Input<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.get() {
            "null" => serde::ser::SerializeMap::end(serializer.serialize_map(Some(0))?),
            _ => self.0.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct Cache {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Cache {
    const EPHEMERAL: Self = Self { kind: "ephemeral" };
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
}

#[derive(Serialize)]
struct OutgoingTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: &'a RawValue,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OutgoingChoice<'a> {
    None,
    Auto {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Any {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Tool {
        name: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OutgoingThinking {
    Enabled { budget_tokens: u32 },
    Adaptive,
}

#[derive(Serialize)]
struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutgoingFormat>,
}

#[derive(Serialize)]
struct OutgoingFormat {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Box<RawValue>,
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;

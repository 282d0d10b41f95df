//! What a chat completion looks like on its way in: one chunk of a stream, or the whole answer.
//!
//! Servers differ in what they leave out, so nearly everything may be absent or null.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// One chunk, one whole answer, or an error in place of either.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    #[serde(deserialize_with = "null_is_default")]
    pub(super) choices: Vec<Choice>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<Box<RawValue>>,
    /// `"error"` where a server puts the error's fields at the top.
    pub(super) object: Option<Object>,
    pub(super) message: Option<Box<RawValue>>,
    pub(super) detail: Option<Box<RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    #[serde(deserialize_with = "null_is_default")]
    pub(super) index: u32,
    /// In a stream.
    pub(super) delta: Option<Delta>,
    /// In a whole answer.
    pub(super) message: Option<Delta>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta {
    pub(super) content: Text,
    pub(super) reasoning_content: Text,
    /// The same under another name; some servers send both.
    pub(super) reasoning: Text,
    pub(super) refusal: Text,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) tool_calls: Vec<ToolCallDelta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolCallDelta {
    pub(super) index: Option<u32>,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) id: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) function: FunctionDelta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FunctionDelta {
    #[serde(deserialize_with = "null_is_default")]
    pub(super) name: String,
    /// A text of JSON; some servers send the JSON itself.
    pub(super) arguments: Option<Box<RawValue>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    #[serde(deserialize_with = "null_is_default")]
    pub(super) prompt_tokens: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) completion_tokens: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) prompt_tokens_details: PromptDetails,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct PromptDetails {
    #[serde(deserialize_with = "null_is_default")]
    pub(super) cached_tokens: u64,
}

/// The kind of object, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Object {
    Error,
    #[serde(other)]
    Other,
}

/// The fields of an error that say what happened.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorFields {
    pub(super) message: Text,
    #[serde(rename = "type")]
    pub(super) kind: Text,
    pub(super) code: Option<Box<RawValue>>,
}

/// A text, or null, or a list of typed parts of which the text counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
    fn visit_string<E>(self, text: String) -> Result<String, E> {
        Ok(text)
    }
    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<String, A::Error> {
        let mut whole = String::new();
        while let Some(part) = parts.next_element::<TextPart>()? {
            whole.push_str(&part.text.unwrap_or_default());
        }
        Ok(whole)
    }
}

#[derive(Deserialize)]
struct TextPart {
    text: Option<String>,
    #[serde(rename = "thinking")]
    _thinking: Option<IgnoredAny>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

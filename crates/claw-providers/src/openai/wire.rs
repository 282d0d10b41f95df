//! What a chat completion looks like on its way in: one chunk of a stream, or the whole answer.
//!
//! Servers differ in what they leave out, so nearly everything may be absent or null.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lenient::{Text, null_is_default};

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
    /// The same in OpenRouter's own form, signed or sealed where its model does so.
    pub(super) reasoning_details: Option<Box<RawValue>>,
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
    /// Google's signature of the thoughts that led to it.
    pub(super) extra_content: Option<Box<RawValue>>,
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
    #[serde(deserialize_with = "null_is_default")]
    pub(super) completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct CompletionDetails {
    #[serde(deserialize_with = "null_is_default")]
    pub(super) reasoning_tokens: u64,
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

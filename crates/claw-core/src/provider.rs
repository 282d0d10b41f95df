//! The port to a source of model output.

mod error;

pub use error::ProviderError;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::embedding::{EmbeddingRequest, Embeddings};
use crate::message::{JsonText, Message, ToolCall};

/// Answers one request at a time with a stream of events.
///
/// Laws: the stream ends after the first `Done` or the first error; `Done` comes only when the
/// upstream said it finished (G8); dropping the stream closes the upstream within a second.
pub trait Provider: Send + Sync {
    /// The configured name, as in `<provider>/<model>`.
    fn id(&self) -> &str;
    /// The models it is known to have; requests for others may still succeed.
    fn models(&self) -> Vec<ModelInfo>;
    /// What is known of a model that is not among them.
    fn known(&self, _model: &str) -> Option<ModelInfo> {
        None
    }
    /// Whether a model wants its reasoning back for as long as its calls are shown, and not only until the user speaks again.
    fn keeps_thoughts(&self, _model: &str) -> bool {
        false
    }
    /// Starts answering. Nothing is sent before the stream is first polled.
    fn stream(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ProviderError>>;
    /// Where its server is. One that tells no address is handed none: what it would fetch is fetched here.
    fn address(&self) -> Option<&str> {
        None
    }
    /// Turns texts into vectors, as far as it can do that at all. Cancel-safe: dropping closes the connection.
    fn embed(&self, _request: EmbeddingRequest) -> BoxFuture<'static, Result<Embeddings, ProviderError>> {
        let cause = "it makes no embeddings".to_owned();
        let error = ProviderError::Unsupported { provider: self.id().to_owned(), cause };
        Box::pin(std::future::ready(Err(error)))
    }
}

/// A model in a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The provider's name for it.
    pub name: String,
    /// A name for people, when there is one.
    pub display_name: Option<String>,
    /// How many tokens fit, when known.
    pub context_tokens: Option<u32>,
    /// How many tokens one answer may have, when known.
    pub output_tokens_max: Option<u32>,
    /// What it costs, when known.
    pub price: Option<Price>,
    /// Whether it can call tools.
    pub tools: bool,
    /// Whether it is shown pictures, when known.
    pub images: Option<bool>,
    /// Whether it reasons before it answers, when known.
    pub thinking: Option<bool>,
}

impl ModelInfo {
    /// A model of which only the name is known; believed to call tools.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            display_name: None,
            context_tokens: None,
            output_tokens_max: None,
            price: None,
            tools: true,
            images: None,
            thinking: None,
        }
    }
}

/// What a model costs, in millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// For the question.
    pub input: u64,
    /// For the answer.
    pub output: u64,
    /// For what comes from the provider's cache.
    pub cache_read: u64,
    /// For what goes into it.
    pub cache_write: u64,
}

impl Price {
    /// What this many tokens cost, in millionths of a US dollar: of the question, of the answer, from the cache, into it.
    /// What came from a cache or went into one is part of the question, and paid there.
    pub fn of(self, usage: Usage) -> [u64; 4] {
        let cost = |tokens: u64, price: u64| {
            let millionths = u128::from(tokens) * u128::from(price) / 1_000_000;
            u64::try_from(millionths).unwrap_or(u64::MAX)
        };
        let fresh = usage.input_tokens.saturating_sub(usage.cached_tokens.saturating_add(usage.cache_write_tokens));
        [
            cost(fresh, self.input),
            cost(usage.output_tokens, self.output),
            cost(usage.cached_tokens, self.cache_read),
            cost(usage.cache_write_tokens, self.cache_write),
        ]
    }
}

/// How much a model should reason before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thinking {
    /// Not at all.
    Off,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

impl Thinking {
    /// The level of that name; nothing for a name nobody knows.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "off" | "none" => Self::Off,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            _ => return None,
        })
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One question to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// The provider's name of the model.
    pub model: String,
    /// The conversation, system messages first.
    pub messages: Arc<[Message]>,
    /// Tools it may call.
    pub tools: Arc<[ToolSpec]>,
    /// Whether it must.
    pub tool_choice: ToolChoice,
    /// How to sample.
    pub sampling: Sampling,
    /// How much to reason; `None` leaves the provider's default.
    pub thinking: Option<Thinking>,
    /// A stable name of the conversation, so that caches can be found again.
    pub conversation: String,
    /// Whether somebody wants the answer piece by piece. Without it a provider may ask for it
    /// whole, which is cheaper; the events are the same, only fewer.
    pub stream: bool,
}

/// A tool as a model sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON schema of its arguments.
    pub parameters: JsonText,
    /// Whether a model's arguments must fit the schema to the letter, where its owner says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

impl ToolSpec {
    /// A tool of that name, as strict as its model's provider likes.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: JsonText) -> Self {
        Self { name: name.into(), description: description.into(), parameters, strict: None }
    }
}

/// Whether the model has to call a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// No tool.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// How output is sampled; `None` leaves the provider's default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// 0 to 1.
    pub top_p: Option<f32>,
    /// Most tokens to generate.
    pub max_tokens: Option<u32>,
    /// Texts that end the output; at most four.
    pub stop: Vec<String>,
    /// Makes sampling repeatable where the provider can.
    pub seed: Option<i64>,
    /// -2 to 2.
    pub presence_penalty: Option<f32>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// The wanted output format as the client's JSON, passed through.
    pub response_format: Option<JsonText>,
    /// Whether several tools may be called in one answer.
    pub parallel_tool_calls: Option<bool>,
    /// How many words to make: `low`, `medium` or `high`.
    pub verbosity: Option<String>,
    /// How to sum up its reasoning for people: `auto`, `concise` or `detailed`.
    pub reasoning_summary: Option<String>,
}

/// Tokens used; the one struct behind all four wire spellings (K13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// How many of the input came from a cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// How many of the input went into one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// How many of the output were reasoning, where the provider tells them apart.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Usage {
    /// Input and output. Servers say what they like, so sums end at the largest number.
    pub const fn total(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
    /// Both together.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_add(other.cache_write_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
        }
    }
    /// What came to `earlier` since.
    pub const fn beyond(self, earlier: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_sub(earlier.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(earlier.output_tokens),
            cached_tokens: self.cached_tokens.saturating_sub(earlier.cached_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_sub(earlier.cache_write_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_sub(earlier.reasoning_tokens),
        }
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It was done, or met a stop text.
    Stop,
    /// `max_tokens` or the context ran out.
    Length,
    /// It wants tools run.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
}

impl FinishReason {
    /// OpenAI's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// One thing a model did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelEvent {
    /// More text.
    Text(String),
    /// More of the words with which it refuses; they end what it says.
    Refusal(String),
    /// More of its reasoning; an empty one says that it reasons, where it does so silently.
    Thinking(String),
    /// A whole tool call, arguments complete.
    ToolCall(ToolCall),
    /// Its reasoning in the provider's own form, to be given back with the tools' answers.
    Thoughts(JsonText),
    /// Tokens so far; the last one counts.
    Usage(Usage),
    /// It was ended before it had said that it was done; `Done` follows. Only whole runs of another gateway
    /// are, never a model's answer.
    Cut(Cut),
    /// It finished.
    Done(FinishReason),
}

/// How a run of another gateway was ended there, in order, without the word that it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// It says that the time it gives a run was over, in these words.
    Limit(String),
    /// It says that something took too long, in these words: the run, or a model that it asked.
    TimedOut(String),
    /// It gave no reason at all. First-generation gateways never do, whatever ended the run.
    Unexplained {
        /// Whether there was an answer.
        has_answered: bool,
    },
}

#[cfg(test)]
#[path = "provider/tests.rs"]
mod tests;

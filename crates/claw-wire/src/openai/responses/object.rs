//! The response object: every field of it present, whatever its state.

use claw_core::provider::{FinishReason, Usage as CoreUsage};
use claw_core::task::{Failure, FailureReason, Reasoned, TaskState};
use claw_core::{Message, Output, Task, TaskId, Text, Thoughts, ToolCall};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Kept;
use super::sealed::seal;
use super::shown::{ShownItem, ShownPart, parts};

/// A value that is carried as the JSON it is.
pub(super) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("texts, numbers and JSON can always be written as JSON")
}

/// `response`.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Response<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created_at: i64,
    pub completed_at: Option<i64>,
    pub status: &'static str,
    pub background: bool,
    pub error: Option<ResponseError<'a>>,
    pub incomplete_details: Option<Incomplete>,
    pub instructions: Option<&'a str>,
    pub max_output_tokens: Option<u32>,
    pub max_tool_calls: Option<u32>,
    pub model: &'a str,
    pub output: Vec<ShownItem<'a>>,
    pub parallel_tool_calls: bool,
    pub previous_response_id: Option<&'a str>,
    pub conversation: Option<ConversationId<'a>>,
    pub prompt_cache_key: Option<&'a str>,
    pub reasoning: Reasoning<'a>,
    pub safety_identifier: Option<&'a str>,
    pub service_tier: &'static str,
    pub store: bool,
    pub temperature: f32,
    pub text: &'a RawValue,
    pub tool_choice: &'a RawValue,
    pub tools: &'a RawValue,
    pub top_logprobs: u32,
    pub top_p: f32,
    pub presence_penalty: f32,
    pub frequency_penalty: f32,
    pub truncation: &'a str,
    pub usage: Option<Usage>,
    pub user: Option<&'a str>,
    pub metadata: &'a std::collections::BTreeMap<String, String>,
    #[serde(skip)]
    kept: &'a Kept,
}

/// Why a response failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResponseError<'a> {
    /// `server_error`, `rate_limit_exceeded` or `invalid_prompt`.
    pub code: &'static str,
    /// For people.
    pub message: &'a str,
}

/// Why a response is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Incomplete {
    /// `max_output_tokens` or `content_filter`.
    pub reason: &'static str,
}

/// How much was reasoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Reasoning<'a> {
    pub effort: Option<&'a str>,
    pub summary: Option<&'a str>,
}

/// The conversation a response belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConversationId<'a> {
    /// As the client spelled it.
    pub id: &'a str,
}

/// Tokens in this route's spelling (K13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Usage {
    pub input_tokens: u64,
    pub input_tokens_details: InputTokens,
    pub output_tokens: u64,
    pub output_tokens_details: OutputTokens,
    pub total_tokens: u64,
}

/// More about the tokens of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct InputTokens {
    pub cached_tokens: u64,
    pub cache_write_tokens: u64,
}

/// More about the tokens of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OutputTokens {
    /// 0 where the provider does not tell them apart.
    pub reasoning_tokens: u64,
}

impl From<CoreUsage> for Usage {
    fn from(usage: CoreUsage) -> Self {
        let CoreUsage { input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens } = usage;
        Self {
            input_tokens,
            input_tokens_details: InputTokens { cached_tokens, cache_write_tokens },
            output_tokens,
            output_tokens_details: OutputTokens { reasoning_tokens },
            total_tokens: usage.total(),
        }
    }
}

impl<'a> Response<'a> {
    /// A response that has no answer yet.
    pub fn open(id: &'a str, created_at: i64, status: &'static str, kept: &'a Kept) -> Self {
        Self {
            id,
            object: "response",
            created_at,
            completed_at: None,
            status,
            background: kept.background,
            error: None,
            incomplete_details: None,
            instructions: kept.instructions.as_deref(),
            max_output_tokens: kept.max_output_tokens,
            max_tool_calls: kept.max_tool_calls,
            model: &kept.model,
            output: Vec::new(),
            parallel_tool_calls: kept.parallel_tool_calls,
            previous_response_id: kept.previous_response_id.as_deref(),
            conversation: kept.conversation.as_deref().map(|id| ConversationId { id }),
            prompt_cache_key: kept.prompt_cache_key.as_deref(),
            reasoning: Reasoning { effort: kept.effort.as_deref(), summary: kept.summary.as_deref() },
            safety_identifier: kept.safety_identifier.as_deref(),
            service_tier: "default",
            store: kept.store,
            temperature: kept.temperature.unwrap_or(1.0),
            text: &kept.text,
            tool_choice: &kept.tool_choice,
            tools: &kept.tools,
            top_logprobs: 0,
            top_p: kept.top_p.unwrap_or(1.0),
            presence_penalty: kept.presence_penalty.unwrap_or(0.0),
            frequency_penalty: kept.frequency_penalty.unwrap_or(0.0),
            truncation: &kept.truncation,
            usage: None,
            user: kept.user.as_deref(),
            metadata: &kept.metadata,
            kept,
        }
    }

    /// The same with its answer.
    pub fn with_output(self, task: TaskId, output: &'a Output, at: i64) -> Self {
        let reason = incomplete(output.finish);
        Self {
            status: if reason.is_some() { "incomplete" } else { "completed" },
            incomplete_details: reason.map(|reason| Incomplete { reason }),
            completed_at: reason.is_none().then_some(at),
            output: pieces(output).into_iter().map(|piece| piece.shown(task, self.kept)).collect(),
            usage: Some(output.usage.into()),
            ..self
        }
    }

    /// The same where nothing was to be answered.
    pub fn prepared(self, at: i64) -> Self {
        Self { completed_at: Some(at), usage: Some(CoreUsage::default().into()), ..self }
    }

    /// The same with what became of it.
    pub fn with_failure(self, code: &'static str, message: &'a str) -> Self {
        Self { status: "failed", error: Some(ResponseError { code, message }), ..self }
    }

    /// The same with what was said before that.
    pub fn with_items(self, output: Vec<ShownItem<'a>>) -> Self {
        Self { output, ..self }
    }

    /// A task as a response; `id` is [`response_id`](super::response_id)'s.
    pub fn of(id: &'a str, task: &'a Task, kept: &'a Kept) -> Self {
        let open = |status| Self::open(id, task.created_at.seconds(), status, kept);
        match &task.state {
            TaskState::Queued { .. } => open("queued"),
            TaskState::Running { .. } => open("in_progress"),
            TaskState::Completed { output, at } => open("completed").with_output(task.id, output, at.seconds()),
            TaskState::Failed { failure: Failure { reason, message, .. }, at: _ } => {
                open("failed").with_failure(error_code(*reason), message)
            }
            TaskState::Cancelled { at: _ } => open("cancelled"),
        }
    }
}

/// This route's word for a kind of failure.
pub const fn error_code(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::RateLimited => "rate_limit_exceeded",
        FailureReason::Request | FailureReason::UnknownModel => "invalid_prompt",
        FailureReason::Provider
        | FailureReason::Interrupted
        | FailureReason::Poisoned
        | FailureReason::Limit
        | FailureReason::Internal => "server_error",
    }
}

/// Why an answer is not whole.
const fn incomplete(finish: FinishReason) -> Option<&'static str> {
    match finish {
        FinishReason::Stop | FinishReason::ToolCalls => None,
        FinishReason::Length => Some("max_output_tokens"),
        FinishReason::ContentFilter => Some("content_filter"),
    }
}

/// The id of a response's message number `index`.
pub(super) fn message_id(task: TaskId, index: usize) -> String {
    let name = task.uuid().as_simple().to_string();
    if index == 0 { format!("msg_{name}") } else { format!("msg_{name}_{index}") }
}

/// The id of a response's function call.
pub(super) fn call_id(task: TaskId, index: usize) -> String {
    format!("fc_{}_{index}", task.uuid().as_simple())
}

/// The id of a response's reasoning number `index`.
pub(super) fn reasoning_id(task: TaskId, index: usize) -> String {
    format!("rs_{}_{index}", task.uuid().as_simple())
}

/// What its provider wants back of a reasoning, as a client keeps it, if that was asked for.
pub(super) fn sealed(kept: &Kept, thoughts: Option<&Thoughts>) -> Option<String> {
    thoughts.filter(|_| kept.sealed).map(seal)
}

/// One item of an answer, with its number among its kind.
pub(super) enum Piece<'a> {
    Reasoned(usize, &'a Reasoned),
    Said { number: usize, said: &'a str, refusal: Option<&'a str>, status: &'static str },
    Called(usize, &'a ToolCall),
}

/// What an answer consists of, in order.
pub(super) fn pieces(output: &Output) -> Vec<Piece<'_>> {
    let Output { asides, reasoned, tool_calls, finish, .. } = output;
    let mut pieces = Vec::with_capacity(1 + asides.len() + reasoned.len() + tool_calls.len());
    let mut thoughts = reasoned.iter().enumerate().peekable();
    for number in 0..=asides.len() {
        while let Some((place, thought)) = thoughts.next_if(|(_, thought)| thought.behind <= number) {
            pieces.push(Piece::Reasoned(place, thought));
        }
        match asides.get(number) {
            Some(said) => pieces.push(Piece::Said { number, said, refusal: None, status: "completed" }),
            // Calls alone need no message.
            None if output.text.is_empty() && !tool_calls.is_empty() => {}
            None => {
                let (said, refusal) = output.said();
                let status = if incomplete(*finish).is_some() { "incomplete" } else { "completed" };
                pieces.push(Piece::Said { number, said, refusal, status });
            }
        }
    }
    pieces.extend(tool_calls.iter().enumerate().map(|(number, call)| Piece::Called(number, call)));
    pieces
}

impl<'a> Piece<'a> {
    /// Its id.
    pub(super) fn id(&self, task: TaskId) -> String {
        match self {
            Self::Reasoned(number, _) => reasoning_id(task, *number),
            Self::Said { number, .. } => message_id(task, *number),
            Self::Called(number, _) => call_id(task, *number),
        }
    }

    /// As answers show it.
    fn shown(self, task: TaskId, kept: &Kept) -> ShownItem<'a> {
        let id = self.id(task);
        match self {
            Self::Reasoned(_, Reasoned { behind: _, text, thoughts }) => {
                let is_told = kept.summary.is_some() && !text.is_empty();
                let summary = is_told.then_some(ShownPart::SummaryText { text }).into_iter().collect();
                ShownItem::Reasoning { id, summary, encrypted_content: sealed(kept, thoughts.as_deref()) }
            }
            Self::Said { number: _, said, refusal, status } => {
                ShownItem::Message { id, status, role: "assistant", content: parts(said, refusal) }
            }
            Self::Called(number, call) => called(task, number, call, "completed"),
        }
    }

    /// As it is said again.
    pub(super) fn to_message(&self) -> Message {
        let bare = |text: String, calls: Vec<ToolCall>| Message::assistant(text, calls);
        match *self {
            Self::Reasoned(_, Reasoned { thoughts, .. }) => {
                Message::Assistant { text: Text::default(), tool_calls: Vec::new(), thoughts: thoughts.clone() }
            }
            Self::Said { said, refusal, .. } => bare(format!("{said}{}", refusal.unwrap_or_default()), Vec::new()),
            Self::Called(_, call) => bare(String::new(), vec![call.clone()]),
        }
    }
}

/// A call of a client's tool.
pub(super) fn called<'a>(task: TaskId, index: usize, call: &'a ToolCall, status: &'static str) -> ShownItem<'a> {
    let ToolCall { id, name, arguments } = call;
    ShownItem::FunctionCall { id: call_id(task, index), status, call_id: id, name, arguments: arguments.as_str() }
}

/// The answer to a deleted response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct Deleted<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub deleted: bool,
}

impl<'a> Deleted<'a> {
    /// Says so.
    pub const fn new(id: &'a str) -> Self {
        Self { id, object: "response", deleted: true }
    }
}

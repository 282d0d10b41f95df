//! The response object: every field of it present, whatever its state.

use claw_core::provider::{FinishReason, Usage as CoreUsage};
use claw_core::task::{Failure, FailureReason, TaskState};
use claw_core::{Output, Task, TaskId, ToolCall};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Kept;
use super::shown::ShownItem;

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
        }
    }

    /// The same with its answer.
    pub fn with_output(self, task: TaskId, output: &'a Output, at: i64) -> Self {
        let reason = incomplete(output.finish);
        Self {
            status: if reason.is_some() { "incomplete" } else { "completed" },
            incomplete_details: reason.map(|reason| Incomplete { reason }),
            completed_at: reason.is_none().then_some(at),
            output: items(task, output),
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

/// How an answer's last message ended.
pub(super) const fn status_of(output: &Output) -> &'static str {
    if incomplete(output.finish).is_some() { "incomplete" } else { "completed" }
}

/// What was said and is to be called.
fn items(task: TaskId, output: &Output) -> Vec<ShownItem<'_>> {
    let Output { text, asides, tool_calls, finish: _, usage: _, model: _, answered_by: _ } = output;
    let mut items = Vec::with_capacity(1 + asides.len() + tool_calls.len());
    for aside in asides {
        items.push(ShownItem::assistant(message_id(task, items.len()), "completed", Some(aside)));
    }
    if has_message(output) {
        items.push(ShownItem::assistant(message_id(task, items.len()), status_of(output), Some(text)));
    }
    items.extend(tool_calls.iter().enumerate().map(|(index, call)| called(task, index, call, "completed")));
    items
}

/// Whether an answer ends with a message: calls alone need none.
pub(super) fn has_message(output: &Output) -> bool {
    !output.text.is_empty() || output.tool_calls.is_empty()
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

//! The whole answer of a chat completion.

use claw_core::provider::{FinishReason, Usage as CoreUsage};
use claw_core::{Output, TaskId, ToolCall};
use serde::Serialize;
use serde_json::value::RawValue;

use super::kept::Kept;

/// The id that OpenAI's clients see for a run.
pub fn completion_id(task: TaskId) -> String {
    format!("chatcmpl-{}", task.uuid().as_simple())
}

/// `chat.completion`.
#[derive(Debug, Clone, Serialize)]
pub struct ChatCompletion<'a> {
    /// `chatcmpl-…`.
    pub id: &'a str,
    /// `chat.completion`.
    pub object: &'static str,
    /// Seconds since the epoch.
    pub created: i64,
    /// As the client spelled it.
    pub model: &'a str,
    /// One for each answer that was asked for.
    pub choices: Vec<Choice<'a>>,
    /// Tokens used.
    pub usage: Usage,
}

impl<'a> ChatCompletion<'a> {
    /// The answers to one request.
    pub fn new(id: &'a str, created: i64, model: &'a str, outputs: &'a [Output]) -> Self {
        let usage = outputs.iter().fold(CoreUsage::default(), |all, output| all.plus(output.usage));
        let choices = (0..).zip(outputs).map(|(index, output)| Choice::new(index, output)).collect();
        Self { id, object: "chat.completion", created, model, choices, usage: Usage::from(usage) }
    }
}

impl<'a> Choice<'a> {
    fn new(index: u32, output: &'a Output) -> Self {
        let Output { tool_calls, finish, .. } = output;
        let (said, refusal) = output.said();
        let is_needed = tool_calls.is_empty() && refusal.is_none();
        let Kept { reasoning_content, reasoning_details, mut calls } = Kept::of(output);
        let message = AnswerMessage {
            role: "assistant",
            content: Some(said).filter(|said| is_needed || !said.is_empty()),
            refusal,
            reasoning_content,
            reasoning_details,
            tool_calls: tool_calls.iter().map(|call| Call::new(call, calls.remove(&call.id))).collect(),
        };
        Self { index, message, logprobs: None, finish_reason: finish_reason(*finish) }
    }
}

const fn finish_reason(finish: FinishReason) -> &'static str {
    finish.as_str()
}

/// One choice.
#[derive(Debug, Clone, Serialize)]
pub struct Choice<'a> {
    /// From 0.
    pub index: u32,
    /// What was said.
    pub message: AnswerMessage<'a>,
    /// Never given.
    pub logprobs: Option<()>,
    /// `stop`, `length`, `tool_calls` or `content_filter`.
    pub finish_reason: &'static str,
}

/// What the assistant said.
#[derive(Debug, Clone, Serialize)]
pub struct AnswerMessage<'a> {
    /// `assistant`.
    pub role: &'static str,
    /// Its words; null when it only calls tools or refuses.
    pub content: Option<&'a str>,
    /// The words with which it refuses.
    pub refusal: Option<&'a str>,
    /// The reasoning that led to its calls, where its model's server wants it back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning_content: String,
    /// The same in pieces, signed or sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_details: Option<Box<RawValue>>,
    /// Calls of the client's tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call<'a>>,
}

/// A call of a client's tool.
#[derive(Debug, Clone, Serialize)]
pub struct Call<'a> {
    /// The call's id.
    pub id: &'a str,
    /// `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which, with what.
    pub function: CalledFunction<'a>,
    /// What its model's server wants back with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Box<RawValue>>,
}

/// The function of a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CalledFunction<'a> {
    /// Its name.
    pub name: &'a str,
    /// The arguments as JSON text.
    pub arguments: &'a str,
}

impl<'a> Call<'a> {
    fn new(call: &'a ToolCall, extra_content: Option<Box<RawValue>>) -> Self {
        let ToolCall { id, name, arguments } = call;
        let function = CalledFunction { name, arguments: arguments.as_str() };
        Self { id, kind: "function", function, extra_content }
    }
}

/// Tokens in OpenAI's spelling (K13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the question.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// More about the question's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokens>,
    /// More about the answer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokens>,
}

/// More about the tokens of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CompletionTokens {
    /// How many were reasoning.
    pub reasoning_tokens: u64,
}

/// More about the tokens of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PromptTokens {
    /// How many came from a cache.
    pub cached_tokens: u64,
}

impl From<CoreUsage> for Usage {
    fn from(usage: CoreUsage) -> Self {
        let CoreUsage { input_tokens, output_tokens, cached_tokens, cache_write_tokens: _, reasoning_tokens } = usage;
        Self {
            prompt_tokens: input_tokens,
            completion_tokens: output_tokens,
            total_tokens: usage.total(),
            prompt_tokens_details: (cached_tokens > 0).then_some(PromptTokens { cached_tokens }),
            completion_tokens_details: (reasoning_tokens > 0).then_some(CompletionTokens { reasoning_tokens }),
        }
    }
}

#[cfg(test)]
mod tests {
    use claw_core::JsonText;

    use super::*;

    fn output(text: &str, tool_calls: Vec<ToolCall>, finish: FinishReason) -> Output {
        let usage = CoreUsage { input_tokens: 2, output_tokens: 3, ..CoreUsage::default() };
        let (text, model) = (text.into(), "p/m".into());
        Output {
            text,
            refused_from: None,
            asides: vec![],
            reasoned: vec![],
            tool_calls,
            finish,
            usage,
            model,
            answered_by: None,
        }
    }

    #[test]
    fn an_answer_is_openais_shape() {
        let output = output("hi", vec![], FinishReason::Stop);
        let outputs = [output];
        let answer = ChatCompletion::new("chatcmpl-1", 7, "openclaw", &outputs);
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            concat!(
                r#"{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"openclaw","#,
                r#""choices":[{"index":0,"message":{"role":"assistant","content":"hi","refusal":null},"#,
                r#""logprobs":null,"finish_reason":"stop"}],"#,
                r#""usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}"#
            )
        );
    }

    #[test]
    fn calls_alone_have_null_content() {
        let call = ToolCall { id: "call_1".into(), name: "look".into(), arguments: JsonText::new("{}") };
        let output = output("", vec![call], FinishReason::ToolCalls);
        let outputs = [output.clone(), output];
        let answer = ChatCompletion::new("x", 7, "m", &outputs);
        assert_eq!((answer.choices[1].index, answer.usage.total_tokens), (1, 10));
        assert_eq!(
            serde_json::to_value(&answer.choices[0].message).unwrap(),
            serde_json::json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]})
        );
    }
}

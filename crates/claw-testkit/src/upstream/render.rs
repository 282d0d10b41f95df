//! Steps of a script → the bytes of a chat completion.

use bytes::Bytes;
use serde_json::{Value, json};

use super::reply::Step;
use super::seen::Seen;

/// What is said about every answer of one request.
pub(super) struct Frame {
    number: u64,
    model: String,
    input_tokens: usize,
    wants_usage: bool,
}

impl Frame {
    pub(super) fn new(seen: &Seen) -> Self {
        Self {
            number: seen.number,
            model: seen.model().to_owned(),
            input_tokens: seen.input_tokens(),
            wants_usage: seen.wants_usage(),
        }
    }

    /// A step as one server-sent event, or several.
    ///
    /// `chunks` is how many there were so far: this server counts each as one token.
    pub(super) fn chunk(&self, step: &Step, chunks: usize) -> Bytes {
        let text = match step {
            Step::Text(text) => self.delta(&json!({ "content": text }), None),
            Step::Thinking(text) => self.delta(&json!({ "reasoning_content": text }), None),
            Step::Refusal(text) => self.delta(&json!({ "refusal": text }), None),
            Step::ToolCall { index, name, arguments } => self.tool_call(*index, name, arguments),
            Step::Finish(reason) if self.wants_usage => {
                self.delta(&json!({}), Some(reason)) + &self.event(&json!([]), Some(&self.usage(chunks)))
            }
            Step::Finish(reason) => self.delta(&json!({}), Some(reason)),
            Step::Error(message) => format!("data: {}\n\n", error(message, "server_error")),
            Step::Garbage(garbage) => garbage.clone(),
            Step::Done => "data: [DONE]\n\n".to_owned(),
            Step::Wait(_) | Step::Cut => String::new(),
        };
        Bytes::from(text)
    }

    /// The whole answer as one object.
    pub(super) fn whole(&self, steps: &[Step]) -> Value {
        let (mut content, mut thought, mut refusal) = (String::new(), String::new(), String::new());
        let (mut calls, mut reason) = (Vec::new(), None);
        for step in steps {
            match step {
                Step::Text(text) => content.push_str(text),
                Step::Thinking(text) => thought.push_str(text),
                Step::Refusal(text) => refusal.push_str(text),
                Step::ToolCall { index, name, arguments } => calls.push(self.call(*index, name, arguments)),
                Step::Finish(why) => reason = Some(why),
                Step::Error(message) => return error(message, "server_error"),
                Step::Garbage(_) | Step::Wait(_) | Step::Cut | Step::Done => {}
            }
        }
        let chunks = steps.iter().filter(|step| matches!(step, Step::Text(_) | Step::ToolCall { .. })).count();
        let mut message = json!({ "role": "assistant", "content": content });
        if let Some(fields) = message.as_object_mut() {
            if !thought.is_empty() {
                fields.insert("reasoning_content".to_owned(), Value::from(thought));
            }
            if !refusal.is_empty() {
                fields.insert("refusal".to_owned(), Value::from(refusal));
            }
            if !calls.is_empty() {
                fields.insert("tool_calls".to_owned(), Value::from(calls));
            }
        }
        json!({
            "id": format!("chatcmpl-{}", self.number), "object": "chat.completion", "created": 0, "model": self.model,
            "choices": [{ "index": 0, "message": message, "finish_reason": reason }],
            "usage": self.usage(chunks),
        })
    }

    /// Id, name and the first half of the arguments, then the other half.
    fn tool_call(&self, index: usize, name: &str, arguments: &str) -> String {
        let (head, tail) = arguments.split_at(arguments.floor_char_boundary(arguments.len() / 2));
        let mut first = self.call(index, name, head);
        if let Some(fields) = first.as_object_mut() {
            fields.insert("index".to_owned(), Value::from(index));
        }
        let rest = json!({ "index": index, "function": { "arguments": tail } });
        self.delta(&json!({ "tool_calls": [first] }), None) + &self.delta(&json!({ "tool_calls": [rest] }), None)
    }

    /// Ids differ between the requests of one upstream, as they do between real answers.
    fn call(&self, index: usize, name: &str, arguments: &str) -> Value {
        let id = format!("call_{}_{index}", self.number);
        json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
    }

    fn delta(&self, delta: &Value, reason: Option<&str>) -> String {
        self.event(&json!([{ "index": 0, "delta": delta, "finish_reason": reason }]), None)
    }

    fn event(&self, choices: &Value, usage: Option<&Value>) -> String {
        let (number, model) = (self.number, Value::from(self.model.as_str()));
        let usage = usage.map(|usage| format!(",\"usage\":{usage}")).unwrap_or_default();
        format!(
            "data: {{\"id\":\"chatcmpl-{number}\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":{model},\
             \"choices\":{choices}{usage}}}\n\n"
        )
    }

    fn usage(&self, output_tokens: usize) -> Value {
        json!({
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": self.input_tokens + output_tokens,
        })
    }
}

/// OpenAI's error object.
pub(super) fn error(message: &str, kind: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
}

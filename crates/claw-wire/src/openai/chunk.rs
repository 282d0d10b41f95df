//! The streamed answer: one server-sent event for each chunk, ready to be flushed.
//!
//! The parts that do not change within a stream are written once into a prefix; a chunk then costs
//! one copy and one escape of its text, which is what keeps a stream near a bare proxy's price.

use claw_core::ToolCall;
use claw_core::provider::{FinishReason, Usage as CoreUsage};
use serde::Serialize;
use serde_json::value::RawValue;

use super::completion::{CalledFunction, Usage};
use super::kept::Kept;

/// Says that the upstream finished (G8).
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Writes the chunks of one stream.
#[derive(Debug, Clone)]
pub struct ChunkWriter {
    /// Up to and including `"choices":[`.
    prefix: Vec<u8>,
    /// What follows the choices.
    suffix: &'static [u8],
    /// Which of the answers.
    choice: usize,
}

impl ChunkWriter {
    /// A writer for the answer `id`; with `include_usage` other chunks carry `"usage":null`.
    pub fn new(id: &str, created: i64, model: &str, include_usage: bool) -> Self {
        let mut prefix = Vec::with_capacity(160);
        prefix.extend_from_slice(b"data: {\"id\":");
        write_json(&mut prefix, id);
        prefix.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        prefix.extend_from_slice(created.to_string().as_bytes());
        prefix.extend_from_slice(b",\"model\":");
        write_json(&mut prefix, model);
        prefix.extend_from_slice(b",\"choices\":[");
        Self { prefix, suffix: if include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" }, choice: 0 }
    }

    /// The same for another of several answers.
    #[must_use]
    pub fn of_choice(mut self, choice: usize) -> Self {
        self.choice = choice;
        self
    }

    /// The first chunk: who speaks.
    pub fn role(&self) -> Vec<u8> {
        self.chunk(64, |out| {
            out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\"");
            None
        })
    }

    /// More of the answer.
    pub fn text(&self, delta: &str) -> Vec<u8> {
        self.chunk(delta.len() + 32, |out| {
            out.extend_from_slice(b"\"content\":");
            write_json(out, delta);
            None
        })
    }

    /// More of the words with which it is refused.
    pub fn refusal(&self, delta: &str) -> Vec<u8> {
        self.chunk(delta.len() + 32, |out| {
            out.extend_from_slice(b"\"refusal\":");
            write_json(out, delta);
            None
        })
    }

    /// The reasoning that led to calls, whole, where its model's server wants it back.
    pub fn reasoning(&self, kept: &Kept) -> Option<Vec<u8>> {
        let Kept { reasoning_content, reasoning_details, calls: _ } = kept;
        let piece = ReasoningPiece { reasoning_content, reasoning_details: reasoning_details.as_deref() };
        let has_any = !reasoning_content.is_empty() || reasoning_details.is_some();
        has_any.then(|| {
            let mut fields = Vec::with_capacity(reasoning_content.len() + 64);
            write_json(&mut fields, &piece);
            self.chunk(fields.len(), |out| {
                // Without the braces: the delta has its own.
                out.extend_from_slice(fields.get(1..fields.len() - 1).unwrap_or_default());
                None
            })
        })
    }

    /// A call of a client's tool, whole.
    pub fn tool_call(&self, index: usize, call: &ToolCall, kept: &Kept) -> Vec<u8> {
        let ToolCall { id, name, arguments } = call;
        let function = CalledFunction { name, arguments: arguments.as_str() };
        let extra_content = kept.calls.get(id).map(|extra| &**extra);
        let piece = CallPiece { index, id, kind: "function", function, extra_content };
        self.chunk(arguments.as_str().len() + 128, |out| {
            out.extend_from_slice(b"\"tool_calls\":[");
            write_json(out, &piece);
            out.push(b']');
            None
        })
    }

    /// The last chunk with a choice: why it ended.
    pub fn finish(&self, reason: FinishReason) -> Vec<u8> {
        self.chunk(32, |_delta| Some(reason.as_str()))
    }

    /// Tokens used, with no choices.
    pub fn usage(&self, usage: CoreUsage) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.prefix.len() + 96);
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(b"],\"usage\":");
        write_json(&mut out, &Usage::from(usage));
        out.extend_from_slice(b"}\n\n");
        out
    }

    fn chunk(&self, extra: usize, delta: impl FnOnce(&mut Vec<u8>) -> Option<&'static str>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.prefix.len() + self.suffix.len() + extra + 64);
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(b"{\"index\":");
        write_json(&mut out, &self.choice);
        out.extend_from_slice(b",\"delta\":{");
        let reason = delta(&mut out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        write_json(&mut out, &reason);
        out.push(b'}');
        out.extend_from_slice(self.suffix);
        out
    }
}

#[derive(Serialize)]
struct CallPiece<'a> {
    index: usize,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct ReasoningPiece<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<&'a RawValue>,
}

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("texts and numbers always serialise into memory");
}

#[cfg(test)]
mod tests {
    use claw_core::JsonText;
    use serde_json::{Value, json};

    use super::*;

    fn read(event: &[u8]) -> Value {
        let text = std::str::from_utf8(event).unwrap();
        let json = text.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
        assert!(!json.contains('\n'), "an event is one line");
        serde_json::from_str(json).unwrap()
    }

    fn chunk(choice: &Value) -> Value {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m\"",
               "choices": [choice]})
    }

    #[test]
    fn each_chunk_is_openais_shape() {
        let writer = ChunkWriter::new("chatcmpl-1", 7, "m\"", false);
        let choice = |delta: Value, reason: Value| {
            chunk(&json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}))
        };
        assert_eq!(read(&writer.role()), choice(json!({"role": "assistant", "content": ""}), Value::Null));
        assert_eq!(read(&writer.text("a\n\"ü")), choice(json!({"content": "a\n\"ü"}), Value::Null));
        assert_eq!(read(&writer.finish(FinishReason::Length)), choice(json!({}), json!("length")));
        let call = ToolCall { id: "c".into(), name: "n".into(), arguments: JsonText::new("{\"a\":1}") };
        assert_eq!(
            read(&writer.tool_call(2, &call, &Kept::default())),
            choice(
                json!({"tool_calls": [{"index": 2, "id": "c", "type": "function",
                       "function": {"name": "n", "arguments": "{\"a\":1}"}}]}),
                Value::Null
            )
        );
    }

    #[test]
    fn usage_comes_alone_and_is_announced_as_null_before() {
        let writer = ChunkWriter::new("x", 7, "m", true);
        assert_eq!(read(&writer.text("a"))["usage"], Value::Null);
        assert!(read(&writer.text("a")).as_object().unwrap().contains_key("usage"));
        let last = read(&writer.usage(CoreUsage { input_tokens: 1, output_tokens: 2, ..CoreUsage::default() }));
        assert_eq!(last["choices"], json!([]));
        assert_eq!(last["usage"], json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}));
    }
}

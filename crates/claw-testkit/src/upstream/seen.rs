//! A request as the upstream got it.

use http::HeaderMap;
use serde_json::Value;

/// One chat completion that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// From 1, in order of arrival.
    pub number: u64,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; null when that was no JSON.
    pub body: Value,
}

impl Seen {
    /// The model asked for.
    pub fn model(&self) -> &str {
        self.body.get("model").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a stream was asked for.
    pub fn is_streamed(&self) -> bool {
        self.body.get("stream").and_then(Value::as_bool).unwrap_or_default()
    }

    /// The messages, as they came.
    pub fn messages(&self) -> &[Value] {
        self.body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The text of the last user message; empty without one.
    pub fn last_user(&self) -> String {
        self.messages().iter().rev().find(|message| role(message) == "user").map(text).unwrap_or_default()
    }

    /// The role of the last message: `tool` when a tool's answer was just handed in.
    pub fn last_role(&self) -> &str {
        self.messages().last().map(role).unwrap_or_default()
    }

    /// A request header's text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Tokens of the question as this server counts them: words of all messages.
    pub(super) fn input_tokens(&self) -> usize {
        self.messages().iter().map(|message| text(message).split_whitespace().count()).sum()
    }

    pub(super) fn wants_usage(&self) -> bool {
        let asked = self.body.get("stream_options").and_then(|options| options.get("include_usage"));
        asked.and_then(Value::as_bool).unwrap_or_default()
    }
}

fn role(message: &Value) -> &str {
    message.get("role").and_then(Value::as_str).unwrap_or_default()
}

/// A message's text; of a list of parts the text parts, joined by newlines.
fn text(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            texts.join("\n")
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => String::new(),
    }
}

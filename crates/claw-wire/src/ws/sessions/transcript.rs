//! What was said, in stock clients' shape: `chat.history`, `chat.inject`, `sessions.get`.

use claw_core::message::{Part, ToolCall};
use claw_core::{Message, SessionKey, Text, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{SessionRow, named};
use crate::BadRequest;
use crate::ws::gateway::ModelDefaults;

/// Parameters of `chat.inject`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct InjectParams {
    pub key: Option<String>,
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    #[serde(alias = "session_id", alias = "conversationId", alias = "conversation_id")]
    pub session_id: Option<String>,
    #[serde(alias = "agent_id", alias = "bot_id")]
    pub agent_id: Option<String>,
    pub message: String,
    pub label: Option<String>,
}

impl InjectParams {
    /// The conversation's key.
    ///
    /// # Errors
    /// None is named, or its name has the wrong form.
    pub fn key(&self) -> Result<SessionKey, BadRequest> {
        let Self { key, session_key, session_id, agent_id, message: _, label: _ } = self;
        named(agent_id.as_deref(), key.as_deref(), session_key.as_deref(), session_id.as_deref())
    }
}

/// The answer to `chat.inject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Injected {
    pub ok: bool,
    pub message_id: String,
}

/// The answer to `chat.history`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChatHistory {
    /// As it was asked for.
    pub session_key: String,
    /// Absent before anything was said there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The conversation as `sessions.list` shows it, so that a client need not ask for that too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_info: Option<SessionRow>,
    pub defaults: ModelDefaults,
    pub messages: Vec<ChatMessage>,
    pub thinking_level: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbose_level: Option<String>,
}

/// The answer to `sessions.get`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SessionMessages {
    pub key: String,
    pub session_key: String,
    pub session_id: String,
    pub session: SessionRow,
    pub messages: Vec<ChatMessage>,
}

/// One message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChatMessage {
    pub role: &'static str,
    pub content: Vec<Content>,
    /// Milliseconds.
    pub timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
    #[serde(rename = "__openclaw")]
    pub place: Place,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Place {
    pub id: String,
    pub seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
}

/// A piece of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub enum Content {
    Text { text: Text },
    Image { url: Text },
    ToolCall { id: String, name: String, arguments: Arguments },
}

/// Arguments of a tool call: JSON where the model wrote JSON, else its words.
#[derive(Debug)]
pub enum Arguments {
    /// JSON.
    Json(Box<RawValue>),
    /// Something else.
    Text(String),
}

impl Serialize for Arguments {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(json) => json.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

/// A message's id: the session's, with the message's number.
pub fn message_id(session_id: &str, seq: u64) -> String {
    format!("{session_id}-{seq}")
}

impl ChatMessage {
    /// A stored message as shown.
    pub fn new(place: Place, at: Timestamp, message: &Message) -> Self {
        let text = |text: &Text| Content::Text { text: text.clone() };
        let (role, content, tool_call_id, is_error) = match message {
            Message::System { text: said } => ("system", vec![text(said)], None, None),
            Message::User { content } => ("user", content.iter().map(part).collect(), None, None),
            Message::Assistant { text: said, tool_calls, thoughts: _ } => {
                let said = Some(said).filter(|said| !said.is_empty() || tool_calls.is_empty()).map(text);
                ("assistant", said.into_iter().chain(tool_calls.iter().map(call)).collect(), None, None)
            }
            Message::Tool { call_id, text: said, is_error } => {
                ("toolResult", vec![text(said)], Some(call_id.clone()), Some(*is_error))
            }
        };
        Self { role, content, timestamp: at.millis(), tool_call_id, is_error, place }
    }
}

fn part(part: &Part) -> Content {
    match part {
        Part::Text { text } => Content::Text { text: text.clone() },
        Part::Image { url, detail: _ } => Content::Image { url: url.clone() },
        Part::File { name, .. } => {
            Content::Text { text: format!("[file {}]", name.as_deref().unwrap_or("without a name")).into() }
        }
    }
}

fn call(call: &ToolCall) -> Content {
    let arguments = call.arguments.as_str();
    let arguments = serde_json::from_str(arguments).map_or_else(|_| Arguments::Text(arguments.into()), Arguments::Json);
    Content::ToolCall { id: call.id.clone(), name: call.name.clone(), arguments }
}

#[cfg(test)]
mod tests {
    use claw_core::message::JsonText;
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_have_the_stock_shape() {
        let place = || Place { id: message_id("s", 3), seq: 3, run_id: None };
        let shown = |message: &Message| {
            serde_json::to_value(ChatMessage::new(place(), Timestamp::from_millis(7), message)).unwrap()
        };
        let place = json!({"id": "s-3", "seq": 3});
        assert_eq!(
            shown(&Message::user("hi")),
            json!({"role": "user", "content": [{"type": "text", "text": "hi"}], "timestamp": 7, "__openclaw": place})
        );
        let calls = ["{\"a\":1}", "broken"].map(|arguments| ToolCall {
            id: "c".into(),
            name: "clock".into(),
            arguments: JsonText::new(arguments),
        });
        let call = |arguments| json!({"type": "toolCall", "id": "c", "name": "clock", "arguments": arguments});
        assert_eq!(
            shown(&Message::assistant("", calls.to_vec()))["content"],
            json!([call(json!({"a": 1})), call(json!("broken"))])
        );
        let answer = shown(&Message::Tool { call_id: "c".into(), text: "noon".into(), is_error: false });
        assert_eq!((&answer["role"], &answer["toolCallId"]), (&json!("toolResult"), &json!("c")));
    }
}

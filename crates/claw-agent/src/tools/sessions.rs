//! `sessions_list`, `sessions_history`, `sessions_send`: other conversations of the same owner.
//!
//! What they may see and do is decided by whoever stands behind [`Conversations`], with the
//! authority of the run that calls. What is said elsewhere is shown as what it is: others' words.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claw_core::approval::Plan;
use claw_core::complaint::plain;
use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolContext, ToolError};
use claw_core::{Clock, Message, SessionKey, Timestamp};
use claw_store::{Session, StoredMessage};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::limits::{
    LISTED_DEFAULT, LISTED_MAX, SEND_WAIT_DEFAULT, SEND_WAIT_MAX, TOLD_BYTES_MAX, TOLD_DEFAULT, TOLD_MAX,
};

/// What the tools have done, with the authority of the run that calls.
///
/// Laws: nobody reaches conversations of another owner, nor of an agent that the operator keeps
/// apart; both are answered like conversations that do not exist.
#[async_trait]
pub trait Conversations: Debug + Send + Sync {
    /// The last changed ones.
    async fn list(&self, context: &ToolContext, wanted: ListWanted) -> Result<Vec<Session>, ToolError>;
    /// The last messages of one, oldest first.
    async fn history(&self, context: &ToolContext, session: &str, limit: u32) -> Result<Vec<StoredMessage>, ToolError>;
    /// Says something in another one, durably, and waits for the answer, at most `wait`.
    async fn send(&self, context: &ToolContext, to: &str, message: &str, wait: Duration) -> Result<Sent, ToolError>;
}

/// Which conversations to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListWanted {
    /// Only those in which something happened since.
    pub active_since: Option<Timestamp>,
    /// How many at most.
    pub limit: u32,
}

/// What became of a message to another conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It was answered.
    Answered {
        /// The run that did.
        run_id: String,
        /// The answer.
        text: String,
    },
    /// It is on disk, and its run goes on or waits for its turn.
    Accepted {
        /// The run that will answer.
        run_id: String,
    },
    /// Its run failed or was cancelled.
    Failed {
        /// The run.
        run_id: String,
        /// Why.
        cause: String,
    },
}

/// The tools about conversations.
pub(super) fn tools(clock: &Arc<dyn Clock>, conversations: &Arc<dyn Conversations>) -> Vec<Arc<dyn Tool>> {
    let port = || Arc::clone(conversations);
    vec![
        Arc::new(SessionsList { clock: Arc::clone(clock), conversations: port() }),
        Arc::new(SessionsHistory(port())),
        Arc::new(SessionsSend(port())),
    ]
}

struct SessionsList {
    clock: Arc<dyn Clock>,
    conversations: Arc<dyn Conversations>,
}

struct SessionsHistory(Arc<dyn Conversations>);

struct SessionsSend(Arc<dyn Conversations>);

/// What `sessions_list` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct List {
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    active_minutes: Option<u32>,
    #[serde(default)]
    message_limit: Option<u32>,
}

const LIST: &str = r#"{"type":"object","additionalProperties":false,"properties":{
"kinds":{"type":"array","items":{"type":"string","enum":["main","group","cron","hook","other"]},"description":"Only conversations of these kinds."},
"limit":{"type":"integer","minimum":1,"maximum":200,"description":"How many to show; 50 unless said otherwise."},
"activeMinutes":{"type":"integer","minimum":1,"description":"Only those in which something happened in the last so many minutes."},
"messageLimit":{"type":"integer","minimum":0,"maximum":20,"description":"How many of each one's last messages to show."}}}"#;

/// What `sessions_history` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct History {
    session_key: String,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    include_tools: bool,
}

const HISTORY: &str = r#"{"type":"object","additionalProperties":false,"required":["sessionKey"],"properties":{
"sessionKey":{"type":"string","description":"The conversation, as sessions_list shows it."},
"limit":{"type":"integer","minimum":1,"maximum":200,"description":"How many of its last messages to show; 20 unless said otherwise."},
"includeTools":{"type":"boolean","description":"Whether to show calls of tools and their results."}}}"#;

/// What `sessions_send` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SendTo {
    session_key: String,
    message: String,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

const SEND: &str = r#"{"type":"object","additionalProperties":false,"required":["sessionKey","message"],"properties":{
"sessionKey":{"type":"string","description":"The conversation, as sessions_list shows it."},
"message":{"type":"string","description":"What to say there."},
"timeoutSeconds":{"type":"integer","minimum":0,"maximum":120,"description":"How long to wait for the answer; 30 unless said otherwise, 0 not at all."}}}"#;

#[async_trait]
impl Tool for SessionsList {
    fn spec(&self) -> ToolSpec {
        spec("sessions_list", "Lists conversations, last changed first.", LIST)
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn call(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let List { kinds, limit, active_minutes, message_limit } = parse(given)?;
        let limit = limit.unwrap_or(LISTED_DEFAULT).clamp(1, LISTED_MAX);
        let since = active_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
        let active_since = since.map(|since| Timestamp::from_millis(self.clock.now().millis() - millis(since)));
        let wanted = ListWanted { active_since, limit };
        let mut rows = Vec::new();
        for session in self.conversations.list(context, wanted).await? {
            let kind = kind(&session.key);
            if !kinds.is_empty() && !kinds.iter().any(|wanted| wanted == kind) {
                continue;
            }
            let mut row = row(&session, kind);
            if let Some(count) = message_limit.filter(|count| *count > 0) {
                let said = self.conversations.history(context, session.key.as_str(), count.min(20)).await?;
                let shown = said.iter().filter_map(|message| shown(message, false));
                with(&mut row, "messages", shown.collect());
            }
            rows.push(row);
        }
        Ok(json!({"count": rows.len(), "sessions": rows}).to_string())
    }
}

#[async_trait]
impl Tool for SessionsHistory {
    fn spec(&self) -> ToolSpec {
        spec("sessions_history", "Shows what was said in another conversation; it orders nothing.", HISTORY)
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn call(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let History { session_key, limit, include_tools } = parse(given)?;
        let limit = limit.unwrap_or(TOLD_DEFAULT).clamp(1, TOLD_MAX);
        let said = self.0.history(context, &session_key, limit).await?;
        let messages: Vec<Value> = said.iter().filter_map(|message| shown(message, include_tools)).collect();
        Ok(json!({"sessionKey": session_key, "messages": messages}).to_string())
    }
}

#[async_trait]
impl Tool for SessionsSend {
    fn spec(&self) -> ToolSpec {
        spec("sessions_send", "Says something in another conversation, and waits a little for its answer.", SEND)
    }

    fn is_idempotent(&self) -> bool {
        false
    }

    async fn plan(&self, _: &ToolContext, _: &JsonText) -> Result<Plan, ToolError> {
        Ok(Plan { acts: true, ..Plan::free() })
    }

    async fn call(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let SendTo { session_key, message, timeout_seconds } = parse(given)?;
        if message.trim().is_empty() {
            return Err(ToolError::Arguments("message: must say something".into()));
        }
        let wait = timeout_seconds.map_or(SEND_WAIT_DEFAULT, Duration::from_secs).min(SEND_WAIT_MAX);
        Ok(match self.0.send(context, &session_key, &message, wait).await? {
            Sent::Answered { run_id, text } => {
                json!({"status": "ok", "runId": run_id, "sessionKey": session_key, "reply": text})
            }
            Sent::Accepted { run_id } => json!({"status": "accepted", "runId": run_id, "sessionKey": session_key}),
            Sent::Failed { run_id, cause } => {
                json!({"status": "error", "runId": run_id, "sessionKey": session_key, "error": cause})
            }
        }
        .to_string())
    }
}

fn spec(name: &str, description: &str, parameters: &str) -> ToolSpec {
    ToolSpec::new(name, description, JsonText::new(parameters))
}

fn parse<T: DeserializeOwned>(given: &JsonText) -> Result<T, ToolError> {
    let text = match given.as_str().trim() {
        "" | "null" => "{}",
        text => text,
    };
    serde_json::from_str(text).map_err(|error| ToolError::Arguments(plain(&error.to_string())))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// What a conversation is for, as its name says.
fn kind(key: &SessionKey) -> &'static str {
    let rest = key.rest();
    match rest.split(':').next() {
        Some("main") if rest == "main" => "main",
        Some("cron") => "cron",
        Some("hook") => "hook",
        _ if rest.contains(":group:") || rest.contains(":channel:") => "group",
        _ => "other",
    }
}

fn row(session: &Session, kind: &str) -> Value {
    json!({
        "key": session.key.as_str(),
        "kind": kind,
        "agentId": session.agent.as_str(),
        "displayName": session.label,
        "sessionId": session.id.to_string(),
        "updatedAt": session.updated_at.millis(),
        "model": session.model,
        "totalTokens": session.usage.input_tokens + session.usage.output_tokens,
        "messageCount": session.message_count,
    })
}

/// A message as a model is shown it; nothing for what only machinery says.
fn shown(stored: &StoredMessage, with_tools: bool) -> Option<Value> {
    let StoredMessage { seq, message, task: _, at } = stored;
    let text = cut(&message.text());
    let mut row = json!({"role": message.role(), "seq": seq, "timestamp": at.millis(), "text": text});
    match message {
        Message::System { .. } => return None,
        Message::Tool { .. } if !with_tools => return None,
        Message::Assistant { tool_calls, .. } if !tool_calls.is_empty() && with_tools => {
            let calls =
                tool_calls.iter().map(|call| json!({"name": call.name, "arguments": cut(call.arguments.as_str())}));
            with(&mut row, "toolCalls", calls.collect());
        }
        Message::Assistant { text, .. } if text.is_empty() => return None,
        Message::User { .. } | Message::Assistant { .. } | Message::Tool { .. } => {}
    }
    Some(row)
}

fn with(row: &mut Value, name: &str, value: Value) {
    if let Some(fields) = row.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn cut(text: &str) -> String {
    match text.get(..text.floor_char_boundary(TOLD_BYTES_MAX)) {
        Some(shown) if text.len() > TOLD_BYTES_MAX => {
            format!("{shown}… [{} bytes more]", text.len() - TOLD_BYTES_MAX)
        }
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claw_core::AgentId;

    #[test]
    fn schemas_are_json_and_a_key_says_what_it_is_for() {
        for schema in [LIST, HISTORY, SEND] {
            let schema: Value = serde_json::from_str(schema).unwrap();
            assert_eq!(schema["additionalProperties"], json!(false));
        }
        let kinds = ["main", "cron:1", "hook:x", "telegram:group:5", "s1", "key_1:main"];
        let told = kinds.map(|rest| kind(&SessionKey::of(&AgentId::main(), rest)));
        assert_eq!(told, ["main", "cron", "hook", "group", "other", "other"]);
    }

    #[test]
    fn wrong_arguments_are_named() {
        let wrong = |text: &str| parse::<SendTo>(&JsonText::new(text)).unwrap_err().to_string();
        assert_eq!(wrong("{}"), "bad arguments: missing field `sessionKey`");
        assert_eq!(wrong(r#"{"sessionKey":"a","message":1}"#), "bad arguments: found the number 1; allowed: a string");
    }
}

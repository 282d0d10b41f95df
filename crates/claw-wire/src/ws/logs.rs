//! The log's tail: `logs.tail`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Parameters of `logs.tail`.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TailParams {
    pub cursor: Option<u64>,
    pub limit: Option<usize>,
    /// Lines are bounded by their number and their length.
    #[serde(rename = "maxBytes")]
    pub max_bytes: Option<u64>,
}

/// The answer to `logs.tail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Tail {
    pub file: String,
    /// Where to go on.
    pub cursor: u64,
    pub size: u64,
    pub lines: Vec<String>,
    /// Whether lines before these were left out.
    pub truncated: bool,
    /// Whether the asked cursor is no longer there.
    pub reset: bool,
}

/// A line of our log in words that older clients know, too: they read the level and the text elsewhere.
///
/// What is no JSON object stays as it is.
pub fn with_old_words(line: String) -> String {
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(&line) else { return line };
    let (Some(level), Some(message)) = (fields.get("level").and_then(Value::as_str), fields.get("message")) else {
        return line;
    };
    let meta = json!({"logLevelName": level.to_uppercase()});
    let message = message.clone();
    fields.insert("0".to_owned(), message);
    fields.insert("_meta".to_owned(), meta);
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_client_finds_the_level_and_the_text_where_it_looks() {
        let line = r#"{"time":"2026-11-20T00:00:00Z","level":"info","message":"ready","port":1}"#;
        let read: Value = serde_json::from_str(&with_old_words(line.to_owned())).unwrap();
        let expected = json!({
            "time": "2026-11-20T00:00:00Z", "level": "info", "message": "ready", "port": 1,
            "0": "ready", "_meta": {"logLevelName": "INFO"},
        });
        assert_eq!(read, expected);
        for other in ["ready", "[1]", r#"{"level":"info"}"#] {
            assert_eq!(with_old_words(other.to_owned()), other);
        }
    }
}

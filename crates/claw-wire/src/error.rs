//! What is said when a request fails, on each surface (K8).

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A request that is not what its contract says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// The field to blame, as a path: `messages[1].content`; absent when it is the whole.
    pub param: Option<String>,
    /// What was found and what is allowed.
    pub message: String,
}

impl BadRequest {
    /// Blames one field.
    pub fn of(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), message: message.into() }
    }
    /// The same complaint about another field.
    pub fn at(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }
    /// Blames the whole request.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { param: None, message: message.into() }
    }
}

/// The value of a field that nothing obeys where it stands: whoever is not refused takes it for obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unobeyed {}

impl<'de> Deserialize<'de> for Unobeyed {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("nothing obeys it here: leave it out"))
    }
}

/// An HTTP error's body: `{"error": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody<'a> {
    /// False, where an answer of the same route says `ok: true`; elsewhere not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// The error.
    pub error: ErrorObject<'a>,
}

/// The error inside [`ErrorBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorObject<'a> {
    /// One of C39's words; OpenAI's on OpenAI routes.
    pub code: &'a str,
    /// For people.
    pub message: Cow<'a, str>,
    /// `client_error` or `server_error`; OpenAI's word on OpenAI routes.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The field to blame.
    pub param: Option<&'a str>,
    /// The same as the header `x-request-id`.
    pub request_id: &'a str,
    /// Whether the same request may succeed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// When to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The task that goes on although the caller's wait ended (K18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<Cow<'a, str>>,
    /// What programs may want beside the code: `code` is the more exact one, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// The error of a WebSocket answer, dialect B.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameError {
    /// An upper-case word.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// More for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// Whether the same request may succeed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// When to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl FrameError {
    /// An error with a code and a message only.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retryable: None, retry_after_ms: None }
    }
    /// The same with `details`.
    pub fn with_details(self, details: serde_json::Value) -> Self {
        Self { details: Some(details), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_body_has_the_contracts_fields_and_leaves_out_what_does_not_apply() {
        let error = ErrorObject {
            code: "invalid_request",
            message: "no".into(),
            kind: "client_error",
            param: None,
            request_id: "req_1",
            retryable: None,
            retry_after_ms: None,
            task_id: None,
            details: None,
        };
        let text = serde_json::to_string(&ErrorBody { ok: None, error }).unwrap();
        assert_eq!(
            text,
            r#"{"error":{"code":"invalid_request","message":"no","type":"client_error","param":null,"requestId":"req_1"}}"#
        );
    }
}

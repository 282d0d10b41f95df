//! `POST /v1/tools/invoke` and `/tools/invoke`: one call of one tool (E11, K9).

use std::collections::BTreeMap;

use claw_core::message::JsonText;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::BadRequest;

/// The body of both routes, in both spellings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the contract's")]
pub struct InvokeRequest {
    pub tool: String,
    pub arguments: Option<BTreeMap<String, Box<RawValue>>>,
    pub args: Option<BTreeMap<String, Box<RawValue>>>,
    /// One more argument, `action`, unless the others hold it.
    pub action: Option<String>,
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub agent_id: Option<String>,
}

impl InvokeRequest {
    /// The tool's name and its arguments.
    ///
    /// # Errors
    /// No name, or both spellings of the arguments.
    pub fn call(self) -> Result<(String, JsonText), BadRequest> {
        let Self { tool, arguments, args, action, session_key: _, session_id: _, agent_id: _ } = self;
        if tool.trim().is_empty() {
            return Err(BadRequest::of("tool", "must be the name of a tool"));
        }
        if arguments.is_some() && args.is_some() {
            return Err(BadRequest::of("args", "args and arguments are two names for one thing: send one"));
        }
        let mut arguments = arguments.or(args).unwrap_or_default();
        if let Some(action) = action {
            let action = serde_json::value::to_raw_value(&action).expect("texts always serialise");
            arguments.entry("action".to_owned()).or_insert(action);
        }
        let text = serde_json::to_string(&arguments).expect("JSON can always be written as JSON");
        Ok((tool.trim().to_owned(), JsonText::new(text)))
    }
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Invoked<'a> {
    /// True: a call that fails is a refusal.
    pub ok: bool,
    /// What came of it.
    pub result: ToolResult<'a>,
}

/// What a tool answered.
#[derive(Debug, Serialize)]
pub struct ToolResult<'a> {
    /// As a model is shown it.
    pub content: [TextPart<'a>; 1],
    /// The same as JSON, where it is JSON.
    pub details: Option<Box<RawValue>>,
}

/// A piece of text.
#[derive(Debug, Serialize)]
pub struct TextPart<'a> {
    /// `text`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The text.
    pub text: &'a str,
}

impl<'a> Invoked<'a> {
    /// A call that worked.
    pub fn new(text: &'a str) -> Self {
        Self { ok: true, result: ToolResult::new(text) }
    }
}

impl<'a> ToolResult<'a> {
    /// What a tool answered with.
    pub fn new(text: &'a str) -> Self {
        let is_structure = text.starts_with(['{', '[']);
        let details = is_structure.then(|| RawValue::from_string(text.to_owned()).ok()).flatten();
        Self { content: [TextPart { kind: "text", text }], details }
    }
}

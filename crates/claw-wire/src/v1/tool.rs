//! `POST /v1/tools/invoke` and `/tools/invoke`: one call of one tool (E11, K9).

use std::collections::BTreeMap;

use claw_core::approval::Verdict;
use claw_core::message::JsonText;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::BadRequest;
use crate::error::Unobeyed;

/// The body of both routes, in both spellings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the contract's")]
pub struct InvokeRequest {
    pub tool: String,
    pub arguments: Option<BTreeMap<String, Box<RawValue>>>,
    pub args: Option<BTreeMap<String, Box<RawValue>>>,
    /// One more argument, `action`, unless the others hold it; nothing to tools that take none.
    pub action: Option<String>,
    #[serde(alias = "session_key")]
    pub session_key: Option<String>,
    #[serde(alias = "session_id", alias = "conversationId", alias = "conversation_id")]
    pub session_id: Option<String>,
    #[serde(alias = "agent_id", alias = "bot_id")]
    pub agent_id: Option<String>,
    /// Whether it is only asked what would become of the call.
    pub dry_run: Option<bool>,
    /// Refused: nothing is kept by which a call could be known again.
    pub idempotency_key: Option<Unobeyed>,
}

impl InvokeRequest {
    /// The tool's name and its arguments; `takes_action` says of a tool whether one of them is `action`.
    ///
    /// # Errors
    /// No name, or both spellings of the arguments.
    pub fn call(self, takes_action: impl FnOnce(&str) -> bool) -> Result<(String, JsonText), BadRequest> {
        let Self { tool, arguments, args, action, session_key: _, session_id: _, agent_id: _, .. } = self;
        if tool.trim().is_empty() {
            return Err(BadRequest::of("tool", "must be the name of a tool"));
        }
        if arguments.is_some() && args.is_some() {
            return Err(BadRequest::of("args", "args and arguments are two names for one thing: send one"));
        }
        let mut arguments = arguments.or(args).unwrap_or_default();
        if let Some(action) = action.filter(|_| takes_action(tool.trim())) {
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

/// The answer where the call was only judged.
#[derive(Debug, Serialize)]
pub struct Rehearsed<'a> {
    /// True: whoever may not even ask is refused.
    pub ok: bool,
    /// What would become of it.
    pub result: Rehearsal<'a>,
}

/// What would become of a call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal<'a> {
    /// For people.
    pub content: [TextPart<'a>; 1],
    /// True: nothing was done.
    pub dry_run: bool,
    /// The tool, as the caller spells it.
    pub tool: &'a str,
    /// `allow`, `ask` or `deny`.
    pub verdict: &'static str,
}

impl<'a> Rehearsed<'a> {
    /// What would become of a call of `tool`.
    pub const fn new(tool: &'a str, verdict: &'a Verdict) -> Self {
        Self { ok: true, result: Rehearsal::new(tool, verdict) }
    }
}

impl<'a> Rehearsal<'a> {
    /// What would become of a call of `tool`.
    pub const fn new(tool: &'a str, verdict: &'a Verdict) -> Self {
        let (verdict, text) = match verdict {
            Verdict::Allow | Verdict::Unbound(_) => ("allow", "the call would be made"),
            Verdict::Ask => ("ask", "the call needs an approval, which only a run can ask for"),
            Verdict::Deny(why) => ("deny", why.as_str()),
        };
        Self { content: [TextPart { kind: "text", text }], dry_run: true, tool, verdict }
    }
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

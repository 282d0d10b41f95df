//! How `agent` ends, for both clients: token counts for the contracts', words and payloads for stock ones.

use claw_core::Output;
use claw_core::provider::Usage as CoreUsage;
use serde::Serialize;

/// The last answer to `agent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Finished<'a> {
    pub run_id: &'a str,
    /// `ok`, `error` or `aborted`.
    pub status: &'static str,
    pub summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<FinishedResult<'a>>,
}

/// A word for stock clients, token counts for the contracts' (B23).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub enum Summary {
    Word(&'static str),
    Tokens(TokenCounts),
}

impl Serialize for Summary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Word(word) => serializer.serialize_str(word),
            Self::Tokens(tokens) => tokens.serialize(serializer),
        }
    }
}

/// Tokens in dialect B's spelling (K13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TokenCounts {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
}

impl From<CoreUsage> for TokenCounts {
    fn from(usage: CoreUsage) -> Self {
        let CoreUsage { input_tokens, output_tokens, .. } = usage;
        Self { input_tokens, output_tokens, total_tokens: usage.total() }
    }
}

/// What a run produced, as stock clients read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct FinishedResult<'a> {
    pub payloads: [Payload<'a>; 1],
    pub meta: RunMeta<'a>,
}

/// One message to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Payload<'a> {
    pub text: &'a str,
    pub media_url: Option<()>,
}

/// About the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RunMeta<'a> {
    pub duration_ms: u64,
    pub agent_meta: AgentMeta<'a>,
    pub aborted: bool,
}

/// Who answered, and what it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct AgentMeta<'a> {
    pub session_id: &'a str,
    pub provider: &'a str,
    pub model: &'a str,
    pub usage: ShortCounts,
}

/// Tokens as stock clients read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ShortCounts {
    pub input: u64,
    pub output: u64,
    pub total: u64,
}

impl<'a> Finished<'a> {
    /// A run that ended well; `session` is what clients call the conversation.
    pub fn completed(run_id: &'a str, session: &'a str, output: &'a Output, duration_ms: u64, is_keyed: bool) -> Self {
        let Output { text, usage, model, .. } = output;
        let (provider, model) = model.split_once('/').unwrap_or(("", model));
        let counts = ShortCounts { input: usage.input_tokens, output: usage.output_tokens, total: usage.total() };
        let agent_meta = AgentMeta { session_id: session, provider, model, usage: counts };
        let meta = RunMeta { duration_ms, agent_meta, aborted: false };
        let summary = if is_keyed { Summary::Word("completed") } else { Summary::Tokens((*usage).into()) };
        let result = FinishedResult { payloads: [Payload { text, media_url: None }], meta };
        Self { run_id, status: "ok", summary, result: Some(result) }
    }
    /// A run that did not.
    pub const fn ended(run_id: &'a str, status: &'static str) -> Self {
        Self { run_id, status, summary: Summary::Word(status), result: None }
    }
}

#[cfg(test)]
mod tests {
    use claw_core::provider::FinishReason;
    use serde_json::json;

    use super::*;

    fn output() -> Output {
        let usage = CoreUsage { input_tokens: 50, output_tokens: 100, ..CoreUsage::default() };
        Output {
            text: "hi".into(),
            refused_from: None,
            reasoned: Vec::new(),
            asides: vec![],
            tool_calls: vec![],
            finish: FinishReason::Stop,
            usage,
            model: "p/m".into(),
            answered_by: None,
        }
    }

    #[test]
    fn the_last_answer_suits_the_client_that_asked() {
        let output = output();
        let contract = serde_json::to_value(Finished::completed("run-456", "s", &output, 5, false)).unwrap();
        assert_eq!(contract["summary"], json!({"inputTokens": 50, "outputTokens": 100, "totalTokens": 150}));
        assert_eq!((&contract["status"], &contract["runId"]), (&json!("ok"), &json!("run-456")));
        let stock = serde_json::to_value(Finished::completed("idem-1", "s", &output, 5, true)).unwrap();
        assert_eq!(stock["summary"], json!("completed"));
        assert_eq!(stock["result"]["payloads"], json!([{"text": "hi", "mediaUrl": null}]));
        assert_eq!(
            stock["result"]["meta"],
            json!({"durationMs": 5, "aborted": false, "agentMeta": {"sessionId": "s", "provider": "p", "model": "m",
                   "usage": {"input": 50, "output": 100, "total": 150}}})
        );
    }
}

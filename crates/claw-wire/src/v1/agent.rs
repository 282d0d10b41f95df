//! The answers of `POST /v1/agent/run` and `/v1/agent/run/stream` (C23, C24); what they take stands in
//! [`ws::agent::asked`](crate::ws::agent::asked).

use claw_core::Output;
use claw_core::provider::FinishReason;
use serde::Serialize;

use crate::ws::dialect_c::PromptCounts;

/// The whole answer (C23).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the contract's")]
pub struct RunAnswer<'a> {
    pub run_id: &'a str,
    pub session_key: &'a str,
    pub response: &'a str,
    pub usage: PromptCounts,
    /// Why it is not whole, as the stream's last event tells it; not there where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<&'static str>,
}

impl<'a> RunAnswer<'a> {
    /// What a finished run says.
    pub fn new(run_id: &'a str, session_key: &'a str, output: &'a Output) -> Self {
        let finish_reason = match output.finish {
            FinishReason::Length | FinishReason::ContentFilter => Some(output.finish.as_str()),
            FinishReason::Stop | FinishReason::ToolCalls => None,
        };
        Self { run_id, session_key, response: &output.text, usage: output.usage.into(), finish_reason }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    delta: &'a str,
    run_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    run_id: &'a str,
    finish_reason: &'static str,
}

/// More of the answer, as an event (C24).
pub fn delta(run_id: &str, delta: &str) -> String {
    event("delta", &Delta { delta, run_id })
}

/// The last event of a good answer (C24).
pub fn done(run_id: &str, finish: FinishReason) -> String {
    event("done", &Done { run_id, finish_reason: finish.as_str() })
}

fn event(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("texts always serialise");
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_contracts() {
        assert_eq!(delta("run_1", "a\nb"), "event: delta\ndata: {\"delta\":\"a\\nb\",\"runId\":\"run_1\"}\n\n");
        let expected = "event: done\ndata: {\"runId\":\"run_1\",\"finishReason\":\"stop\"}\n\n";
        assert_eq!(done("run_1", FinishReason::Stop), expected);
    }
}

//! What a socket is told unasked, and how each dialect says it (K3).
//!
//! One [`Notice`] in, frames out: dialect B hears OpenClaw's events, whose payloads carry the
//! contracts' fields too; dialect C hears the frames of the API reference. What a dialect has no
//! word for is not said in it.

use claw_core::provider::Usage;
use serde::Serialize;
use serde_json::json;

use super::agent::event::{AgentEvent, ChatEvent, ChatMessage, EventBody};
use super::dialect_c::{self, ChatDelta, ChatDone, ChatError, Failure, Heartbeat, ToolCall, ToolResult};
use super::frame;
use super::gateway::{Shutdown, Tick};
use super::tasks::{TaskChanged, Watched};

/// How a socket speaks, decided by its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `type: "req"`, `connect` first: OpenClaw's own (contracts B).
    B,
    /// `method` without `type`, the server speaks first: the API reference's (contracts C).
    C,
}

/// What is told.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the variants are named by what they tell")]
pub enum Notice<'a> {
    Tick { ts: i64 },
    Shutdown(Shutdown<'a>),
    Task(&'a TaskChanged<'a>),
    TaskEvent(&'a Watched<'a>),
    Run(RunNotice<'a>),
}

/// Something of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunNotice<'a> {
    /// Which.
    pub run: RunName<'a>,
    /// The run event's number: what `runs.resume` takes.
    pub seq: u64,
    /// Milliseconds since the epoch.
    pub ts: i64,
    /// What.
    pub said: Said<'a>,
}

/// A run as its clients know it.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RunName<'a> {
    pub run_id: &'a str,
    pub session_key: &'a str,
    pub agent_id: &'a str,
}

/// What a run says.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// It began.
    Started,
    /// More text, as it comes: all of it so far and what is new.
    Text {
        /// Everything.
        text: &'a str,
        /// What is new.
        delta: &'a str,
    },
    /// The same for readers that redraw, less often.
    Draft {
        /// Everything.
        text: &'a str,
        /// What is new to them.
        delta: &'a str,
    },
    /// A tool is called; `args` is JSON as the model wrote it.
    ToolCall {
        /// The call.
        id: &'a str,
        /// The tool.
        name: &'a str,
        /// Its arguments.
        args: &'a str,
    },
    /// A tool says something while it works.
    ToolOutput {
        /// The call.
        id: &'a str,
        /// The tool.
        name: &'a str,
        /// The end of what it has said so far, for readers that redraw.
        text: &'a str,
        /// What is new.
        delta: &'a str,
    },
    /// A tool answered.
    ToolResult {
        /// The call.
        id: &'a str,
        /// The tool.
        name: &'a str,
        /// Its answer.
        text: &'a str,
        /// Whether it failed.
        is_error: bool,
    },
    /// Somebody has to allow a call first.
    Asked {
        /// `appr_…`.
        id: &'a str,
        /// The call.
        call_id: &'a str,
        /// The tool.
        name: &'a str,
        /// The whole plan.
        shown: &'a str,
        /// In milliseconds.
        expires_at: i64,
    },
    /// Somebody has decided, or nobody has in time.
    Answered {
        /// `appr_…`.
        id: &'a str,
        /// The call.
        call_id: &'a str,
        /// What came of it.
        state: &'a str,
    },
    /// It took up what was said meanwhile.
    Steered {
        /// The task that said it.
        task_id: &'a str,
        /// What.
        text: &'a str,
    },
    /// This attempt failed, another follows.
    Retrying {
        /// Why.
        message: &'a str,
        /// Which failed.
        attempt: u32,
        /// When the next begins.
        delay_ms: u64,
    },
    /// It worked.
    Completed {
        /// The whole answer.
        text: &'a str,
        /// What it took.
        usage: Usage,
    },
    /// It did not.
    Failed {
        /// Why.
        message: &'a str,
    },
    /// Somebody stopped it.
    Aborted {
        /// What there was by then.
        partial: &'a str,
    },
}

/// A frame on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Dialect B's event: its name and payload; it gets the connection's number when it leaves.
    Event(&'static str, String),
    /// A whole frame.
    Text(String),
}

impl Dialect {
    /// The frames that tell `notice`, in order; none when the dialect has no word for it.
    pub fn frames(self, notice: &Notice<'_>) -> Vec<Outgoing> {
        match self {
            Self::B => in_b(notice),
            Self::C => in_c(notice).into_iter().map(Outgoing::Text).collect(),
        }
    }
}

fn in_b(notice: &Notice<'_>) -> Vec<Outgoing> {
    match notice {
        Notice::Tick { ts } => vec![event("tick", &Tick { ts: *ts })],
        Notice::Shutdown(shutdown) => vec![event("shutdown", shutdown)],
        Notice::Task(changed) => vec![event("task", changed)],
        Notice::TaskEvent(watched) => vec![event("task.event", watched)],
        Notice::Run(notice) => run_in_b(notice),
    }
}

fn run_in_b(notice: &RunNotice<'_>) -> Vec<Outgoing> {
    let RunNotice { run: _, seq: _, ts, said } = *notice;
    let lifecycle = |data| agent(notice, "lifecycle", data, None);
    match said {
        Said::Started => vec![lifecycle(EventBody::Start { started_at: ts })],
        Said::Text { text, delta } => {
            vec![agent(notice, "assistant", EventBody::Assistant { text, delta }, Some(delta))]
        }
        Said::Draft { text, delta } => vec![chat(notice, "delta", Some(delta), Some(text), None)],
        Said::ToolCall { id, name, args } => {
            vec![agent(notice, "tool", EventBody::ToolStart { name, tool_call_id: id, args }, None)]
        }
        Said::ToolOutput { id, name, text, delta } => {
            vec![agent(notice, "tool", EventBody::ToolUpdate { name, tool_call_id: id, partial: text, delta }, None)]
        }
        Said::ToolResult { id, name, text, is_error } => {
            vec![agent(notice, "tool", EventBody::ToolResult { name, tool_call_id: id, is_error, text }, None)]
        }
        Said::Steered { task_id, text } => vec![lifecycle(EventBody::Steered { task_id, text })],
        Said::Asked { id, call_id, name, shown, expires_at } => {
            vec![lifecycle(EventBody::Asked { id, call_id, name, shown, expires_at })]
        }
        Said::Answered { id, call_id, state } => vec![lifecycle(EventBody::Answered { id, call_id, state })],
        Said::Retrying { message, attempt, delay_ms } => {
            vec![lifecycle(EventBody::Retrying { message, attempt, delay_ms })]
        }
        Said::Completed { text, usage: _ } => vec![
            lifecycle(EventBody::End { ended_at: ts, is_aborted: false }),
            chat(notice, "final", None, Some(text), None),
        ],
        Said::Failed { message } => vec![
            lifecycle(EventBody::Error { error: message, ended_at: ts }),
            chat(notice, "error", None, None, Some(message)),
        ],
        Said::Aborted { partial } => vec![
            lifecycle(EventBody::End { ended_at: ts, is_aborted: true }),
            chat(notice, "aborted", None, Some(partial), None),
        ],
    }
}

fn event(name: &'static str, payload: &impl Serialize) -> Outgoing {
    Outgoing::Event(name, frame::to_json(payload))
}

fn agent(notice: &RunNotice<'_>, stream: &'static str, data: EventBody<'_>, text: Option<&str>) -> Outgoing {
    let RunNotice { run, seq, ts, said: _ } = *notice;
    let RunName { run_id, session_key, agent_id } = run;
    let kind = text.map(|_| "output");
    event("agent", &AgentEvent { run_id, stream, data, kind, text, session_key, agent_id, seq, ts })
}

fn chat(
    notice: &RunNotice<'_>,
    state: &'static str,
    delta: Option<&str>,
    text: Option<&str>,
    error: Option<&str>,
) -> Outgoing {
    let RunNotice { run, seq, ts, said: _ } = *notice;
    let RunName { run_id, session_key, agent_id } = run;
    let stop_reason = match state {
        "final" => Some("stop"),
        "aborted" => Some("rpc"),
        _ => None,
    };
    let message = text.map(|text| ChatMessage::assistant(text, ts));
    event(
        "chat",
        &ChatEvent {
            run_id,
            session_key,
            agent_id,
            seq,
            state,
            delta_text: delta,
            stop_reason,
            error_message: error,
            message,
        },
    )
}

fn in_c(notice: &Notice<'_>) -> Option<String> {
    Some(match notice {
        Notice::Tick { ts } => dialect_c::push("heartbeat", &Heartbeat { timestamp: *ts, status: "ok" }),
        Notice::Shutdown(shutdown) => dialect_c::push("shutdown", shutdown),
        Notice::Task(changed) => dialect_c::push("task", changed),
        Notice::TaskEvent(watched) => dialect_c::push("task.event", watched),
        Notice::Run(notice) => return run_in_c(notice),
    })
}

fn run_in_c(notice: &RunNotice<'_>) -> Option<String> {
    let RunNotice { run, seq, ts: _, said } = *notice;
    let RunName { run_id, session_key, agent_id: _ } = run;
    // `chat.done` is said of an answer that is whole (G8).
    let failed = |status, message, text| {
        let error = Failure { message };
        dialect_c::push("chat.error", &ChatError { session_key, run_id, seq, status, text, error })
    };
    Some(match said {
        Said::Started
        | Said::Draft { .. }
        | Said::ToolOutput { .. }
        | Said::Steered { .. }
        | Said::Asked { .. }
        | Said::Answered { .. }
        | Said::Retrying { .. } => {
            return None;
        }
        Said::Text { text: _, delta } => dialect_c::push("chat.delta", &ChatDelta { session_key, delta, run_id, seq }),
        Said::ToolCall { id, name, args } => {
            let params = json_or_text(args);
            dialect_c::push("tool.call", &ToolCall { run_id, session_key, call_id: id, tool: name, params, seq })
        }
        Said::ToolResult { id, name, text, is_error } => {
            let result = match json_or_text(text) {
                object @ serde_json::Value::Object(_) => object,
                other => json!({"success": !is_error, "text": other}),
            };
            dialect_c::push(
                "tool.result",
                &ToolResult { run_id, session_key, call_id: id, tool: name, result, is_error, seq },
            )
        }
        Said::Completed { text, usage } => dialect_c::push(
            "chat.done",
            &ChatDone { session_key, run_id, seq, status: "ok", text, usage: usage.into() },
        ),
        Said::Failed { message } => failed("error", message, None),
        Said::Aborted { partial } => failed("aborted", "the run was aborted", Some(partial)),
    })
}

/// What a model or a tool wrote: shown as what it is when it is JSON, as text otherwise.
pub(super) fn json_or_text(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunName<'_> = RunName { run_id: "r", session_key: "agent:main:s", agent_id: "main" };

    fn told(dialect: Dialect, said: Said<'_>) -> Vec<serde_json::Value> {
        let notice = Notice::Run(RunNotice { run: RUN, seq: 7, ts: 9, said });
        let parse = |text: &str| serde_json::from_str(text).unwrap();
        let shown = |frame| match frame {
            Outgoing::Event(name, payload) => json!({"event": name, "payload": parse(&payload)}),
            Outgoing::Text(text) => parse(&text),
        };
        dialect.frames(&notice).into_iter().map(shown).collect()
    }

    #[test]
    fn a_delta_is_told_in_each_dialects_words() {
        let said = Said::Text { text: "Hello", delta: "lo" };
        assert_eq!(
            told(Dialect::B, said),
            [json!({"event": "agent", "payload": {"runId": "r", "stream": "assistant",
                "data": {"text": "Hello", "delta": "lo"}, "kind": "output", "text": "lo",
                "sessionKey": "agent:main:s", "agentId": "main", "seq": 7, "ts": 9}})]
        );
        // C9.
        assert_eq!(
            told(Dialect::C, said),
            [
                json!({"type": "chat.delta", "data": {"sessionKey": "agent:main:s", "delta": "lo", "runId": "r", "seq": 7}})
            ]
        );
        assert_eq!(told(Dialect::B, Said::Draft { text: "Hello", delta: "lo" })[0]["payload"]["state"], json!("delta"));
        assert!(told(Dialect::C, Said::Draft { text: "Hello", delta: "lo" }).is_empty());
    }

    #[test]
    fn an_end_is_told_once_in_c_and_in_both_of_bs_words() {
        let usage = Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() };
        let said = Said::Completed { text: "Hi", usage };
        // C10.
        assert_eq!(
            told(Dialect::C, said),
            [
                json!({"type": "chat.done", "data": {"sessionKey": "agent:main:s", "runId": "r", "seq": 7, "status": "ok",
                "text": "Hi", "usage": {"promptTokens": 3, "completionTokens": 4, "totalTokens": 7}}})
            ]
        );
        let words: Vec<String> = told(Dialect::B, said)
            .iter()
            .map(|event| format!("{} {}", event["event"], event["payload"]["state"]).replace('"', ""))
            .collect();
        assert_eq!(words, ["agent null", "chat final"]);
        for (said, status) in
            [(Said::Failed { message: "no" }, "error"), (Said::Aborted { partial: "so far" }, "aborted")]
        {
            assert_eq!(told(Dialect::C, said)[0]["data"]["status"], json!(status));
            assert_eq!(told(Dialect::B, said)[1]["payload"]["state"], json!(status));
        }
    }

    #[test]
    fn tools_are_told_as_the_api_reference_says() {
        // C11, C12.
        let args = r#"{"url":"https://example.com"}"#;
        assert_eq!(
            told(Dialect::C, Said::ToolCall { id: "c1", name: "browser_navigate", args })[0],
            json!({"type": "tool.call", "data": {"runId": "r", "sessionKey": "agent:main:s", "callId": "c1",
                "tool": "browser_navigate", "params": {"url": "https://example.com"}, "seq": 7}})
        );
        // What a tool says meanwhile has no word in the reference; stock clients know it as an update.
        let said = Said::ToolOutput { id: "c1", name: "exec", text: "a\nb", delta: "b" };
        assert!(told(Dialect::C, said).is_empty());
        let update = &told(Dialect::B, said)[0]["payload"];
        let expected = json!({"phase": "update", "name": "exec", "toolCallId": "c1", "delta": "b",
            "partialResult": {"content": [{"type": "text", "text": "a\nb"}]}});
        assert_eq!((&update["stream"], &update["data"]), (&json!("tool"), &expected));
        let result = |text, is_error| {
            told(Dialect::C, Said::ToolResult { id: "c1", name: "t", text, is_error })[0]["data"]["result"].clone()
        };
        assert_eq!(result(r#"{"success":true,"url":"u"}"#, false), json!({"success": true, "url": "u"}));
        assert_eq!(result("plain", true), json!({"success": false, "text": "plain"}));
    }

    #[test]
    fn a_tick_is_a_heartbeat_in_c() {
        let frames = Dialect::C.frames(&Notice::Tick { ts: 5 });
        assert_eq!(frames, [Outgoing::Text(r#"{"type":"heartbeat","data":{"timestamp":5,"status":"ok"}}"#.into())]);
        assert_eq!(Dialect::B.frames(&Notice::Tick { ts: 5 }), [Outgoing::Event("tick", r#"{"ts":5}"#.into())]);
    }
}

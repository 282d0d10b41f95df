//! A run's events on their way to one socket, in both readers' words.
//!
//! Text is gathered: the first piece goes at once, more of it when some time has passed and the
//! outbox has room. So a fast model costs few frames, cumulative texts stay affordable, and a slow
//! reader gets larger pieces instead of gaps.

use std::sync::Arc;
use std::time::Duration;

use claw_app::Error;
use claw_core::run::{RunEvent, Sequenced};
use claw_core::{Failure, Output, TaskId, Timestamp};
use claw_wire::ws::agent::{AgentEvent, ChatEvent, ChatMessage, EventBody};
use tokio::time::Instant;

use super::connection::Line;
use crate::error::{Problem, millis};
use crate::limits::{AGENT_EVENT_INTERVAL, CHAT_EVENT_INTERVAL};

/// How long to wait before looking for room again.
pub(crate) const ROOM_INTERVAL: Duration = Duration::from_millis(50);

/// A run as its client knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) id: TaskId,
    pub(crate) run_id: &'a str,
    pub(crate) session_key: &'a str,
    pub(crate) agent_id: &'a str,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Completed { output: Output, took: Duration },
    Failed { failure: Failure },
    Cancelled,
}

/// Relays a run from its first event to its last.
pub(crate) async fn run(line: &Line, run: &Run<'_>) -> Result<End, Problem> {
    let mut reader = line.doors.app.tasks.read(run.id, 0);
    let mut relay = Relay::new(line, run);
    loop {
        let event = tokio::select! {
            event = reader.next() => event.map_err(Error::from)?,
            () = tokio::time::sleep_until(relay.due), if relay.has_more() => {
                relay.flush(false);
                continue;
            }
        };
        let Some(event) = event else {
            return Err(Error::NotFound { what: "task", id: run.id.to_string() }.into());
        };
        if let Some(end) = relay.take(&event) {
            return Ok(end);
        }
    }
}

struct Relay<'a> {
    line: &'a Line,
    run: &'a Run<'a>,
    /// What the model has said.
    text: String,
    /// How much of it `agent` events have told.
    agent_told: usize,
    /// How much of it `chat` events have told.
    chat_told: usize,
    chat_due: Instant,
    /// When the next piece may go.
    due: Instant,
    last: (u64, Timestamp),
    began: Timestamp,
}

impl<'a> Relay<'a> {
    fn new(line: &'a Line, run: &'a Run<'a>) -> Self {
        let (now, began) = (Instant::now(), line.doors.app.now());
        let text = String::new();
        Self { line, run, text, agent_told: 0, chat_told: 0, chat_due: now, due: now, last: (0, began), began }
    }

    fn has_more(&self) -> bool {
        self.agent_told < self.text.len() || self.chat_told < self.text.len()
    }

    /// Tells of one event; the run's end when it is that.
    fn take(&mut self, event: &Arc<Sequenced>) -> Option<End> {
        self.last = (event.seq, event.at);
        let at = event.at.millis();
        match &event.event {
            RunEvent::Started { .. } => {
                // What an earlier attempt said does not count any more.
                (self.text, self.agent_told, self.chat_told) = (String::new(), 0, 0);
                self.began = event.at;
                self.agent("lifecycle", EventBody::Start { started_at: at });
            }
            RunEvent::Text { delta } => {
                self.text.push_str(delta);
                if Instant::now() >= self.due {
                    self.flush(false);
                }
            }
            RunEvent::ToolCall { call } => {
                self.flush(true);
                let (name, args) = (call.name.as_str(), call.arguments.as_str());
                self.tool(EventBody::ToolStart { name, tool_call_id: &call.id, args });
            }
            RunEvent::ToolResult { call_id, name, text, is_error } => {
                self.tool(EventBody::ToolResult { name, tool_call_id: call_id, is_error: *is_error, text });
            }
            RunEvent::Retrying { attempt, failure, at: next } => {
                let delay_ms = millis(next.since(event.at));
                self.agent("lifecycle", EventBody::Retrying { message: &failure.message, attempt: *attempt, delay_ms });
            }
            RunEvent::Thinking { .. }
            | RunEvent::Progress { .. }
            | RunEvent::Usage { .. }
            | RunEvent::Switched { .. } => {}
            RunEvent::Completed { output } => return Some(self.completed(output, event.at)),
            RunEvent::Failed { failure, partial: _ } => {
                self.flush(true);
                self.agent("lifecycle", EventBody::Error { error: &failure.message, ended_at: at });
                self.chat("error", None, None, Some(&failure.message));
                return Some(End::Failed { failure: failure.clone() });
            }
            RunEvent::Cancelled { partial } => {
                self.flush(true);
                self.agent("lifecycle", EventBody::End { ended_at: at, is_aborted: true });
                self.chat("aborted", None, Some(partial), None);
                return Some(End::Cancelled);
            }
        }
        None
    }

    fn completed(&mut self, output: &Output, at: Timestamp) -> End {
        if self.text.is_empty() {
            self.text.clone_from(&output.text);
        }
        self.flush(true);
        self.agent("lifecycle", EventBody::End { ended_at: at.millis(), is_aborted: false });
        self.chat("final", None, Some(&output.text), None);
        End::Completed { output: output.clone(), took: at.since(self.began) }
    }

    /// Tells what is new, if it is time for it and there is room, or in any case.
    fn flush(&mut self, is_last: bool) {
        let now = Instant::now();
        if !is_last && !self.line.outbox.has_room() {
            self.due = now + ROOM_INTERVAL;
            return;
        }
        if let Some(delta) = self.text.get(self.agent_told..).filter(|delta| !delta.is_empty()) {
            let data = EventBody::Assistant { text: &self.text, delta };
            self.line.outbox.event("agent", &self.agent_event("assistant", data, Some(delta)));
            self.agent_told = self.text.len();
        }
        if (is_last || now >= self.chat_due)
            && let Some(delta) = self.text.get(self.chat_told..).filter(|delta| !delta.is_empty())
        {
            self.chat("delta", Some(delta), Some(&self.text), None);
            self.chat_told = self.text.len();
            self.chat_due = now + CHAT_EVENT_INTERVAL;
        }
        let is_only_chat_behind = self.agent_told == self.text.len() && self.chat_told < self.text.len();
        self.due = if is_only_chat_behind { self.chat_due } else { now + AGENT_EVENT_INTERVAL };
    }

    fn agent(&self, stream: &'static str, data: EventBody<'_>) {
        self.line.outbox.event("agent", &self.agent_event(stream, data, None));
    }

    /// Tools are told to those who asked.
    fn tool(&self, data: EventBody<'_>) {
        if self.line.peer.wants_tool_events {
            self.agent("tool", data);
        }
    }

    fn agent_event<'e>(&'e self, stream: &'static str, data: EventBody<'e>, text: Option<&'e str>) -> AgentEvent<'e> {
        let Run { id: _, run_id, session_key, agent_id } = *self.run;
        let (seq, at) = self.last;
        let kind = text.map(|_| "output");
        AgentEvent { run_id, stream, data, kind, text, session_key, agent_id, seq, ts: at.millis() }
    }

    fn chat(&self, state: &'static str, delta: Option<&str>, text: Option<&str>, error: Option<&str>) {
        let Run { id: _, run_id, session_key, agent_id } = *self.run;
        let (seq, at) = self.last;
        self.line.outbox.event(
            "chat",
            &ChatEvent {
                run_id,
                session_key,
                agent_id,
                seq,
                state,
                delta_text: delta,
                stop_reason: match state {
                    "final" => Some("stop"),
                    "aborted" => Some("rpc"),
                    _ => None,
                },
                error_message: error,
                message: text.map(|text| ChatMessage::assistant(text, at.millis())),
            },
        );
    }
}

//! A run's events on their way to one socket.
//!
//! Text is gathered: the first piece goes at once, more of it when some time has passed and the
//! outbox has room. So a fast model costs few frames, cumulative texts stay affordable, and a slow
//! reader gets larger pieces instead of gaps.

use std::sync::Arc;
use std::time::Duration;

use claw_app::Error;
use claw_app::notice::TaskNotice;
use claw_core::run::{RunEvent, Sequenced};
use claw_core::{Failure, Output, TaskId, Timestamp};
use claw_wire::ws::notice::{Notice, RunName, RunNotice, Said};
use tokio::time::Instant;

use super::connection::Line;
use crate::error::{Problem, millis};
use crate::limits::{AGENT_EVENT_INTERVAL, CHAT_EVENT_INTERVAL, PARTIAL_BYTES_MAX};

/// How long to wait before looking for room again.
pub(crate) const ROOM_INTERVAL: Duration = Duration::from_millis(50);

/// A run as its client knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) id: TaskId,
    pub(crate) run_id: &'a str,
    pub(crate) session_key: &'a str,
    pub(crate) agent_id: &'a str,
    /// Whether its client wants the text piece by piece.
    pub(crate) wants_deltas: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Completed { output: Output, took: Duration },
    Failed { failure: Failure },
    Cancelled,
}

/// Events wait this long behind an answer: a client that handles both in one go misses them.
pub(crate) const BREATH: Duration = Duration::from_millis(20);

/// Relays a run to its end, from the events above `after`; of what was before, only the text counts.
///
/// If something else relays it to this socket already, waits for the end and tells nothing.
pub(crate) async fn run(line: &Line, run: &Run<'_>, after: u64) -> Result<End, Problem> {
    let claim = line.viewed.relay(run.id);
    let mut relay = Relay::new(line, run, after, claim.is_some());
    let mut reader = line.doors.app.tasks.read(run.id, 0);
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

/// Relays a run that somebody else started in a conversation in view.
pub(crate) async fn watch(line: &Line, notice: &TaskNotice) {
    // Whoever started it here relays it; it has claimed it by then.
    tokio::time::sleep(BREATH).await;
    if line.viewed.knows(notice.id) {
        return;
    }
    let tasks = &line.doors.app.tasks;
    let Ok(task) = tasks.find(line.peer.caller.principal(), &notice.id.to_string()).await else { return };
    let (run_id, agent) = (task.run_id(), task.turn.agent.clone());
    let session_key = task.turn.session.as_str();
    let run = Run { id: task.id, run_id: &run_id, session_key, agent_id: agent.as_str(), wants_deltas: true };
    if let Err(problem) = self::run(line, &run, 0).await {
        tracing::debug!(task.id = %notice.id, "a run in view could not be shown: {}", problem.message);
    }
}

struct Relay<'a> {
    line: &'a Line,
    run: &'a Run<'a>,
    /// Events up to this number are known to the client.
    after: u64,
    /// Whether it is this relay that tells.
    tells: bool,
    /// What the model has said.
    text: String,
    /// The call that works, and the end of what it has said.
    partial: Option<(String, String)>,
    /// How much of it has been told.
    told: usize,
    /// How much of it has been told to readers that redraw.
    drafted: usize,
    draft_due: Instant,
    /// When the next piece may go.
    due: Instant,
    last: (u64, Timestamp),
    began: Timestamp,
}

impl<'a> Relay<'a> {
    fn new(line: &'a Line, run: &'a Run<'a>, after: u64, tells: bool) -> Self {
        let (now, began) = (Instant::now(), line.doors.app.now());
        Self {
            line,
            run,
            after,
            tells,
            text: String::new(),
            partial: None,
            told: 0,
            drafted: 0,
            draft_due: now,
            due: now,
            last: (0, began),
            began,
        }
    }

    fn has_more(&self) -> bool {
        self.run.wants_deltas && (self.told < self.text.len() || self.drafted < self.text.len())
    }

    /// Whether the client knows everything up to here.
    const fn is_known(&self) -> bool {
        self.last.0 <= self.after
    }

    /// Tells of one event; the run's end when it is that.
    fn take(&mut self, event: &Arc<Sequenced>) -> Option<End> {
        self.last = (event.seq, event.at);
        match &event.event {
            RunEvent::Started { .. } => {
                // What an earlier attempt said does not count any more.
                (self.text, self.told, self.drafted) = (String::new(), 0, 0);
                self.began = event.at;
                self.tell(Said::Started);
            }
            RunEvent::Text { delta } | RunEvent::Refusal { delta } => {
                self.text.push_str(delta);
                if self.is_known() {
                    (self.told, self.drafted) = (self.text.len(), self.text.len());
                } else if Instant::now() >= self.due {
                    self.flush(false);
                }
            }
            RunEvent::ToolCall { call } => {
                self.flush(true);
                self.tell_tool(Said::ToolCall { id: &call.id, name: &call.name, args: call.arguments.as_str() });
            }
            RunEvent::ToolOutput { call_id, name, delta } => self.tool_output(call_id, name, delta),
            RunEvent::ToolResult { call_id, name, text, is_error } => {
                self.partial = None;
                self.tell_tool(Said::ToolResult { id: call_id, name, text, is_error: *is_error });
            }
            RunEvent::Thinking { .. }
            | RunEvent::Progress { .. }
            | RunEvent::Usage { .. }
            | RunEvent::Switched { .. }
            | RunEvent::Continued { .. } => {}
            RunEvent::Steered { task, text } => {
                self.flush(true);
                self.tell(Said::Steered { task_id: &task.to_string(), text });
            }
            RunEvent::ApprovalRequested { approval, call_id, name, shown, expires_at } => {
                self.flush(true);
                let (id, expires_at) = (approval.to_string(), expires_at.millis());
                self.tell(Said::Asked { id: &id, call_id, name, shown, expires_at });
            }
            RunEvent::ApprovalResolved { approval, call_id, state } => {
                self.tell(Said::Answered { id: &approval.to_string(), call_id, state });
            }
            RunEvent::Retrying { attempt, failure, at } => {
                self.flush(true);
                let delay_ms = millis(at.since(event.at));
                self.tell(Said::Retrying { message: &failure.message, attempt: *attempt, delay_ms });
            }
            RunEvent::Completed { output } => return Some(self.completed(output, event.at)),
            RunEvent::Failed { failure, partial: _ } => {
                self.flush(true);
                self.tell(Said::Failed { message: &failure.message });
                return Some(End::Failed { failure: failure.clone() });
            }
            RunEvent::Cancelled { partial } => {
                self.flush(true);
                self.tell(Said::Aborted { partial });
                return Some(End::Cancelled);
            }
        }
        None
    }

    fn completed(&mut self, output: &Output, at: Timestamp) -> End {
        if self.text.is_empty() {
            self.text = output.text.to_string();
        }
        self.flush(true);
        self.tell(Said::Completed { text: &output.text, usage: output.usage });
        End::Completed { output: output.clone(), took: at.since(self.began) }
    }

    /// Tells what is new, if it is time for it and there is room, or in any case.
    fn flush(&mut self, is_last: bool) {
        if !self.run.wants_deltas {
            return;
        }
        let now = Instant::now();
        if !is_last && !self.line.outbox.has_room() {
            self.due = now + ROOM_INTERVAL;
            return;
        }
        if let Some(delta) = self.text.get(self.told..).filter(|delta| !delta.is_empty()) {
            self.tell_any(Said::Text { text: &self.text, delta });
            self.told = self.text.len();
        }
        if (is_last || now >= self.draft_due)
            && let Some(delta) = self.text.get(self.drafted..).filter(|delta| !delta.is_empty())
        {
            self.tell_any(Said::Draft { text: &self.text, delta });
            self.drafted = self.text.len();
            self.draft_due = now + CHAT_EVENT_INTERVAL;
        }
        let is_only_draft_behind = self.told == self.text.len() && self.drafted < self.text.len();
        self.due = if is_only_draft_behind { self.draft_due } else { now + AGENT_EVENT_INTERVAL };
    }

    /// Readers that redraw get the end of it, whatever of it they have missed.
    fn tool_output(&mut self, call_id: &str, name: &str, delta: &str) {
        let (known, text) = self.partial.get_or_insert_default();
        if known != call_id {
            (*known, *text) = (call_id.to_owned(), String::new());
        }
        text.push_str(delta);
        let over = text.ceil_char_boundary(text.len().saturating_sub(PARTIAL_BYTES_MAX));
        text.drain(..over);
        // Whoever is behind gets the newest end with the next piece.
        if self.line.outbox.has_room()
            && let Some((_, text)) = &self.partial
        {
            self.tell_tool(Said::ToolOutput { id: call_id, name, text, delta });
        }
    }

    /// Tools are told to those who asked.
    fn tell_tool(&self, said: Said<'_>) {
        if self.line.peer.wants_tool_events {
            self.tell(said);
        }
    }

    /// Tells what the client does not know yet.
    fn tell(&self, said: Said<'_>) {
        if !self.is_known() {
            self.tell_any(said);
        }
    }

    fn tell_any(&self, said: Said<'_>) {
        if !self.tells {
            return;
        }
        let Run { id: _, run_id, session_key, agent_id, wants_deltas: _ } = *self.run;
        let (seq, at) = self.last;
        let run = RunName { run_id, session_key, agent_id };
        self.line.outbox.tell(&Notice::Run(RunNotice { run, seq, ts: at.millis(), said }));
    }
}

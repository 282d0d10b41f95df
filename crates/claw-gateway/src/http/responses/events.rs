//! A response as a stream of its events.

use bytes::Bytes;
use claw_app::Error;
use claw_core::run::RunEvent;
use claw_core::{Output, Task, TaskId, Timestamp};
use claw_wire::openai::responses::Kept;
use claw_wire::openai::responses::events::{EventWriter, Framing};
use http::StatusCode;

use crate::doors::Doors;
use crate::error::{Problem, UPSTREAM};
use crate::http::render;
use crate::http::stream::Wording;

/// What a run that ended without an answer had said, as items of its response.
pub(super) async fn broken_off(doors: &Doors, task: &Task, kept: &Kept) -> Result<EventWriter, Problem> {
    // Only the items are wanted: all events count as seen.
    let (created, seen) = (task.created_at.seconds(), Some(u64::MAX));
    let mut writer = EventWriter::new(task.id, created, kept.clone(), seen, Framing::Lines);
    let mut events = doors.app.chat.reread(task.id).await?;
    while let Some(event) = events.next().await.map_err(Error::from)? {
        drop(match &event.event {
            RunEvent::Text { delta } => writer.text(delta),
            RunEvent::Refusal { delta } => writer.refusal(delta),
            RunEvent::Thinking { delta } => writer.thinking(delta),
            RunEvent::ToolCall { .. } => writer.pause(),
            RunEvent::Switched { .. } => writer.switched(),
            _ => Vec::new(),
        });
    }
    drop(writer.break_off());
    Ok(writer)
}

/// A stream in the events of `/v1/responses`.
pub(super) struct Events(pub(super) EventWriter);

impl Wording for Events {
    fn opening(&mut self) -> Vec<Bytes> {
        vec![self.0.opening().into()]
    }

    fn began(&mut self, attempt: u32) {
        self.0.began(attempt);
    }

    fn text(&mut self, delta: &str) -> Bytes {
        self.0.text(delta).into()
    }

    fn refusal(&mut self, delta: &str) -> Bytes {
        self.0.refusal(delta).into()
    }

    fn thinking(&mut self, delta: &str) -> Bytes {
        self.0.thinking(delta).into()
    }

    fn switched(&mut self) -> Bytes {
        self.0.switched().into()
    }

    fn begins_with(&self, event: &RunEvent) -> bool {
        match event {
            RunEvent::Thinking { delta } => self.0.tells_thought(delta),
            // The item of what was reasoned is told now.
            RunEvent::ToolCall { .. } => self.0.is_thinking(),
            RunEvent::Text { .. } | RunEvent::Refusal { .. } => true,
            _ => false,
        }
    }

    fn pause(&mut self) -> Bytes {
        self.0.pause().into()
    }

    fn complete(&mut self, output: &Output, _said: bool, at: Timestamp) -> Vec<Bytes> {
        vec![self.0.complete(output, at.seconds()).into()]
    }

    fn fail(&mut self, problem: &Problem, _request_id: &str, _task: TaskId) -> Vec<Bytes> {
        let message = &problem.message;
        vec![Bytes::from(match problem.status {
            _ if problem.code == UPSTREAM => self.0.fail("server_error", message),
            // Nothing failed: somebody stopped it, or it goes on elsewhere.
            StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => self.0.error(render::payload(problem)),
            StatusCode::TOO_MANY_REQUESTS => self.0.fail("rate_limit_exceeded", message),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => self.0.fail("invalid_prompt", message),
            _ => self.0.fail("server_error", message),
        })]
    }
}

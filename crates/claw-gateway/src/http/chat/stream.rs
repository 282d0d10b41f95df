//! A chat completion as a stream of server-sent events.
//!
//! The status is not sent before the run has shown something: what fails until then fails with a
//! proper status. After that a failure is an `error` event and the end, never `[DONE]` (G8). One
//! event is one flush: an event that is ready together with its predecessor waits for a turn of
//! the scheduler. Dropping the body drops the run.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use claw_app::Error;
use claw_app::chat::AttachedRun;
use claw_core::run::{RunEvent, Sequenced};
use claw_core::{Output, TaskId};
use claw_wire::error::ErrorBody;
use claw_wire::openai::chunk::{ChunkWriter, DONE};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tokio::time::{Instant, Sleep};

use super::render;
use crate::doors::Doors;
use crate::error::Problem;
use crate::limits::KEEP_ALIVE;

/// What a silent stream shows; clients skip it.
const COMMENT: &[u8] = b": keep-alive\n\n";

/// Waits for the first sign of an answer, then streams.
pub(crate) async fn answer(
    doors: &Doors,
    mut run: AttachedRun,
    writer: ChunkWriter,
    include_usage: bool,
    request_id: Arc<str>,
) -> Result<Response, Problem> {
    let wait = doors.app.wait_max();
    let first = match tokio::time::timeout(wait, first_sign(&mut run)).await {
        Ok(first) => first?,
        Err(_elapsed) => return Err(run.leave(wait).await.into()),
    };
    let opening = Bytes::from(writer.role());
    let state = Streaming {
        run,
        writer,
        include_usage,
        request_id,
        ready: Some(first),
        said: 0,
        stage: Stage::Opening,
        silence: Silence::default(),
    };
    let body = futures::stream::unfold((state, opening), |(mut state, opening)| async move {
        let piece = state.next(opening).await?;
        Some((Ok::<_, std::convert::Infallible>(piece), (state, Bytes::new())))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    Ok(response)
}

/// The first event that an answer can begin with.
async fn first_sign(run: &mut AttachedRun) -> Result<Arc<Sequenced>, Error> {
    let task = run.id;
    while let Some(event) = run.next().await? {
        match &event.event {
            RunEvent::Text { .. } | RunEvent::Completed { .. } => return Ok(event),
            RunEvent::Failed { failure, .. } => return Err(Error::Run(failure.clone())),
            RunEvent::Cancelled { .. } => return Err(Error::Cancelled(task)),
            RunEvent::Started { .. }
            | RunEvent::Thinking { .. }
            | RunEvent::ToolCall { .. }
            | RunEvent::ToolResult { .. }
            | RunEvent::Progress { .. }
            | RunEvent::Usage { .. }
            | RunEvent::Switched { .. }
            | RunEvent::Retrying { .. } => {}
        }
    }
    Err(Error::NotFound { what: "task", id: task.to_string() })
}

enum Stage {
    Opening,
    Open,
    /// Pieces that are certain now, last first.
    Closing(Vec<Bytes>),
}

struct Streaming {
    run: AttachedRun,
    writer: ChunkWriter,
    include_usage: bool,
    request_id: Arc<str>,
    ready: Option<Arc<Sequenced>>,
    /// Bytes of text sent.
    said: usize,
    stage: Stage,
    silence: Silence,
}

/// Watches for a silence without setting the timer at every event: the timer, when it rings, looks
/// how long it has been silent by then.
#[derive(Default)]
struct Silence {
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    /// Resolves when it has lasted so long. Cancel-safe.
    async fn lasted(&mut self, limit: Duration) {
        let until = *self.since.get_or_insert_with(Instant::now) + limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        loop {
            alarm.as_mut().await;
            if alarm.deadline() >= until {
                return;
            }
            alarm.as_mut().reset(until);
        }
    }
}

impl Streaming {
    /// The next event's bytes; nothing at the end.
    async fn next(&mut self, opening: Bytes) -> Option<Bytes> {
        match &mut self.stage {
            Stage::Opening => {
                self.stage = Stage::Open;
                return Some(opening);
            }
            Stage::Closing(pieces) => {
                let piece = pieces.pop()?;
                tokio::task::yield_now().await;
                return Some(piece);
            }
            Stage::Open => {}
        }
        loop {
            let Some(event) = self.event().await else { return Some(Bytes::from_static(COMMENT)) };
            if let Some(piece) = self.render(event) {
                return Some(piece);
            }
        }
    }

    /// The next event; nothing after a silence.
    async fn event(&mut self) -> Option<Result<Option<Arc<Sequenced>>, Error>> {
        let ready = self.ready.take().or_else(|| self.run.try_next());
        if let Some(event) = ready {
            // Returns to the connection once, which flushes what was written before.
            tokio::task::yield_now().await;
            return Some(Ok(Some(event)));
        }
        let event = tokio::select! {
            biased;
            event = self.run.next() => Some(event),
            () = self.silence.lasted(KEEP_ALIVE) => None,
        };
        self.silence.since = None;
        event
    }

    fn render(&mut self, event: Result<Option<Arc<Sequenced>>, Error>) -> Option<Bytes> {
        let task = self.run.id;
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return Some(self.fail(Error::NotFound { what: "task", id: task.to_string() })),
            Err(error) => return Some(self.fail(error)),
        };
        match &event.event {
            RunEvent::Text { delta } => {
                self.said += delta.len();
                Some(Bytes::from(self.writer.text(delta)))
            }
            RunEvent::Completed { output } => self.complete(output),
            RunEvent::Failed { failure, .. } => Some(self.fail(Error::Run(failure.clone()))),
            RunEvent::Cancelled { .. } => Some(self.fail(Error::Cancelled(task))),
            // What was said cannot be taken back, so another attempt would be told twice.
            RunEvent::Retrying { failure, .. } if self.said > 0 => Some(self.fail(Error::Run(failure.clone()))),
            RunEvent::Started { .. }
            | RunEvent::Thinking { .. }
            | RunEvent::ToolCall { .. }
            | RunEvent::ToolResult { .. }
            | RunEvent::Progress { .. }
            | RunEvent::Usage { .. }
            | RunEvent::Switched { .. }
            | RunEvent::Retrying { .. } => None,
        }
    }

    /// The pieces that end a finished answer.
    fn complete(&mut self, output: &Output) -> Option<Bytes> {
        let mut pieces = vec![Bytes::from_static(DONE)];
        if self.include_usage {
            pieces.push(self.writer.usage(output.usage).into());
        }
        pieces.push(self.writer.finish(output.finish).into());
        let calls = output.tool_calls.iter().enumerate().rev();
        pieces.extend(calls.map(|(index, call)| Bytes::from(self.writer.tool_call(index, call))));
        if self.said == 0 && !output.text.is_empty() {
            pieces.push(self.writer.text(&output.text).into());
        }
        let first = pieces.pop();
        self.stage = Stage::Closing(pieces);
        first
    }

    /// The piece that ends a broken answer.
    fn fail(&mut self, error: Error) -> Bytes {
        self.stage = Stage::Closing(Vec::new());
        error_event(&error.into(), &self.request_id, Some(self.run.id))
    }
}

/// A refusal inside a stream.
fn error_event(problem: &Problem, request_id: &str, task: Option<TaskId>) -> Bytes {
    let mut object = render::object(problem, request_id, true);
    object.task_id = task.map(|task| task.to_string().into());
    let json = serde_json::to_string(&ErrorBody { error: object }).expect("error bodies always serialise");
    Bytes::from(format!("event: error\ndata: {json}\n\n"))
}

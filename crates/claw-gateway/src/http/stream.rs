//! A run as a stream of server-sent events, in the words of one surface.
//!
//! The status is not sent before the run has shown something: what fails until then fails with a
//! proper status. After that a failure is the end, and never looks like a good one (G8). One
//! event is one flush: an event that is ready together with its predecessor waits for a turn of
//! the scheduler. Dropping the body drops the run.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use claw_app::Error;
use claw_app::chat::{AttachedRun, ended};
use claw_core::approval::visible;
use claw_core::run::{RunEvent, Sequenced};
use claw_core::{Output, TaskId, Timestamp};
use claw_wire::error::ErrorBody;
use futures::future::try_join_all;
use futures::{Stream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tokio::time::{Instant, Sleep};

use super::render;
use crate::doors::Doors;
use crate::error::Problem;
use crate::limits::KEEP_ALIVE;

/// What a silent stream shows; clients skip it.
pub(crate) const COMMENT: &[u8] = b": keep-alive\n\n";

/// A line for people who watch; clients skip it.
fn comment(line: &str) -> Bytes {
    Bytes::from(format!(": {}\n\n", visible(line)))
}

/// How a surface writes a run.
pub(crate) trait Wording: Send + 'static {
    /// What comes before anything of the run, in order.
    fn opening(&mut self) -> Vec<Bytes>;
    /// An attempt begins, from 1; nothing of an earlier one was sent as part of the answer.
    fn began(&mut self, _attempt: u32) {}
    /// More of the answer; empty when there is nothing to send.
    fn text(&mut self, delta: &str) -> Bytes;
    /// More of the words with which the model refuses.
    fn refusal(&mut self, delta: &str) -> Bytes {
        self.text(delta)
    }
    /// More of its reasoning; empty when there is nothing to send.
    fn thinking(&mut self, _delta: &str) -> Bytes {
        Bytes::new()
    }
    /// Another model is asked than the one that reasoned so far; empty when there is nothing to send.
    fn switched(&mut self) -> Bytes {
        Bytes::new()
    }
    /// Whether an answer can begin with this.
    fn begins_with(&self, event: &RunEvent) -> bool {
        matches!(event, RunEvent::Text { .. } | RunEvent::Refusal { .. })
    }
    /// A tool is called; empty when there is nothing to send.
    fn pause(&mut self) -> Bytes {
        Bytes::new()
    }
    /// What ends a finished answer, in order; `said` tells whether any of its text was sent.
    fn complete(&mut self, output: &Output, said: bool, at: Timestamp) -> Vec<Bytes>;
    /// What ends a broken one, in order.
    fn fail(&mut self, problem: &Problem, request_id: &str, task: TaskId) -> Vec<Bytes>;
}

/// Waits for the first sign of an answer, then streams.
pub(crate) async fn answer<W: Wording>(
    doors: &Doors,
    mut run: AttachedRun,
    mut wording: W,
    request_id: Arc<str>,
) -> Result<Response, Problem> {
    let wait = doors.app.wait_max();
    let first = match tokio::time::timeout(wait, first_sign(&mut run, &mut wording)).await {
        Ok(first) => first.map_err(|error| Problem::of_run(error, run.is_replay))?,
        Err(_elapsed) => return Err(run.leave(wait).await.into()),
    };
    Ok(streaming(run, wording, Some(first), request_id))
}

/// The same for several answers to one request, as their pieces come. One that breaks says so, and then
/// no other says that all is well.
pub(crate) async fn answer_many<W: Wording>(
    doors: &Doors,
    mut runs: Vec<(AttachedRun, W)>,
    request_id: Arc<str>,
) -> Result<Response, Problem> {
    let wait = doors.app.wait_max();
    let signs = try_join_all(runs.iter_mut().map(|(run, wording)| first_sign(run, wording)));
    let Ok(signs) = tokio::time::timeout(wait, signs).await else {
        let mut left = Vec::new();
        for (run, _) in runs {
            left.push(run.leave(wait).await);
        }
        return Err(left.into_iter().next().map_or_else(Problem::no_route, Problem::from));
    };
    let told = runs.into_iter().zip(signs?);
    let all = told.map(|((run, wording), sign)| Box::pin(pieces(run, wording, Some(sign), Arc::clone(&request_id))));
    Ok(events(futures::stream::select_all(all)))
}

/// Streams at once, whatever comes.
pub(crate) fn streaming<W: Wording>(
    run: AttachedRun,
    wording: W,
    ready: Option<Arc<Sequenced>>,
    request_id: Arc<str>,
) -> Response {
    events(pieces(run, wording, ready, request_id))
}

/// What there is to send, piece by piece; [`COMMENT`] after a silence.
pub(crate) fn pieces<W: Wording>(
    run: AttachedRun,
    mut wording: W,
    ready: Option<Arc<Sequenced>>,
    request_id: Arc<str>,
) -> impl Stream<Item = Bytes> + Send {
    let waiting = wording.opening().into_iter().filter(|piece| !piece.is_empty()).collect();
    let silence = Silence::default();
    let state = Streaming { run, wording, request_id, ready, waiting, said: false, is_over: false, silence };
    futures::stream::unfold(state, |mut state| async move {
        let piece = state.next().await?;
        Some((piece, state))
    })
}

fn events(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(pieces.map(Ok::<_, std::convert::Infallible>)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    response
}

/// The first event that an answer can begin with.
async fn first_sign<W: Wording>(run: &mut AttachedRun, wording: &mut W) -> Result<Arc<Sequenced>, Error> {
    let task = run.id;
    while let Some(event) = run.next().await? {
        // Who waits for leave may wait long: the caller is told at once.
        if wording.begins_with(&event.event) || matches!(event.event, RunEvent::ApprovalRequested { .. }) {
            return Ok(event);
        }
        // Nothing is sent of it yet, but it is kept in mind.
        if let RunEvent::Thinking { delta } = &event.event {
            drop(wording.thinking(delta));
        }
        if let Some(end) = ended(&event.event, task) {
            return end.map(drop).map(|()| event);
        }
    }
    Err(Error::NotFound { what: "task", id: task.to_string() })
}

struct Streaming<W> {
    run: AttachedRun,
    wording: W,
    request_id: Arc<str>,
    ready: Option<Arc<Sequenced>>,
    /// Pieces that are certain now, in order.
    waiting: VecDeque<Bytes>,
    /// Whether any text was sent.
    said: bool,
    is_over: bool,
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

impl<W: Wording> Streaming<W> {
    /// The next event's bytes; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.waiting.pop_front() {
                if self.is_over {
                    tokio::task::yield_now().await;
                }
                return Some(piece);
            }
            if self.is_over {
                return None;
            }
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

    /// An event's bytes, or the pieces that wait from now on.
    fn render(&mut self, event: Result<Option<Arc<Sequenced>>, Error>) -> Option<Bytes> {
        let task = self.run.id;
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return self.fail(Error::NotFound { what: "task", id: task.to_string() }),
            Err(error) => return self.fail(error),
        };
        match &event.event {
            RunEvent::Text { delta } => {
                self.said = true;
                Some(self.wording.text(delta)).filter(|piece| !piece.is_empty())
            }
            RunEvent::Refusal { delta } => {
                self.said = true;
                Some(self.wording.refusal(delta)).filter(|piece| !piece.is_empty())
            }
            RunEvent::ToolCall { .. } => Some(self.wording.pause()).filter(|piece| !piece.is_empty()),
            RunEvent::Completed { output } => {
                let pieces = self.wording.complete(output, self.said, event.at);
                self.end(pieces)
            }
            RunEvent::Failed { failure, .. } => self.fail(Error::Run(failure.clone())),
            RunEvent::Cancelled { .. } => self.fail(Error::Cancelled(task)),
            // What was said cannot be taken back, so another attempt would be told twice.
            RunEvent::Retrying { failure, .. } if self.said => {
                self.fail(Error::BegunAnew { task, cause: failure.message.clone() })
            }
            RunEvent::Started { attempt, .. } if self.said => self.fail(Error::BegunAnew {
                task,
                cause: format!("attempt {} was given back", attempt.saturating_sub(1)),
            }),
            RunEvent::Started { attempt, .. } => {
                self.wording.began(*attempt);
                None
            }
            RunEvent::Thinking { delta } => {
                let piece = Some(self.wording.thinking(delta)).filter(|piece| !piece.is_empty());
                self.said |= piece.is_some();
                piece
            }
            RunEvent::Switched { .. } => Some(self.wording.switched()).filter(|piece| !piece.is_empty()),
            RunEvent::ToolOutput { .. }
            | RunEvent::ToolResult { .. }
            | RunEvent::Progress { .. }
            | RunEvent::Usage { .. }
            | RunEvent::Continued { .. }
            | RunEvent::Steered { .. }
            | RunEvent::Retrying { .. } => None,
            RunEvent::ApprovalRequested { approval, name, .. } => {
                Some(comment(&format!("waits for leave to call {name}: openclaw approvals show {approval}")))
            }
            RunEvent::ApprovalResolved { approval, state, .. } => Some(comment(&format!("{approval} is {state}"))),
        }
    }

    fn fail(&mut self, error: Error) -> Option<Bytes> {
        let pieces = self.wording.fail(&Problem::of_run(error, self.run.is_replay), &self.request_id, self.run.id);
        self.end(pieces)
    }

    fn end(&mut self, pieces: Vec<Bytes>) -> Option<Bytes> {
        self.is_over = true;
        self.waiting = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        self.waiting.pop_front()
    }
}

/// A refusal inside a stream.
pub(crate) fn error_event(problem: &Problem, request_id: &str, task: TaskId, is_openai: bool) -> Bytes {
    let mut object = render::object(problem, request_id, is_openai);
    object.task_id = Some(task.to_string().into());
    let json = serde_json::to_string(&ErrorBody { ok: None, error: object }).expect("error bodies always serialise");
    Bytes::from(format!("event: error\ndata: {json}\n\n"))
}

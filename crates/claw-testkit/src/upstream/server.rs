//! The HTTP side: accepts, routes, and plays a reply.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State as Shares};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use claw_runtime::TaskScope;
use futures::{StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::render::{self, Frame};
use super::reply::{Answer, Kept, Reply, Step};
use super::seen::Seen;
use super::{Counts, Shared};

/// Largest request it reads.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Accepts until the scope ends; every connection is a task of the scope.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, scope: TaskScope) {
    let router = Router::new()
        .route("/v1/chat/completions", post(complete))
        // Other protocols are answered verbatim, refused or kept waiting: nothing is rendered for them.
        .route("/v1/messages", post(complete))
        .route("/v1/embeddings", post(complete))
        .route("/v1/responses", post(complete))
        .route("/v1/models", get(models))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::clone(&shared));
    let accepting = async {
        loop {
            // A client that left before it was accepted is no reason to stop.
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (router, counts) = (router.clone(), shared.counts.clone());
            drop(scope.spawn(async move |cancel| {
                tokio::select! { () = cancel.cancelled() => {}, () = connection(stream, router, counts) => {} }
            }));
        }
    };
    tokio::select! { () = scope.cancelled() => {}, () = accepting => {} }
}

async fn connection(stream: TcpStream, router: Router, counts: watch::Sender<Counts>) {
    let _open = Counted::new(counts, |counts| &mut counts.connections);
    // A socket that cannot be told not to wait is slower, and nothing else.
    let _is_set = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    // How a connection ends is the clients' side of the test to judge.
    let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn models() -> Response {
    json(StatusCode::OK, &json!({ "object": "list", "data": [{ "id": "scripted", "object": "model" }] }))
}

async fn unknown() -> Response {
    json(StatusCode::NOT_FOUND, &render::error("no such address", "invalid_request_error"))
}

async fn complete(Shares(shared): Shares<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let answering = Counted::new(shared.counts.clone(), |counts| &mut counts.answers);
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (seen, reply) = shared.reply_to(headers, body);
    let Reply { before_head, headers, limit, kept, answer } = reply;
    let deadline = limit.map(|(limit, last)| (Instant::now() + limit, last));
    for hold in before_head {
        hold.pass().await;
    }
    let mut response = match answer {
        Answer::Refusal { status, message } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            json(status, &render::error(&message, "scripted_error"))
        }
        Answer::Words { status, words } => {
            let mut response = with_type("text/plain; charset=utf-8", Body::from(words));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response
        }
        Answer::Verbatim { content_type, body } => with_type(&content_type, Body::from(body)),
        Answer::Completion(steps) => completion(&seen, steps, Under { answering, kept, deadline }).await,
    };
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What an answer is given under.
struct Under {
    answering: Counted,
    kept: Option<Kept>,
    deadline: Option<(Instant, Vec<Step>)>,
}

async fn completion(seen: &Seen, steps: Vec<Step>, under: Under) -> Response {
    let frame = Frame::new(seen);
    if seen.is_streamed() {
        let Under { answering, kept, deadline } = under;
        let playing =
            Playing { frame, steps: steps.into_iter(), chunks: 0, deadline, _kept: kept, _answering: answering };
        let body = stream::unfold(playing, async |mut playing| playing.next().await.map(|chunk| (chunk, playing)));
        return with_type("text/event-stream", Body::from_stream(body));
    }
    for step in &steps {
        match step {
            Step::Wait(hold) => hold.pass().await,
            Step::Cut => {
                return with_type("application/json", Body::from_stream(half(&frame.whole(&steps).to_string())));
            }
            Step::Garbage(_) => return with_type("application/json", Body::from("{\"choices\":[{\"mess")),
            Step::Error(message) => {
                return json(StatusCode::INTERNAL_SERVER_ERROR, &render::error(message, "server_error"));
            }
            Step::Text(_)
            | Step::Thinking(_)
            | Step::Refusal(_)
            | Step::ToolCall { .. }
            | Step::Finish(_)
            | Step::Done => {}
        }
    }
    json(StatusCode::OK, &frame.whole(&steps))
}

/// A streamed answer under way; dropped by the server when the client leaves.
struct Playing {
    frame: Frame,
    steps: std::vec::IntoIter<Step>,
    chunks: usize,
    /// And what comes in place of the rest then.
    deadline: Option<(Instant, Vec<Step>)>,
    _kept: Option<Kept>,
    _answering: Counted,
}

impl Playing {
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        loop {
            let step = self.steps.next()?;
            match &step {
                Step::Wait(hold) => {
                    match &mut self.deadline {
                        None => hold.pass().await,
                        Some((deadline, last)) => {
                            if tokio::time::timeout_at(*deadline, hold.pass()).await.is_err() {
                                self.steps = std::mem::take(last).into_iter();
                            }
                        }
                    }
                    continue;
                }
                Step::Cut => {
                    flush().await;
                    return Some(Err(cut()));
                }
                Step::Text(_) | Step::Refusal(_) | Step::ToolCall { .. } => self.chunks += 1,
                Step::Thinking(_) | Step::Finish(_) | Step::Error(_) | Step::Garbage(_) | Step::Done => {}
            }
            return Some(Ok(self.frame.chunk(&step, self.chunks)));
        }
    }
}

/// The first half of a text, then the cut.
fn half(text: &str) -> impl stream::Stream<Item = std::io::Result<Bytes>> + Send + use<> {
    let (head, _) = text.split_at(text.floor_char_boundary(text.len() / 2));
    let cut = stream::once(async {
        flush().await;
        Err(cut())
    });
    stream::iter([Ok(Bytes::from(head.to_owned()))]).chain(cut)
}

/// A body that has nothing ready makes the server write out what it holds; without this a cut
/// would take the chunks before it along.
async fn flush() {
    tokio::task::yield_now().await;
}

/// An error in a body makes the server close the connection without ending the body.
fn cut() -> std::io::Error {
    std::io::Error::other("cut by the script")
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = with_type("application/json", Body::from(body.to_string()));
    *response.status_mut() = status;
    response
}

fn with_type(content_type: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}

/// One of something, for as long as it lives.
struct Counted {
    counts: watch::Sender<Counts>,
    which: fn(&mut Counts) -> &mut usize,
}

impl Counted {
    fn new(counts: watch::Sender<Counts>, which: fn(&mut Counts) -> &mut usize) -> Self {
        counts.send_modify(|counts| *which(counts) += 1);
        Self { counts, which }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.send_modify(|counts| *(self.which)(counts) -= 1);
    }
}

//! The way to `http` addresses: hyper's client with nothing around it.
//!
//! A model on the same machine or network answers in microseconds, and then the layers that
//! reqwest has for redirects, cookies and retries are a part of the whole that can be measured.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{HeaderValue, USER_AGENT};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::{Cause, Request, RequestBody, Settings};

/// How long an idle connection is kept.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(90);
/// A peer that is gone without a word is noticed by probes at this interval.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
/// After so many probes without an answer.
const PROBES_MAX: u32 = 3;

/// Sends requests to `http` addresses. Clones share connections.
#[derive(Debug, Clone)]
pub(super) struct Plain {
    client: Client<Connector, RequestBody>,
    user_agent: HeaderValue,
}

/// Why there is no head of an answer.
pub(super) enum Failed {
    /// The connection did not stand in time.
    ConnectTimeout,
    /// Nothing was sent.
    Unsent(Cause),
    /// It was sent, at least in part.
    Unanswered(Cause),
}

impl Plain {
    /// Errors: the settings' name for the client cannot stand in a header.
    pub(super) fn new(settings: &Settings) -> Result<Self, Cause> {
        let mut inner = HttpConnector::new();
        inner.set_nodelay(true);
        inner.set_keepalive(Some(PROBE_INTERVAL));
        inner.set_keepalive_interval(Some(PROBE_INTERVAL));
        inner.set_keepalive_retries(Some(PROBES_MAX));
        let connector = Connector { inner, limit: Duration::from_millis(settings.connect_ms) };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_KEPT)
            .pool_max_idle_per_host(settings.idle_connections_max)
            .build(connector);
        Ok(Self { client, user_agent: settings.user_agent.parse()? })
    }

    /// Sends a request and waits for the head of the answer. Cancel-safe: dropping closes.
    pub(super) async fn send(&self, request: Request) -> Result<http::Response<Incoming>, Failed> {
        let Request { method, url, headers, body } = request;
        let mut outgoing = http::Request::new(body);
        *outgoing.uri_mut() =
            url.as_str().parse().map_err(|wrong: http::uri::InvalidUri| Failed::Unsent(wrong.into()))?;
        *outgoing.method_mut() = method;
        *outgoing.headers_mut() = headers;
        outgoing.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        self.client.request(outgoing).await.map_err(|failed| match has_timed_out(&failed) {
            true => Failed::ConnectTimeout,
            false if failed.is_connect() => Failed::Unsent(failed.into()),
            false => Failed::Unanswered(failed.into()),
        })
    }
}

/// Dials, within a limit that counts the look-up of the name too.
#[derive(Debug, Clone)]
struct Connector {
    inner: HttpConnector,
    limit: Duration,
}

/// The limit has passed.
#[derive(Debug, thiserror::Error)]
#[error("no connection in time")]
struct TooLate;

impl Service<http::Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = Cause;
    type Future = BoxFuture<'static, Result<Self::Response, Cause>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.inner.poll_ready(context).map_err(Cause::from)
    }

    fn call(&mut self, to: http::Uri) -> Self::Future {
        let dialling = self.inner.call(to);
        let limit = self.limit;
        Box::pin(async move { Ok(tokio::time::timeout(limit, dialling).await.map_err(|_elapsed| TooLate)??) })
    }
}

fn has_timed_out(failed: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(failed), |error| error.source()).any(|error| error.is::<TooLate>())
}

/// The body of an answer, piece by piece.
pub(crate) fn poll_piece(body: &mut Incoming, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
    use hyper::body::Body as _;
    loop {
        let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(context));
        match frame.map(|frame| frame.map(hyper::body::Frame::into_data)) {
            None => return Poll::Ready(None),
            Some(Ok(Ok(piece))) => return Poll::Ready(Some(Ok(piece))),
            // Trailers say nothing that anybody asks for.
            Some(Ok(Err(_trailers))) => {}
            Some(Err(failed)) => return Poll::Ready(Some(Err(failed))),
        }
    }
}

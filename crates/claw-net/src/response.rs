//! An answer on its way in: its head, then its body piece by piece.
//!
//! Every silence has a limit and every whole body a cap. Dropping the response before its end
//! closes the connection; reading it to the end lets the next request use it.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use http::{HeaderMap, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::client::{Cause, Error, Phase, poll_piece};

/// Most bytes of a body that explains an error.
pub const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of a body that is read whole.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most bytes set aside on the word of a `Content-Length`.
const TRUSTED_LENGTH_BYTES_MAX: usize = 64 * 1024;

/// Where the pieces come from.
pub(crate) enum Body {
    /// An `http` address.
    Plain(Incoming),
    /// An `https` address.
    Secure(BoxStream<'static, reqwest::Result<Bytes>>),
}

impl Body {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>> {
        match self {
            Self::Plain(body) => poll_piece(body, context).map(|piece| piece.map(|piece| piece.map_err(Cause::from))),
            Self::Secure(body) => body.as_mut().poll_next(context).map_err(|failed| failed.without_url().into()),
        }
    }
}

/// The head of an answer and what is left of its body.
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    silence: Silence,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Response {
    pub(crate) fn new(answer: http::Response<Body>, idle: Duration) -> Self {
        let (head, body) = answer.into_parts();
        Self { status: head.status, headers: head.headers, body, silence: Silence::new(idle) }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next piece of the body as it came, `None` at its end.
    ///
    /// Cancel-safe. Errors: [`Error::Interrupted`]; [`Error::Timeout`] with [`Phase::NextByte`].
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, Error> {
        std::future::poll_fn(|context| self.poll_piece(context)).await
    }

    /// [`Self::next_piece`] for streams that are polled.
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        match self.body.poll_next(context) {
            Poll::Ready(piece) => {
                self.silence.broken();
                Poll::Ready(piece.transpose().map_err(Error::Interrupted))
            }
            Poll::Pending if self.silence.poll_too_long(context).is_ready() => {
                Poll::Ready(Err(Error::Timeout { phase: Phase::NextByte, limit: self.silence.limit }))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The whole rest of the body.
    ///
    /// Errors: those of [`Self::next_piece`], and [`Error::TooLarge`] beyond `max_bytes`.
    pub async fn read_whole(&mut self, max_bytes: usize) -> Result<Bytes, Error> {
        let announced =
            self.headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > max_bytes) {
            return Err(Error::TooLarge { max_bytes });
        }
        let Some(first) = self.next_piece().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next_piece().await? else { return capped(first, max_bytes) };
        let mut whole = BytesMut::with_capacity(announced.unwrap_or(0).min(TRUSTED_LENGTH_BYTES_MAX));
        whole.extend_from_slice(&first);
        let mut piece = second;
        loop {
            if whole.len() + piece.len() > max_bytes {
                return Err(Error::TooLarge { max_bytes });
            }
            whole.extend_from_slice(&piece);
            let Some(next) = self.next_piece().await? else { return capped(whole.freeze(), max_bytes) };
            piece = next;
        }
    }

    /// What can be read of a body that explains an error: its start, however it ends.
    pub async fn read_error(&mut self) -> Bytes {
        let mut start = BytesMut::new();
        while start.len() < ERROR_BODY_BYTES_MAX
            && let Ok(Some(piece)) = self.next_piece().await
        {
            let room = ERROR_BODY_BYTES_MAX - start.len();
            start.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        }
        start.freeze()
    }

    /// Reads on to the end for at most `grace`, so that the connection can be used again.
    ///
    /// For bodies that have said all they had to: a stream after its last event.
    pub async fn finish(&mut self, grace: Duration) {
        let rest = async { while let Ok(Some(_ignored)) = self.next_piece().await {} };
        // Whoever goes on after the end loses the connection, nothing else.
        let _ended_in_time = tokio::time::timeout(grace, rest).await;
    }
}

fn capped(whole: Bytes, max_bytes: usize) -> Result<Bytes, Error> {
    if whole.len() > max_bytes { Err(Error::TooLarge { max_bytes }) } else { Ok(whole) }
}

/// Watches for a silence without touching the timer at every piece: a piece only writes down when
/// it came, and the timer, when it fires, looks whether that was long enough ago.
struct Silence {
    limit: Duration,
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self { limit, since: None, alarm: None }
    }

    fn broken(&mut self) {
        self.since = None;
    }

    fn poll_too_long(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let deadline = since + self.limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        loop {
            std::task::ready!(alarm.as_mut().poll(context));
            if alarm.deadline() >= deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
    }
}

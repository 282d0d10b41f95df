//! One request and the events that come back, as a state that is polled.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use claw_core::provider::{ModelEvent, ModelRequest, ProviderError};
use claw_net::{Error, Request, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};

use crate::body::{Assembly, Body};
use crate::fault::Fault;
use crate::source::{Source, Wire};

/// How long a stream's connection may take to end after its last event, to be used again.
const FINISH_GRACE: Duration = Duration::from_millis(50);

/// One answer, from before the request to after the last event.
pub(crate) struct Answer<W: Wire> {
    source: Arc<Source<W>>,
    phase: Phase<W::Assembly>,
    ready: VecDeque<ModelEvent>,
    /// What follows the ready events, before the end.
    failure: Option<ProviderError>,
}

enum Phase<A> {
    Asking(Box<ModelRequest>),
    Reading(Box<Reading<A>>),
    Ended,
}

struct Reading<A> {
    response: Response,
    body: Body<A>,
}

/// What one piece of a body led to.
enum Step {
    More,
    Finished,
}

/// Why reading stopped before the end.
pub(crate) enum Stopped {
    /// The connection's fault.
    Transport(Error),
    /// The server's fault.
    Answer(Fault),
    /// It ended, and too early.
    Ended(String),
}

impl<W: Wire> Answer<W> {
    pub(crate) fn new(source: Arc<Source<W>>, request: ModelRequest) -> Self {
        Self { source, phase: Phase::Asking(Box::new(request)), ready: VecDeque::new(), failure: None }
    }

    /// The next event; after the first error or `Done` there is none.
    ///
    /// Not cancel-safe, and need not be: whoever drops the future drops the answer.
    pub(crate) async fn next(&mut self) -> Option<Result<ModelEvent, ProviderError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if let Some(failure) = self.failure.take() {
                return Some(Err(failure));
            }
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Ended => return None,
                Phase::Asking(request) => match self.source.ask(&request).await {
                    Ok(reading) => self.phase = Phase::Reading(Box::new(reading)),
                    Err(failure) => self.failure = Some(failure),
                },
                Phase::Reading(mut reading) => match reading.step(&mut self.ready).await {
                    Ok(Step::More) => self.phase = Phase::Reading(reading),
                    Ok(Step::Finished) => {}
                    Err(stopped) => {
                        reading.body.assembly().take_usage(&mut self.ready);
                        self.failure = Some(self.source.stopped(stopped));
                    }
                },
            }
        }
    }
}

impl<W: Wire> Source<W> {
    async fn ask(self: &Arc<Self>, request: &ModelRequest) -> Result<Reading<W::Assembly>, ProviderError> {
        let body = self
            .body(request)
            .await
            .map_err(|wrong| ProviderError::Unsupported { provider: self.id.clone(), cause: wrong.to_string() })?;
        let mut headers = self.headers.clone();
        self.wire.headers(request, &mut headers);
        let outgoing = Request { method: Method::POST, url: self.url.clone(), headers, body };
        let mut response =
            self.client_for(request).send(outgoing).await.map_err(|failed| self.stopped(Stopped::Transport(failed)))?;
        if !response.status().is_success() {
            return Err(self.refused(&mut response).await);
        }
        Ok(Reading { response, body: Body::new(self.wire.assembly(request)) })
    }
}

impl<A: Assembly> Reading<A> {
    /// Reads one piece of the body.
    async fn step(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<Step, Stopped> {
        let piece = match self.response.next_piece().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return self.end(events),
            // It had said all it had to; how the connection ended then is no matter.
            Err(_late) if self.body.assembly().is_finished() => return self.end(events),
            Err(failed) => return Err(Stopped::Transport(failed)),
        };
        if !self.body.take(&piece, events).map_err(Stopped::Answer)? {
            return Ok(Step::More);
        }
        let step = self.end(events)?;
        self.response.finish(FINISH_GRACE).await;
        Ok(step)
    }

    /// The server has ended; whether that was the end, the body knows.
    fn end(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<Step, Stopped> {
        if self.body.end(events).map_err(Stopped::Answer)? {
            return Ok(Step::Finished);
        }
        let kind = self.response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        Err(Stopped::Ended(if self.body.assembly().has_answered() || kind.starts_with(b"text/event-stream") {
            "the answer ended before it was finished".to_owned()
        } else {
            format!("no answer of a model came, but {:?}", String::from_utf8_lossy(kind))
        }))
    }
}

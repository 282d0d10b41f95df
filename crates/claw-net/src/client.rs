//! The one client behind every call that leaves the house.
//!
//! Phases have their own limits: connecting, waiting for the answer's head, and each silence
//! inside the body ([`crate::response`]). There is no limit on the whole: a model may stream for
//! an hour. Redirects are not followed (a key must not travel), no proxy is taken from the
//! environment, and dropping a future or a response closes its connection.
//!
//! Surprise: the system's certificates are read when the first `https` address is called, not at
//! boot. A machine without any can still talk to a model server on its own network.

mod body;
mod plain;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, Method};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use self::body::Form;
use self::plain::{Failed, Plain};
use crate::response::{Body, Response};

pub use body::RequestBody;
pub(crate) use plain::poll_piece;

/// Most redirects a download follows.
const REDIRECTS_MAX: usize = 5;

/// What a client is built from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Longest time until a connection stands, in milliseconds.
    pub connect_ms: u64,
    /// Longest time from sending the request to the head of the answer, in milliseconds.
    pub first_byte_ms: u64,
    /// Longest silence inside an answer, in milliseconds.
    pub idle_ms: u64,
    /// Open connections kept for later, per host.
    pub idle_connections_max: usize,
    /// How the client calls itself.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_ms: 10_000,
            first_byte_ms: 60_000,
            idle_ms: 60_000,
            idle_connections_max: 100,
            user_agent: concat!("openclaw/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The part of a call that took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Until the connection stood.
    Connection,
    /// Until the head of the answer.
    FirstByte,
    /// Between two pieces of the body.
    NextByte,
}

impl Phase {
    /// `connection`, `first byte` or `next byte`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::FirstByte => "first byte",
            Self::NextByte => "next byte",
        }
    }
}

/// What one of the layers below says; it names no address.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call gave no (whole) answer. Addresses are left out: they may hold keys.
#[derive(Debug, Error)]
pub enum Error {
    /// No client can be made of these settings.
    #[error("the HTTP client cannot be built")]
    Build(#[source] Cause),
    /// No connection: nothing was sent.
    #[error("no connection")]
    Unreachable(#[source] Cause),
    /// The connection broke before the head of the answer; the request may have been heard.
    #[error("the connection broke before an answer")]
    Unanswered(#[source] Cause),
    /// A phase took too long.
    #[error("no {} within {} ms", phase.as_str(), limit.as_millis())]
    Timeout {
        /// Which.
        phase: Phase,
        /// Its limit.
        limit: Duration,
    },
    /// The connection broke inside the body.
    #[error("the connection broke")]
    Interrupted(#[source] Cause),
    /// The body is larger than the caller takes.
    #[error("the answer is larger than {max_bytes} bytes")]
    TooLarge {
        /// What the caller takes.
        max_bytes: usize,
    },
}

impl Error {
    /// The message with all its causes, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            let said = inner.to_string();
            // Layers below repeat each other's words.
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = inner.source();
        }
        text
    }
}

/// One call.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where; `http` or `https`.
    pub url: Url,
    /// Headers beside those the client sets itself.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: RequestBody,
}

/// Sends requests. Clones share connections.
#[derive(Debug, Clone)]
pub struct HttpClient(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    plain: Plain,
    secure: OnceLock<reqwest::Client>,
    downloads: OnceLock<reqwest::Client>,
}

impl HttpClient {
    /// Builds the client; needs [`crate::install_crypto`] to have been called.
    ///
    /// Errors: [`Error::Build`] – the settings cannot work.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let plain = Plain::new(&settings).map_err(Error::Build)?;
        Ok(Self(Arc::new(Shared { settings, plain, secure: OnceLock::new(), downloads: OnceLock::new() })))
    }

    /// Sends a request and waits for the head of the answer, whatever its status.
    ///
    /// Cancel-safe: dropping the future closes the connection. Errors: [`Error::Unreachable`],
    /// [`Error::Unanswered`], [`Error::Timeout`] with [`Phase::Connection`] or [`Phase::FirstByte`]; [`Error::Build`]
    /// where the system has no certificates.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let limit = Duration::from_millis(self.0.settings.first_byte_ms);
        let answered = match request.url.scheme() {
            "https" => {
                let asked = ask(self.secure()?, request);
                tokio::time::timeout(limit, asked).await
            }
            _ => tokio::time::timeout(limit, self.0.plain.send(request)).await.map(|answer| answer.map(whole)),
        };
        match answered {
            Err(_elapsed) => Err(Error::Timeout { phase: Phase::FirstByte, limit }),
            Ok(Err(Failed::ConnectTimeout)) => {
                let limit = Duration::from_millis(self.0.settings.connect_ms);
                Err(Error::Timeout { phase: Phase::Connection, limit })
            }
            Ok(Err(Failed::Unsent(cause))) => Err(Error::Unreachable(cause)),
            Ok(Err(Failed::Unanswered(cause))) => Err(Error::Unanswered(cause)),
            Ok(Ok(head)) => Ok(Response::new(head, Duration::from_millis(self.0.settings.idle_ms))),
        }
    }

    /// The same connections, for answers that may begin late and pause for long.
    #[must_use]
    pub fn patient(&self, silence: Duration) -> Self {
        let millis = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        let Shared { settings, plain, secure, downloads } = &*self.0;
        let settings = Settings { first_byte_ms: millis, idle_ms: millis, ..settings.clone() };
        let (plain, secure, downloads) = (plain.clone(), secure.clone(), downloads.clone());
        Self(Arc::new(Shared { settings, plain, secure, downloads }))
    }

    /// The client for [`crate::download::fetch`]: it follows redirects and carries no keys.
    ///
    /// Errors: [`Error::Build`] – the system has no certificates.
    pub fn downloads(&self) -> Result<&reqwest::Client, Error> {
        let policy = || reqwest::redirect::Policy::limited(REDIRECTS_MAX);
        once(&self.0.downloads, || build(&self.0.settings, policy()))
    }

    fn secure(&self) -> Result<&reqwest::Client, Error> {
        once(&self.0.secure, || build(&self.0.settings, reqwest::redirect::Policy::none()))
    }
}

/// Sends a request to an `https` address.
async fn ask(client: &reqwest::Client, request: Request) -> Result<http::Response<Body>, Failed> {
    let Request { method, url, headers, body } = request;
    let mut outgoing = reqwest::Request::new(method, url);
    *outgoing.headers_mut() = headers;
    if !body.is_empty() {
        *outgoing.body_mut() = Some(match body.0 {
            Form::Whole(bytes) => bytes.into(),
            written @ Form::Written { .. } => reqwest::Body::wrap(RequestBody(written)),
        });
    }
    let mut answer = client.execute(outgoing).await.map_err(|failed| {
        if failed.is_connect() && failed.is_timeout() {
            Failed::ConnectTimeout
        } else if failed.is_connect() || failed.is_builder() {
            Failed::Unsent(failed.without_url().into())
        } else {
            Failed::Unanswered(failed.without_url().into())
        }
    })?;
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let mut response = http::Response::new(Body::Secure(Box::pin(answer.bytes_stream())));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn whole(answer: http::Response<hyper::body::Incoming>) -> http::Response<Body> {
    answer.map(Body::Plain)
}

/// `OnceLock::get_or_try_init`, which is not stable yet; two racers build and one result stays.
fn once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T, Error>) -> Result<&T, Error> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

#[expect(clippy::disallowed_methods, reason = "this is the replacement that clippy.toml names")]
fn build(settings: &Settings, redirects: reqwest::redirect::Policy) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .connect_timeout(Duration::from_millis(settings.connect_ms))
        .pool_max_idle_per_host(settings.idle_connections_max)
        .tcp_nodelay(true)
        .no_proxy()
        .referer(false)
        .redirect(redirects)
        // Attempts are counted where they are reported, not hidden here.
        .retry(reqwest::retry::never());
    builder.build().map_err(|failed| Error::Build(failed.into()))
}

#[cfg(test)]
#[path = "client/tests.rs"]
mod tests;

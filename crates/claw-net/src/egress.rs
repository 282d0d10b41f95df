//! Letters to addresses that strangers name: the guarded way out (advisories 29–40).
//!
//! Parse → `http` or `https` only → canonical host → resolve once → every address must be global
//! or on the operator's list → dial just those. A letter follows no redirect, no proxy is taken from
//! the environment, and every phase has its limit. Pages ([`Page`]) are fetched the same way, redirects
//! followed by hand and judged each. [`crate::HttpClient`] is for addresses that
//! the operator wrote into the configuration; whatever else names one comes through here.
//!
//! Surprise: each letter has a client of its own, because reqwest pins addresses per client. The
//! costly part, the system's certificates, is read once and shared.

mod allow;
mod fetch;
mod guard;
mod special;
mod unpack;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use claw_core::courier::{Courier, CourierError, Letter, Receipt};
use claw_core::guard::{Found, Guard, Reach};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use rustls_platform_verifier::ConfigVerifierExt as _;

use guard::{ByTheLetter, Denied, Lookup, Pinned, SystemLookup};

pub use fetch::{Page, Question};

pub use allow::{AllowList, Allowed, BadEntry, ENTRIES_MAX};

/// Longest time until a connection stands.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest time for a whole delivery: name, connection, request and answer.
const WHOLE_MAX: Duration = Duration::from_secs(30);
/// Most bytes of an answer that are read; nobody looks at them.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How the courier calls itself unless the letter says otherwise.
const USER_AGENT: &str = concat!("openclaw/", env!("CARGO_PKG_VERSION"));

/// Carries letters to strangers. Clones share the certificates.
#[derive(Clone)]
pub struct Egress(Arc<Shared>);

struct Shared {
    allow: AllowList,
    lookup: Box<dyn Lookup>,
    connect_max: Duration,
    whole_max: Duration,
    tls: OnceLock<Result<rustls::ClientConfig, String>>,
}

impl Egress {
    /// A courier that also calls what is on the list; needs [`crate::install_crypto`] to have
    /// been called.
    pub fn new(allow: AllowList) -> Self {
        Self::with(allow, Box::new(SystemLookup), CONNECT_MAX, WHOLE_MAX)
    }

    fn with(allow: AllowList, lookup: Box<dyn Lookup>, connect_max: Duration, whole_max: Duration) -> Self {
        Self(Arc::new(Shared { allow, lookup, connect_max, whole_max, tls: OnceLock::new() }))
    }

    async fn carry(&self, letter: Letter) -> Result<Receipt, CourierError> {
        let Letter { url, headers, body } = letter;
        let headers = header_map(&headers)?;
        let pinned = self.judged(&url).await?;
        let client = self.client(&pinned).await?;
        let mut request = reqwest::Request::new(http::Method::POST, pinned.url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        let mut response = client.execute(request).await.map_err(failed)?;
        let receipt =
            Receipt { status: response.status().as_u16(), retry_after: crate::retry_after(response.headers()) };
        // The receiver has answered; what follows only lets it finish its sentence.
        let mut read = 0;
        while read < ANSWER_BYTES_MAX
            && let Ok(Some(piece)) = response.chunk().await
        {
            read += piece.len();
        }
        Ok(receipt)
    }

    async fn client(&self, pinned: &Pinned) -> Result<reqwest::Client, CourierError> {
        let tls = if pinned.url.scheme() == "https" { Some(self.tls().await?) } else { None };
        build(pinned, tls, self.0.connect_max).map_err(|error| CourierError::Failed(chain(&error.without_url())))
    }

    /// The system's certificates, read at the first `https` letter, off the runtime's threads.
    async fn tls(&self) -> Result<rustls::ClientConfig, CourierError> {
        let shared = Arc::clone(&self.0);
        let read = move || {
            shared.tls.get_or_init(|| rustls::ClientConfig::with_platform_verifier().map_err(|e| e.to_string())).clone()
        };
        let loaded = match self.0.tls.get() {
            Some(loaded) => loaded.clone(),
            None => tokio::task::spawn_blocking(read).await.unwrap_or_else(|died| Err(died.to_string())),
        };
        loaded.map_err(|why| CourierError::Failed(format!("the system's certificates cannot be read: {why}")))
    }
}

#[async_trait]
impl Courier for Egress {
    async fn deliver(&self, letter: Letter) -> Result<Receipt, CourierError> {
        let limit = self.0.whole_max;
        let late = || CourierError::Failed(format!("no answer within {} ms", limit.as_millis()));
        tokio::time::timeout(limit, self.carry(letter)).await.unwrap_or_else(|_elapsed| Err(late()))
    }

    async fn may_call(&self, url: &str) -> Result<(), CourierError> {
        match guard::check(url, &self.0.allow, &ByTheLetter).await {
            Err(Denied::Refused(why)) => Err(CourierError::Refused(why)),
            Ok(_) | Err(Denied::Unresolved(_)) => Ok(()),
        }
    }
}

#[async_trait]
impl Guard for Egress {
    async fn judge(&self, url: &str) -> Result<Reach, CourierError> {
        let limit = self.0.connect_max;
        let late = || CourierError::Failed(format!("its name was not resolved within {} ms", limit.as_millis()));
        let judged = tokio::time::timeout(limit, self.judged(url)).await.unwrap_or_else(|_elapsed| Err(late()))?;
        let is_inside = judged.addresses.iter().any(|address| special::special(address.ip()).is_some());
        Ok(if is_inside { Reach::Inside } else { Reach::Outside })
    }

    async fn fetch(&self, url: &str, bytes_max: usize) -> Result<Found, CourierError> {
        let Page { url: _, status, media_type, charset: _, body, is_cut } = self.get(url, bytes_max).await?;
        match status {
            200..300 if is_cut => Err(CourierError::Failed(format!("it is longer than {bytes_max} bytes"))),
            200..300 => Ok(Found { media_type, body }),
            _ => Err(CourierError::Failed(format!("its server answered HTTP {status}"))),
        }
    }
}

/// Answers no name: whatever was not pinned is not dialled.
struct Nobody;

impl reqwest::dns::Resolve for Nobody {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(std::future::ready(Err("only pinned addresses are dialled".into())))
    }
}

#[expect(clippy::disallowed_methods, reason = "the guard's own client: it dials one pinned host and is dropped")]
fn build(
    pinned: &Pinned,
    tls: Option<rustls::ClientConfig>,
    connect_max: Duration,
) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connect_max)
        .pool_max_idle_per_host(0)
        .tcp_nodelay(true)
        .http1_only()
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .dns_resolver(Arc::new(Nobody))
        .resolve_to_addrs(&pinned.host, &pinned.addresses);
    match tls {
        Some(config) => builder.tls_backend_preconfigured(config),
        None => builder.tls_certs_only([]),
    }
    .build()
}

fn header_map(pairs: &[(String, String)]) -> Result<HeaderMap, CourierError> {
    let mut headers = HeaderMap::with_capacity(pairs.len() + 1);
    for (name, value) in pairs {
        let unfit = || CourierError::Refused(format!("{name:?} is not a header that can be sent"));
        let (name, value) = (HeaderName::try_from(name.as_str()).ok(), HeaderValue::try_from(value.as_str()).ok());
        headers.append(name.ok_or_else(unfit)?, value.ok_or_else(unfit)?);
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(headers)
}

fn failed(error: reqwest::Error) -> CourierError {
    let what = if error.is_timeout() { "no connection in time" } else { "no answer" };
    CourierError::Failed(format!("{what}: {}", chain(&error.without_url())))
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
#[path = "egress/tests.rs"]
mod tests;

//! Chat completions of any server that speaks OpenAI's protocol.
//!
//! The path of data: `request` writes the question, `answer` sends it and reads what comes back,
//! `body` finds the chunks in the bytes, `assembly` turns them into events. What servers get wrong
//! is dealt with in `assembly` and `wire` and nowhere above. The key is in no error and no log line.
//!
//! Surprise: an answer counts as finished at `finish_reason`, or at `[DONE]` after some answer;
//! a connection that just ends proves nothing (G8).

use std::sync::Arc;

use claw_core::Secret;
use claw_core::provider::{ModelEvent, ModelInfo, ModelRequest, Provider, ProviderError};
use claw_net::{Error, HttpClient, Response, retry_after};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, InvalidHeaderName, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use self::answer::{Answer, Stopped};
use self::assembly::{Fault, error_words};
use self::request::TokenLimit;
use crate::redact;

mod answer;
mod assembly;
mod body;
mod request;
mod wire;

/// The host that wants its own name for the limit of tokens.
const OPENAI_HOST: &str = "api.openai.com";

/// What a provider is built from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, as in `<provider>/<model>`.
    pub id: String,
    /// The address before `/chat/completions`, usually ending in `/v1`.
    pub base_url: String,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// What it is known to have.
    pub models: Vec<ModelInfo>,
    /// Headers some servers want; values may be keys and are treated so.
    pub headers: Vec<(String, Secret)>,
}

impl Settings {
    /// No key, no models, no further headers.
    pub fn new(id: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self { id: id.into(), base_url: base_url.into(), api_key: None, models: Vec::new(), headers: Vec::new() }
    }
}

/// Settings that no provider can be built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// The address is none.
    #[error("provider {provider}: {base_url:?} is no http or https address")]
    BaseUrl {
        /// The provider's name.
        provider: String,
        /// What was given.
        base_url: String,
    },
    /// The key, or a header's name or value, cannot stand in a header.
    #[error("provider {provider}: {header} has letters that no HTTP header may have")]
    Header {
        /// The provider's name.
        provider: String,
        /// The header.
        header: String,
    },
}

/// A server that speaks OpenAI's chat completions.
#[derive(Debug, Clone)]
pub struct OpenAi(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: String,
    url: Url,
    headers: HeaderMap,
    models: Vec<ModelInfo>,
    /// What must not be repeated from the server's words.
    secrets: Vec<Secret>,
    token_limit: TokenLimit,
    client: HttpClient,
}

impl OpenAi {
    /// A provider that sends its requests through `client`.
    ///
    /// Errors: [`BadSettings`], by what is wrong with which setting.
    pub fn new(settings: Settings, client: HttpClient) -> Result<Self, BadSettings> {
        let Settings { id, base_url, api_key, models, headers: extra } = settings;
        let Some(url) = endpoint(&base_url) else { return Err(BadSettings::BaseUrl { provider: id, base_url }) };
        let bad = |header: &str| BadSettings::Header { provider: id.clone(), header: header.to_owned() };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        if let Some(key) = &api_key {
            headers.insert(AUTHORIZATION, hidden(&format!("Bearer {}", key.expose())).map_err(|_| bad("the API key"))?);
        }
        for (name, value) in &extra {
            let parsed: HeaderName = name.parse().map_err(|_: InvalidHeaderName| bad(name))?;
            headers.insert(parsed, hidden(value.expose()).map_err(|_| bad(name))?);
        }
        let secrets = api_key.into_iter().chain(extra.into_iter().map(|(_, value)| value)).collect();
        let is_openai = url.host_str() == Some(OPENAI_HOST);
        let token_limit = if is_openai { TokenLimit::Completion } else { TokenLimit::Classic };
        Ok(Self(Arc::new(Shared { id, url, headers, models, secrets, token_limit, client })))
    }
}

impl Provider for OpenAi {
    fn id(&self) -> &str {
        &self.0.id
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.0.models.clone()
    }

    fn stream(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let answer = Box::new(Answer::new(Arc::clone(&self.0), request));
        stream::unfold(answer, async |mut answer| answer.next().await.map(|event| (event, answer))).boxed()
    }
}

impl Shared {
    /// An HTTP status that is no success, with the server's words.
    async fn refused(&self, response: &mut Response) -> ProviderError {
        let status = response.status();
        let wait = retry_after(response.headers());
        let words = if status.is_redirection() {
            "it wants to be asked elsewhere; correct the base URL, redirects are not followed".to_owned()
        } else {
            error_words(&response.read_error().await)
        };
        let mut message = redact::message(&words, &self.secrets);
        if message.is_empty() {
            status.canonical_reason().unwrap_or("no reason given").clone_into(&mut message);
        }
        ProviderError::Status { provider: self.id.clone(), status: status.as_u16(), message, retry_after: wait }
    }

    /// Anything else that ended an answer too early.
    fn stopped(&self, stopped: Stopped) -> ProviderError {
        let provider = self.id.clone();
        let shown = |words: &str| redact::message(words, &self.secrets);
        match stopped {
            Stopped::Transport(Error::Timeout { phase, limit }) => {
                ProviderError::Timeout { provider, phase: phase.as_str(), seconds: limit.as_secs().max(1) }
            }
            Stopped::Transport(failed @ (Error::Unreachable(_) | Error::Build(_))) => {
                ProviderError::Unreachable { provider, cause: shown(&failed.chain()) }
            }
            Stopped::Transport(failed @ (Error::Interrupted(_) | Error::TooLarge { .. })) => {
                ProviderError::Interrupted { provider, cause: shown(&failed.chain()) }
            }
            Stopped::Answer(Fault::Failed { status: Some(status), message }) => {
                ProviderError::Status { provider, status, message: shown(&message), retry_after: None }
            }
            Stopped::Answer(Fault::Failed { status: None, message }) => {
                ProviderError::Interrupted { provider, cause: shown(&format!("it said: {message}")) }
            }
            Stopped::Answer(Fault::Unreadable(what)) => {
                ProviderError::Interrupted { provider, cause: shown(&format!("an unreadable answer: {what}")) }
            }
            Stopped::Ended(cause) => ProviderError::Interrupted { provider, cause: shown(&cause) },
        }
    }
}

fn endpoint(base_url: &str) -> Option<Url> {
    let mut url: Url = base_url.trim().parse().ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_fragment(None);
    url.path_segments_mut().ok()?.pop_if_empty().extend(["chat", "completions"]);
    Some(url)
}

fn hidden(value: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value: HeaderValue = value.parse()?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(settings: Settings) -> Result<OpenAi, BadSettings> {
        claw_net::install_crypto();
        OpenAi::new(settings, HttpClient::new(claw_net::Settings::default()).unwrap())
    }

    #[test]
    fn a_base_url_may_end_in_a_slash_and_keeps_its_query() {
        for (base_url, url) in [
            ("http://h/v1", "http://h/v1/chat/completions"),
            ("http://h/v1/", "http://h/v1/chat/completions"),
            ("http://h", "http://h/chat/completions"),
            (" https://h/a?api-version=1#x ", "https://h/a/chat/completions?api-version=1"),
        ] {
            assert_eq!(endpoint(base_url).unwrap().as_str(), url);
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name_and_without_the_key() {
        let refused = |settings| provider(settings).unwrap_err().to_string();
        assert_eq!(refused(Settings::new("p", "ftp://h")), "provider p: \"ftp://h\" is no http or https address");
        let keyed = Settings { api_key: Some(Secret::new("hunter\n2")), ..Settings::new("p", "http://h") };
        assert_eq!(refused(keyed), "provider p: the API key has letters that no HTTP header may have");
        let named = Settings { headers: vec![("a b".into(), Secret::new("c"))], ..Settings::new("p", "http://h") };
        assert_eq!(refused(named), "provider p: a b has letters that no HTTP header may have");
    }

    #[test]
    fn a_provider_prints_without_its_key() {
        let keyed = Settings { api_key: Some(Secret::new("hunter2")), ..Settings::new("p", "http://h") };
        assert!(!format!("{:?}", provider(keyed).unwrap()).contains("hunter2"));
    }
}

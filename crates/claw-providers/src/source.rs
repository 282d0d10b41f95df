//! One address that is asked in one protocol, and how its failures are told.
//!
//! The key is in no error and no log line.

use std::io;
use std::sync::Arc;

use claw_core::provider::{ModelEvent, ModelInfo, ModelRequest, ProviderError, Thinking, ToolSpec};
use claw_core::{Message, Secret};
use claw_net::{Error, HttpClient, RequestBody, Response, retry_after};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::header::{ACCEPT, CONTENT_TYPE, InvalidHeaderName, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

use crate::answer::{Answer, Stopped};
use crate::body::Assembly;
use crate::effort::is_slow;
use crate::fault::{Fault, error_words};
use crate::known;
use crate::redact;
use crate::settings::{BadSettings, Settings, WHOLE_ANSWER};

/// A part of the request that cannot be written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwritable {
    /// It claims to be JSON and is not.
    #[error("{0} is not JSON")]
    NotJson(String),
    /// The protocol has no word for it.
    #[error("{0} cannot be sent in this protocol")]
    NoWord(&'static str),
    /// Whatever it was written to takes no more.
    #[error("the question cannot be written: {0}")]
    Broken(String),
}

impl From<io::Error> for Unwritable {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// A question of more bytes is written while it is sent, and held nowhere.
const BODY_HELD_BYTES_MAX: usize = 256 * 1024;

/// Writes a body.
pub(crate) fn write_json(outgoing: &impl serde::Serialize, to: &mut dyn io::Write) -> Result<(), Unwritable> {
    // Texts, numbers and JSON can always be written as JSON: where it fails, the writer has.
    serde_json::to_writer(to, outgoing).map_err(|error| io::Error::from(error).into())
}

/// A protocol: how a question is written and how its answer is put together.
pub(crate) trait Wire: Send + Sync + 'static {
    /// Puts its answers together.
    type Assembly: Assembly;
    /// Writes the question's body, the same each time.
    fn write(&self, request: &ModelRequest, to: &mut dyn io::Write) -> Result<(), Unwritable>;
    /// An answer of which nothing has come yet.
    fn assembly(&self, request: &ModelRequest) -> Self::Assembly;
    /// Adds what stands in the headers of this one question.
    fn headers(&self, _request: &ModelRequest, _headers: &mut HeaderMap) {}
    /// What a body says that came with an error, without the secrets.
    fn refusal(&self, status: StatusCode, body: &[u8], secrets: &[Secret]) -> String {
        match redact::message(&error_words(body), secrets) {
            message if message.is_empty() => status.canonical_reason().unwrap_or("no reason given").to_owned(),
            message => message,
        }
    }
}

/// Where and how one protocol is spoken.
#[derive(Debug)]
pub(crate) struct Source<W> {
    pub(crate) id: String,
    base_url: String,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) models: Vec<ModelInfo>,
    /// What must not be repeated from the server's words.
    secrets: Vec<Secret>,
    pub(crate) wire: W,
    pub(crate) client: HttpClient,
    /// The same for answers that come whole, of which nothing is heard before they are made.
    for_whole: HttpClient,
    /// The same for streams of models that reason, which are silent meanwhile.
    for_thought: HttpClient,
}

/// What differs between protocols beside their bodies.
pub(crate) struct Manner {
    /// Of the endpoint, below the base address.
    pub(crate) path: &'static [&'static str],
    /// The header of the key, and what stands before it.
    pub(crate) key: (HeaderName, &'static str),
    /// Further headers.
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

impl<W: Wire> Source<W> {
    /// Errors: by what is wrong with which setting.
    pub(crate) fn new(
        settings: Settings,
        manner: Manner,
        wire: W,
        client: HttpClient,
    ) -> Result<Arc<Self>, BadSettings> {
        let Settings { id, base_url, api_key, models, headers: extra, whole_answer } = settings;
        let Some(url) = endpoint(&base_url, manner.path) else {
            return Err(BadSettings::BaseUrl { provider: id, base_url });
        };
        let bad = |header: &str| BadSettings::Header { provider: id.clone(), header: header.to_owned() };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        for (name, value) in manner.headers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if let Some(key) = &api_key {
            let (name, before) = manner.key;
            headers.insert(name, hidden(&format!("{before}{}", key.expose())).map_err(|_| bad("the API key"))?);
        }
        for (name, value) in &extra {
            let parsed: HeaderName = name.parse().map_err(|_: InvalidHeaderName| bad(name))?;
            headers.insert(parsed, hidden(value.expose()).map_err(|_| bad(name))?);
        }
        let secrets = api_key.into_iter().chain(extra.into_iter().map(|(_, value)| value)).collect();
        let (for_whole, for_thought) = (client.patient(whole_answer), client.patient(whole_answer / 2));
        // Whoever waits longer than usual for a whole answer waits longer for a piece of one.
        let client = if whole_answer > WHOLE_ANSWER { client.patient(whole_answer / 10) } else { client };
        Ok(Arc::new(Self { id, base_url, url, headers, models, secrets, wire, client, for_whole, for_thought }))
    }

    /// What its vendor says of a model.
    pub(crate) fn known(&self, model: &str) -> Option<ModelInfo> {
        known::known(&self.id, &self.base_url, model)?;
        Some(known::completed(&self.id, &self.base_url, ModelInfo::named(model)))
    }

    /// The client that is as patient as this answer needs.
    pub(crate) fn client_for(&self, request: &ModelRequest) -> &HttpClient {
        let is_told = request.thinking.is_some_and(|level| level != Thinking::Off);
        let info = self.models.iter().find(|info| info.name == request.model);
        match info.and_then(|info| info.thinking) {
            _ if !request.stream => &self.for_whole,
            Some(true) => &self.for_thought,
            _ if is_told || is_slow(&request.model) => &self.for_thought,
            Some(false) | None => &self.client,
        }
    }

    /// The events of one answer.
    pub(crate) fn stream(
        self: &Arc<Self>,
        request: ModelRequest,
    ) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let answer = Box::new(Answer::new(Arc::clone(self), request));
        stream::unfold(answer, async |mut answer| answer.next().await.map(|event| (event, answer))).boxed()
    }

    /// The body of a question.
    pub(crate) async fn body(self: &Arc<Self>, request: &ModelRequest) -> Result<RequestBody, Unwritable> {
        let said: usize = request.messages.iter().map(Message::bytes).sum();
        if said > BODY_HELD_BYTES_MAX {
            let (source, request) = (Arc::clone(self), request.clone());
            return RequestBody::written(move |to| source.wire.write(&request, to)).await;
        }
        // Taken at once: what grows by doubling is twice as large in the end.
        let offered = |tool: &ToolSpec| tool.name.len() + tool.description.len() + tool.parameters.as_str().len() + 96;
        let offered: usize = request.tools.iter().map(offered).sum();
        let mut body = Vec::with_capacity(said + said / 16 + offered + 1024);
        self.wire.write(request, &mut body)?;
        Ok(body.into())
    }

    /// An HTTP status that is no success, with the server's words.
    pub(crate) async fn refused(&self, response: &mut Response) -> ProviderError {
        let status = response.status();
        let wait = retry_after(response.headers());
        let message = if status.is_redirection() {
            "it wants to be asked elsewhere; correct the base URL, redirects are not followed".to_owned()
        } else {
            self.wire.refusal(status, &response.read_error().await, &self.secrets)
        };
        ProviderError::Status { provider: self.id.clone(), status: status.as_u16(), message, retry_after: wait }
    }

    /// Anything else that ended an answer too early.
    pub(crate) fn stopped(&self, stopped: Stopped) -> ProviderError {
        let provider = self.id.clone();
        let shown = |words: &str| redact::message(words, &self.secrets);
        match stopped {
            Stopped::Transport(Error::Timeout { phase, limit }) => {
                ProviderError::Timeout { provider, phase: phase.as_str(), seconds: limit.as_secs().max(1) }
            }
            Stopped::Transport(failed @ (Error::Unreachable(_) | Error::Build(_))) => {
                ProviderError::Unreachable { provider, cause: shown(&failed.chain()) }
            }
            Stopped::Transport(failed @ (Error::Unanswered(_) | Error::Interrupted(_) | Error::TooLarge { .. })) => {
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

/// What a system is told, and apart from it the last of that where nothing else is said at all: a conversation in
/// turns begins with somebody's word.
pub(crate) fn parted(messages: &[Message]) -> (&[Message], Option<&str>) {
    match messages {
        [told @ .., Message::System { text }] if told.iter().all(|told| matches!(told, Message::System { .. })) => {
            (told, Some(text))
        }
        all => (all, None),
    }
}

pub(crate) fn endpoint(base_url: &str, path: &[&str]) -> Option<Url> {
    let mut url: Url = base_url.trim().parse().ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_fragment(None);
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    Some(url)
}

fn hidden(value: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value: HeaderValue = value.parse()?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
#[path = "source/tests.rs"]
mod tests;

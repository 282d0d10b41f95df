//! Chat completions of any server that speaks OpenAI's protocol.
//!
//! `request` writes the question, `assembly` turns the chunks into events. What servers get wrong
//! is dealt with in `assembly` and `wire` and nowhere above.
//!
//! Surprise: an answer counts as finished at `finish_reason`, or at `[DONE]` after some answer;
//! a connection that just ends proves nothing (G8).

use std::io::Write;
use std::sync::Arc;

use claw_core::embedding::{EmbeddingRequest, Embeddings};
use claw_core::provider::{ModelEvent, ModelInfo, ModelRequest, Provider, ProviderError};
use claw_net::HttpClient;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::header::AUTHORIZATION;
use url::Url;

pub(crate) use self::assembly::{Completion, DONE};
pub(crate) use self::request::write_plain;
use self::request::{Manners, TokenLimit, ToolTexts, Vendor};
use crate::embeddings;
use crate::settings::{BadSettings, Settings};
use crate::source::{Manner, Source, Unwritable, Wire};

mod assembly;
mod request;
mod thoughts;
mod wire;

/// The host that wants its own name for the limit of tokens.
const OPENAI_HOST: &str = "api.openai.com";

/// A server that speaks OpenAI's chat completions.
#[derive(Debug, Clone)]
pub struct OpenAi {
    source: Arc<Source<Chat>>,
    embeddings: Url,
}

#[derive(Debug)]
struct Chat {
    manners: Manners,
    tool_texts: ToolTexts,
}

impl OpenAi {
    /// A provider that sends its requests through `client`.
    ///
    /// Errors: [`BadSettings`], by what is wrong with which setting.
    pub fn new(settings: Settings, client: HttpClient) -> Result<Self, BadSettings> {
        let path = &["chat", "completions"];
        let manner = Manner { path, key: (AUTHORIZATION, "Bearer "), headers: &[] };
        let wire = Chat::at(&settings.id, &settings.base_url);
        let embeddings = embeddings::address(&settings)?;
        Ok(Self { source: Source::new(settings, manner, wire, client)?, embeddings })
    }
}

impl Provider for OpenAi {
    fn id(&self) -> &str {
        &self.source.id
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.source.models.clone()
    }

    fn known(&self, model: &str) -> Option<ModelInfo> {
        self.source.known(model)
    }

    fn keeps_thoughts(&self, model: &str) -> bool {
        model.contains("deepseek")
    }

    fn address(&self) -> Option<&str> {
        Some(self.source.url.as_str())
    }

    fn stream(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        self.source.stream(request)
    }

    fn embed(&self, request: EmbeddingRequest) -> BoxFuture<'static, Result<Embeddings, ProviderError>> {
        embeddings::embed(&self.source, &self.embeddings, request)
    }
}

impl Chat {
    fn at(id: &str, base_url: &str) -> Self {
        let url = base_url.trim().parse::<Url>().ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let token_limit = if host == OPENAI_HOST { TokenLimit::Completion } else { TokenLimit::Classic };
        let vendor = match () {
            // By its name as well: a proxy of the vendor's is as strict.
            () if id == "gemini" || host.ends_with(".googleapis.com") => Vendor::Google,
            () if id == "deepseek" || host.ends_with(".deepseek.com") => Vendor::DeepSeek,
            () if id == "openrouter" || host == "openrouter.ai" => Vendor::OpenRouter,
            () => Vendor::Other,
        };
        Self { manners: Manners { token_limit, vendor }, tool_texts: ToolTexts::default() }
    }
}

impl Wire for Chat {
    type Assembly = Completion;

    fn write(&self, request: &ModelRequest, to: &mut dyn Write) -> Result<(), Unwritable> {
        request::write(request, self.manners, &self.tool_texts, to)
    }

    fn assembly(&self, request: &ModelRequest) -> Completion {
        Completion::new(request::tool_calls_so_far(&request.messages))
    }
}

#[cfg(test)]
#[path = "openai/recorded.rs"]
mod recorded;

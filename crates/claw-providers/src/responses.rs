//! OpenAI's responses, and servers that speak them.
//!
//! `request` writes the question, `assembly` turns the events into ours. Nothing is kept at the
//! provider (`store` is false): the conversation is sent whole, as with chat completions, and the
//! sealed reasoning of an answer that calls tools goes back with what the tools said (`thoughts`).
//!
//! Surprise: there is a word for the end of everything, `response.completed`, and only that or
//! `response.incomplete` counts (G8).

use std::sync::Arc;

use claw_core::provider::{ModelEvent, ModelInfo, ModelRequest, Provider, ProviderError};
use claw_net::HttpClient;
use futures::stream::BoxStream;
use http::header::AUTHORIZATION;

use self::assembly::Items;
use crate::settings::{BadSettings, Settings};
use crate::source::{Manner, Source, Unwritable, Wire};

mod assembly;
mod request;
mod thoughts;

/// A server that speaks OpenAI's responses.
#[derive(Debug, Clone)]
pub struct Responses(Arc<Source<Protocol>>);

#[derive(Debug)]
struct Protocol;

impl Responses {
    /// A provider that sends its requests through `client`.
    ///
    /// Errors: [`BadSettings`], by what is wrong with which setting.
    pub fn new(settings: Settings, client: HttpClient) -> Result<Self, BadSettings> {
        let manner = Manner { path: &["responses"], key: (AUTHORIZATION, "Bearer "), headers: &[] };
        Ok(Self(Source::new(settings, manner, Protocol, client)?))
    }
}

impl Provider for Responses {
    fn id(&self) -> &str {
        &self.0.id
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.0.models.clone()
    }

    fn stream(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        self.0.stream(request)
    }
}

impl Wire for Protocol {
    type Assembly = Items;

    fn body(&self, request: &ModelRequest) -> Result<Vec<u8>, Unwritable> {
        request::body(request)
    }

    fn assembly(&self, _: &ModelRequest) -> Items {
        Items::default()
    }
}

#[cfg(test)]
#[path = "responses/recorded.rs"]
mod recorded;

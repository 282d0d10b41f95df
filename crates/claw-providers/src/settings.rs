//! What a provider is built from.

use std::time::Duration;

use claw_core::Secret;
use claw_core::provider::ModelInfo;

/// What a provider is built from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, as in `<provider>/<model>`.
    pub id: String,
    /// The address before the endpoint's own path, usually ending in `/v1`.
    pub base_url: String,
    /// Sent as the protocol wants it.
    pub api_key: Option<Secret>,
    /// What it is known to have.
    pub models: Vec<ModelInfo>,
    /// Headers some servers want; values may be keys and are treated so.
    pub headers: Vec<(String, Secret)>,
    /// How long an answer may be made that comes whole: its server says nothing meanwhile, so silence tells nothing. A model
    /// that reasons may be silent for half of it in a stream.
    pub whole_answer: Duration,
}

/// What that is unless said otherwise.
pub(crate) const WHOLE_ANSWER: Duration = Duration::from_mins(10);

impl Settings {
    /// No key, no models, no further headers.
    pub fn new(id: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            base_url: base_url.into(),
            api_key: None,
            models: Vec::new(),
            headers: Vec::new(),
            whole_answer: WHOLE_ANSWER,
        }
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

//! What can be chosen about the embedded model.

use std::num::NonZeroUsize;
use std::time::Duration;

/// The embedded model's settings; every field has a default that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name in the catalogue, name of a file in the models folder, or path of a GGUF file.
    pub model: String,
    /// Time without a request after which the model's memory is given back; `None` keeps it.
    pub idle_unload: Option<Duration>,
    /// Requests that may wait while one runs; one more is refused as overloaded.
    pub queue_requests_max: usize,
    /// Threads for the computation; `None`: one less than there are cores, at least one.
    pub threads: Option<NonZeroUsize>,
    /// Longest prompt plus answer, in tokens; the model's own limit holds too.
    pub context_tokens_max: u32,
    /// Longest answer where the request names no limit, in tokens.
    pub answer_tokens_default: u32,
    /// Memory for the contexts of sessions other than the current one, in bytes.
    pub parked_sessions_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: crate::models::DEFAULT_MODEL.to_owned(),
            idle_unload: Some(Duration::from_secs(300)),
            queue_requests_max: 32,
            threads: None,
            context_tokens_max: 4096,
            answer_tokens_default: 1024,
            parked_sessions_bytes_max: 128 * 1024 * 1024,
        }
    }
}

impl Settings {
    /// Threads to compute with; one core stays free for the gateway.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(|| NonZeroUsize::new(cores().get() - 1).unwrap_or(NonZeroUsize::MIN))
    }
}

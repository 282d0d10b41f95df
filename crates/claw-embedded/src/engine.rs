//! One thread that owns the model, one bounded queue in front of it.
//!
//! Requests run one after another: on two cores a second one beside the first would make both
//! slow. The model is loaded by the first request and given back after a time without any. A
//! request whose reader is gone is skipped, or stopped at the next token. The thread has the
//! lowest priority, so that the gateway always goes first.
//!
//! Surprise: a slow reader does not slow the thread. A request's channel has room for every event
//! its token limit allows.

mod queue;
mod request;
#[cfg(test)]
mod tests;
mod thread;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

#[cfg(any(feature = "llama", test))]
pub(crate) use self::request::Output;
pub use self::request::{Event, Events, Finish, FinishReason, Request, Sampling, Usage};
pub(crate) use self::thread::Backend;
#[cfg(any(feature = "llama", test))]
pub(crate) use self::thread::Model;
pub use self::thread::Phase;

use self::queue::{Push, Queue};
use crate::settings::Settings;

/// Most tokens one answer may have, whatever a request asks; bounds its channel.
pub(crate) const ANSWER_TOKENS_MAX: u32 = 32_768;

/// Longest time an overloaded engine asks a client to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// Why the engine gave no answer, or not a whole one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    /// The program was compiled without llama.cpp.
    #[error(
        "this build has no embedded engine; build `openclaw` with its default feature `embedded`, or configure another provider"
    )]
    NotBuilt,
    /// The queue is full.
    #[error("{waiting} requests already wait for the embedded model; try again in {} s", retry_after.as_secs())]
    Overloaded {
        /// Requests in the queue.
        waiting: usize,
        /// When a place is likely free.
        retry_after: Duration,
    },
    /// There is no such model file.
    #[error("there is no model at {path}; `openclaw models pull` fetches the default one")]
    ModelMissing {
        /// Where it was looked for.
        path: String,
    },
    /// The file is there but llama.cpp cannot use it.
    #[error("the model {path} cannot be loaded: {reason}")]
    ModelUnusable {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The processor lacks instructions this build uses.
    #[error(
        "this build's embedded engine needs a processor with {missing}; .cargo/config.toml says how to build for an older one"
    )]
    ProcessorTooOld {
        /// Names of the instruction sets.
        missing: String,
    },
    /// System prompt and last message alone exceed the context.
    #[error("the prompt has {prompt_tokens} tokens and the model's context leaves room for {tokens_max}")]
    PromptTooLong {
        /// Tokens that cannot be left out.
        prompt_tokens: usize,
        /// Tokens there is room for.
        tokens_max: usize,
    },
    /// llama.cpp failed while computing.
    #[error("the embedded model failed: {reason}")]
    Failed {
        /// Its words.
        reason: String,
    },
    /// The engine is shutting down.
    #[error("the embedded engine is stopped")]
    Stopped,
}

/// What can be seen of the engine from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What the thread is doing.
    pub phase: Phase,
    /// Requests in the queue, the running one not counted.
    pub waiting: usize,
}

/// The engine's handle: cheap to clone; the thread ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    queue: Arc<Queue>,
    phase: watch::Receiver<Phase>,
    answer_tokens_default: u32,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Handle {
    /// Waits for the thread, a token's time: a process that ends while llama.cpp still computes
    /// takes its tables away from under it and crashes.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            let _its_panic_was_told = thread.join();
        }
    }
}

impl Engine {
    /// Starts the thread; nothing is loaded yet.
    ///
    /// Errors: the system refuses another thread.
    pub fn start(settings: &Settings) -> std::io::Result<Self> {
        #[cfg(feature = "llama")]
        let backend = crate::llama::Llama::new(settings);
        #[cfg(not(feature = "llama"))]
        let backend = thread::NotBuilt;
        Self::start_with(settings, backend)
    }

    pub(crate) fn start_with(settings: &Settings, backend: impl Backend) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(settings.queue_requests_max));
        let (report, phase) = watch::channel(Phase::Unloaded);
        let thread = thread::spawn(backend, Arc::clone(&queue), report, settings.idle_unload)?;
        let shared =
            Handle { queue, phase, answer_tokens_default: settings.answer_tokens_default, thread: Some(thread) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether this build has llama.cpp.
    #[must_use]
    pub const fn is_built() -> bool {
        cfg!(feature = "llama")
    }

    /// Queues a request and returns its events; dropping them cancels it.
    ///
    /// Never waits. Errors: [`EngineError::Overloaded`], [`EngineError::Stopped`]; everything
    /// later comes through the events.
    pub fn generate(&self, mut request: Request) -> Result<Events, EngineError> {
        let asked = request.sampling.answer_tokens_max.unwrap_or(self.shared.answer_tokens_default);
        let answer_tokens_max = asked.min(ANSWER_TOKENS_MAX);
        request.sampling.answer_tokens_max = Some(answer_tokens_max);
        let (output, events) = request::channel(answer_tokens_max, self.shared.queue.stop_flag());
        match self.shared.queue.push(request, output) {
            Push::Queued => Ok(events),
            Push::Closed => Err(EngineError::Stopped),
            Push::Full { waiting, mean_request } => {
                let backlog = mean_request.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
                let retry_after = backlog.clamp(Duration::from_secs(1), RETRY_AFTER_MAX);
                Err(EngineError::Overloaded { waiting, retry_after })
            }
        }
    }

    /// What the engine is doing now.
    #[must_use]
    pub fn status(&self) -> Status {
        Status { phase: self.shared.phase.borrow().clone(), waiting: self.shared.queue.waiting() }
    }

    /// Follows the phase, for whoever wants to wait for one.
    #[must_use]
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.shared.phase.clone()
    }

    /// Refuses new requests, stops the running one at its next token, frees the model, and waits
    /// for the thread.
    ///
    /// Cancel-safe: the engine stops even if nobody waits to the end.
    pub async fn stop(&self) {
        self.shared.queue.close();
        let mut phase = self.shared.phase.clone();
        // An error means that the thread is gone, which is what we wait for.
        phase.wait_for(|phase| *phase == Phase::Stopped).await.ok();
    }
}

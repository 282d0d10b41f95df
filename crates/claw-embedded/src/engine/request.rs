//! What is asked of the engine and what comes back.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::EngineError;
use crate::message::Message;

/// Events beside the text pieces: the end, and one spare.
const OTHER_EVENTS: usize = 2;

/// A conversation to continue.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The GGUF file.
    pub model: PathBuf,
    /// Whose conversation it is: the same name again evaluates only what is new.
    pub session: Option<String>,
    /// The conversation, oldest message first.
    pub messages: Vec<Message>,
    /// How tokens are chosen and when to end.
    pub sampling: Sampling,
}

/// How tokens are chosen and when to end; `None` means the engine's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; higher is more random.
    pub temperature: Option<f32>,
    /// Share of the probability mass to choose from, 0 to 1.
    pub top_p: Option<f32>,
    /// Most tokens of the answer.
    pub answer_tokens_max: Option<u32>,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// The same seed, prompt and sampling give the same answer.
    pub seed: Option<u64>,
    /// Subtracted from every token that already occurred, −2 to 2.
    pub presence_penalty: Option<f32>,
    /// Subtracted for each occurrence, −2 to 2.
    pub frequency_penalty: Option<f32>,
}

/// One thing that happens while a request runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// More of the answer.
    Text(String),
    /// The answer is complete; nothing follows.
    Finished(Finish),
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// What it took.
    pub usage: Usage,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done, or a stop text came.
    Stop,
    /// The token limit or the end of the context was reached.
    Length,
}

/// Tokens read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u32,
    /// Tokens of the prompt that an earlier turn had already evaluated.
    pub cached_prompt_tokens: u32,
    /// Tokens of the answer.
    pub answer_tokens: u32,
}

/// The events of one request; dropping it cancels the request.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Result<Event, EngineError>>,
    ended: bool,
}

/// The engine's side of one request.
#[derive(Debug)]
pub(crate) struct Output {
    sender: mpsc::Sender<Result<Event, EngineError>>,
    stopping: Arc<AtomicBool>,
}

/// A channel with room for every event the request can have.
pub(super) fn channel(answer_tokens_max: u32, stopping: Arc<AtomicBool>) -> (Output, Events) {
    let room = usize::try_from(answer_tokens_max).unwrap_or(usize::MAX).saturating_add(OTHER_EVENTS);
    let (sender, receiver) = mpsc::channel(room.min(tokio::sync::Semaphore::MAX_PERMITS));
    (Output { sender, stopping }, Events { receiver, ended: false })
}

impl Output {
    /// Whether nobody will read the answer any more.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.sender.is_closed() || self.is_stopping()
    }

    /// Whether the whole engine is to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Sends a piece of the answer; empty ones are left out.
    #[cfg(any(feature = "llama", test))]
    pub(crate) fn text(&self, text: String) {
        if !text.is_empty() {
            self.send(Ok(Event::Text(text)));
        }
    }

    /// Ends the request.
    pub(super) fn end(self, result: Result<Finish, EngineError>) {
        self.send(result.map(Event::Finished));
    }

    fn send(&self, event: Result<Event, EngineError>) {
        // Full cannot happen (see `channel`), and closed means that nobody cares.
        self.sender.try_send(event).ok();
    }
}

impl Events {
    /// The next event; `None` after the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Event, EngineError>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// A stream must not end without saying how: a thread that died counts as stopped.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event, EngineError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(context).map(|event| {
            let event = event.unwrap_or(Err(EngineError::Stopped));
            self.ended = !matches!(event, Ok(Event::Text(_)));
            Some(event)
        })
    }
}

impl futures::Stream for Events {
    type Item = Result<Event, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

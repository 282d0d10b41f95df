//! One question to the model, its answer streamed to the recorder.

use std::time::Duration;

use claw_core::provider::{FinishReason, ModelEvent, ModelRequest, ProviderError, Usage};
use claw_core::run::RunEvent;
use claw_core::{Failure, FailureReason, ToolCall};
use futures::StreamExt;

use super::context::Conversation;
use super::{Produced, Round, Stop};
use crate::agent::{Attempt, chance};
use crate::limits::{ANSWER_BYTES_MAX, ATTACHED_RETRY_AFTER_MAX};

/// Background runs tell their progress in steps of so many percent.
const PROGRESS_STEP: u8 = 5;

impl Attempt {
    /// Asks until the model has answered. For a caller on the line, an answer that failed before
    /// its first piece is asked for again here; a task is tried again as a new attempt instead.
    pub(super) async fn ask(&mut self, talk: &Conversation, produced: &mut Produced) -> Result<Round, Stop> {
        let mut tries = 0;
        loop {
            let (error, shown) = match self.stream(talk, produced).await {
                Ok(round) => return Ok(round),
                Err(Broken::Stopped(stop)) => return Err(stop),
                Err(Broken::Provider { error, shown }) => (error, shown),
            };
            tries += 1;
            let retry = &self.parts.retry;
            let patient = error.retry_after().is_none_or(|wait| wait <= ATTACHED_RETRY_AFTER_MAX);
            let again = self.task.attached && !shown && patient && tries < self.task.attempts_max;
            if !error.is_retryable() || !again {
                return Err(stop_of(&error, shown || !produced.messages.is_empty()));
            }
            let delay = retry.delay(tries, error.retry_after(), chance(&*self.parts.ids));
            tracing::info!(task.id = %self.task.id, tries, "asking again in {} ms: {error}", delay.as_millis());
            self.wait(delay).await?;
        }
    }

    async fn wait(&self, delay: Duration) -> Result<(), Stop> {
        tokio::select! {
            reason = self.control.stopped() => Err(Stop::Told(reason)),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }

    /// Streams one answer. Dropping the stream closes the upstream.
    async fn stream(&mut self, talk: &Conversation, produced: &mut Produced) -> Result<Round, Broken> {
        let mut stream = talk.resolved.provider.stream(self.request(talk));
        let mut answer = Answer::new(produced.usage);
        loop {
            let event = tokio::select! {
                biased;
                reason = self.control.stopped() => return Err(Broken::Stopped(Stop::Told(reason))),
                () = self.recorder.page_due() => {
                    self.recorder.flush().await.map_err(|fenced| Broken::Stopped(fenced.into()))?;
                    continue;
                }
                event = stream.next() => event,
            };
            let event = match event {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Err(Broken::Provider { error, shown: answer.shown }),
                None => return Err(Broken::Provider { error: unfinished(talk), shown: answer.shown }),
            };
            if let Some(finish) = self.take(event, &mut answer, produced).map_err(Broken::Stopped)? {
                return Ok(Round { calls: answer.calls, finish });
            }
        }
    }

    /// Takes one event of the model; the reason when it was the last.
    fn take(
        &mut self,
        event: ModelEvent,
        answer: &mut Answer,
        produced: &mut Produced,
    ) -> Result<Option<FinishReason>, Stop> {
        match event {
            ModelEvent::Text(delta) => {
                if produced.text.len() + delta.len() > ANSWER_BYTES_MAX {
                    let message = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
                    return Err(Failure::new(FailureReason::Limit, message).into());
                }
                answer.shown = true;
                produced.text.push_str(&delta);
                self.recorder.emit(RunEvent::Text { delta });
                self.show_progress(answer, produced.text.len());
            }
            ModelEvent::Thinking(delta) => self.recorder.emit(RunEvent::Thinking { delta }),
            ModelEvent::ToolCall(call) => answer.calls.push(call),
            ModelEvent::Usage(usage) => produced.usage = answer.earlier.plus(usage),
            ModelEvent::Done(finish) => return Ok(Some(finish)),
        }
        Ok(None)
    }

    /// Guesses how far a background run is: against `max_tokens` when it is known, else along a
    /// curve that never arrives.
    fn show_progress(&mut self, answer: &mut Answer, bytes: usize) {
        if self.task.attached {
            return;
        }
        let expected = self.task.turn.sampling.max_tokens.map_or(2_000.0, |tokens| f64::from(tokens) * 4.0).max(1.0);
        let written = u32::try_from(bytes).map_or(f64::MAX, f64::from);
        let share = match self.task.turn.sampling.max_tokens {
            Some(_) => (written / expected).min(1.0),
            None => written / (written + expected),
        };
        // From 0.0 to 95.0, so the cast cannot lose anything but the fraction.
        let percent = (share * 95.0) as u8;
        if percent >= answer.percent + PROGRESS_STEP {
            answer.percent = percent;
            self.recorder.emit(RunEvent::Progress { percent });
        }
    }

    fn request(&self, talk: &Conversation) -> ModelRequest {
        let turn = &self.task.turn;
        ModelRequest {
            model: talk.resolved.model.clone(),
            messages: talk.messages.clone().into(),
            tools: std::sync::Arc::clone(&talk.specs),
            tool_choice: turn.tool_choice.clone(),
            sampling: turn.sampling.clone(),
            conversation: turn.session.as_str().to_owned(),
            stream: turn.stream,
        }
    }
}

/// One answer while it comes in.
struct Answer {
    calls: Vec<ToolCall>,
    /// Used before this answer.
    earlier: Usage,
    /// Whether readers have seen some of it.
    shown: bool,
    percent: u8,
}

impl Answer {
    fn new(earlier: Usage) -> Self {
        Self { calls: Vec::new(), earlier, shown: false, percent: 0 }
    }
}

/// Why an answer did not come to its end.
enum Broken {
    Stopped(Stop),
    Provider { error: ProviderError, shown: bool },
}

/// A provider that just stops has not finished (G8).
fn unfinished(talk: &Conversation) -> ProviderError {
    ProviderError::Interrupted {
        provider: talk.resolved.provider.id().to_owned(),
        cause: "the answer ended without saying that it was finished".into(),
    }
}

fn stop_of(error: &ProviderError, shown: bool) -> Stop {
    let reason = match error {
        ProviderError::Status { status: 429, .. } | ProviderError::Busy { .. } => FailureReason::RateLimited,
        ProviderError::Status { status: 404, .. } => FailureReason::UnknownModel,
        ProviderError::Status { status: 400 | 413 | 422, .. } | ProviderError::Unsupported { .. } => {
            FailureReason::Request
        }
        ProviderError::Status { .. }
        | ProviderError::Unreachable { .. }
        | ProviderError::Timeout { .. }
        | ProviderError::Interrupted { .. } => FailureReason::Provider,
    };
    let retry_after_ms = error.retry_after().and_then(|wait| u64::try_from(wait.as_millis()).ok());
    let failure = Failure { reason, message: error.to_string(), retry_after_ms };
    if error.is_retryable() { Stop::Transient { failure, shown } } else { Stop::Final(failure) }
}

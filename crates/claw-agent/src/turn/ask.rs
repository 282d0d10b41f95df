//! One question to the model, its answer streamed to the recorder.

use std::sync::Arc;
use std::time::Duration;

use claw_core::provider::{Cut, FinishReason, ModelEvent, ModelRequest, ProviderError, Sampling, Thinking, ToolChoice};
use claw_core::run::RunEvent;
use claw_core::turn::Reasoning;
use claw_core::{Failure, FailureReason, Message, Thoughts, ToolCall};
use futures::StreamExt;
use futures::stream::BoxStream;

use super::context::Conversation;
use super::failover::{Broken, Question};
use super::spent::{End, Spent};
use super::{Produced, Round, Stop};
use crate::agent::{Attempt, chance};
use crate::catalog::Resolved;
use crate::limits::ANSWER_BYTES_MAX;

/// Background runs tell their progress in steps of so many percent.
const PROGRESS_STEP: u8 = 5;

impl Attempt {
    /// Asks until a model has answered. For a caller on the line, a question that nobody answered is put again
    /// here, to those that may answer now; a task is tried again as a new attempt instead.
    pub(super) async fn ask(&mut self, talk: &mut Conversation, produced: &mut Produced) -> Result<Round, Stop> {
        let (mut tries, mut question) = (0, Question::new());
        loop {
            let unanswered = match self.ask_around(talk, produced, &mut question).await {
                Ok(round) => return Ok(round),
                Err(Broken::Stopped(stop)) => return Err(stop),
                Err(Broken::Provider(unanswered)) => unanswered,
            };
            tries += 1;
            let may_ask = self.task.attached && !unanswered.shown && tries < self.task.attempts_max;
            let wait = question.wait(tries + 1 == self.task.attempts_max);
            let Some(wait) = wait.filter(|_| unanswered.is_retryable && may_ask) else {
                return Err(unanswered.into_stop(!produced.messages.is_empty()));
            };
            let delay = self.parts.retry.delay(tries, Some(wait), chance(&*self.parts.ids));
            let (message, delay_ms) = (&unanswered.message, delay.as_millis());
            tracing::info!(task.id = %self.task.id, tries, "asking again in {delay_ms} ms: {message}");
            self.wait(delay).await?;
        }
    }

    pub(super) async fn wait(&self, delay: Duration) -> Result<(), Stop> {
        tokio::select! {
            reason = self.control.stopped() => Err(Stop::Told(reason)),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }

    /// Streams one answer of one candidate. Dropping the stream closes the upstream.
    ///
    /// Errors: why it broke, and whether readers had seen some of it.
    pub(super) async fn stream(
        &mut self,
        candidate: &Resolved,
        request: ModelRequest,
        produced: &mut Produced,
    ) -> Result<Round, Ended> {
        produced.spent = Some(Spent::begin(&request, produced.usage));
        let ended = self.heard(candidate, candidate.provider.stream(request), produced).await;
        produced.settle(match &ended {
            Ok(_) => End::Whole,
            Err(Ended::Failed { .. }) => End::Failed,
            Err(Ended::Stopped(_)) => End::Left,
        });
        ended
    }

    async fn heard(
        &mut self,
        candidate: &Resolved,
        mut stream: BoxStream<'static, Result<ModelEvent, ProviderError>>,
        produced: &mut Produced,
    ) -> Result<Round, Ended> {
        let mut answer = Answer::default();
        let control = self.control.clone();
        let mut stopped = std::pin::pin!(control.stopped());
        loop {
            let event = tokio::select! {
                biased;
                reason = &mut stopped => return Err(Ended::Stopped(Stop::Told(reason))),
                () = self.recorder.page_due() => {
                    self.recorder.flush().await.map_err(|fenced| Ended::Stopped(fenced.into()))?;
                    continue;
                }
                event = stream.next() => event,
            };
            let event = match event {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Err(Ended::Failed { error, shown: answer.shown }),
                None => return Err(Ended::Failed { error: unfinished(candidate), shown: answer.shown }),
            };
            if let Some(finish) = self.take(event, &mut answer, produced).map_err(Ended::Stopped)? {
                return Ok(Round { calls: answer.calls, finish, cut: answer.cut });
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
        if let Some(spent) = &mut produced.spent {
            spent.note(&event);
        }
        match event {
            ModelEvent::Text(delta) => self.say(delta, answer, produced)?,
            ModelEvent::Refusal(delta) => {
                produced.refused_from.get_or_insert(produced.text.len());
                self.say(delta, answer, produced)?;
            }
            ModelEvent::Thinking(delta) => {
                produced.thought_bytes += delta.len();
                if produced.thought_bytes > ANSWER_BYTES_MAX {
                    let message = format!("the model's reasoning is longer than {ANSWER_BYTES_MAX} bytes");
                    return Err(Failure::new(FailureReason::Limit, message).into());
                }
                self.think(delta, produced);
            }
            ModelEvent::ToolCall(call) => answer.calls.push(call),
            ModelEvent::Thoughts(payload) => {
                let by = produced.model.clone();
                produced.thoughts = Some(Box::new(Thoughts { by, payload }));
            }
            ModelEvent::Usage(usage) => {
                produced.usage = produced.spent.as_ref().map_or(produced.usage, |spent| spent.earlier.plus(usage));
            }
            ModelEvent::Cut(cut) => answer.cut = Some(cut),
            ModelEvent::Done(finish) => return Ok(Some(finish)),
        }
        Ok(None)
    }

    /// Tells more of the reasoning, and keeps what stands before the answer.
    fn think(&mut self, delta: String, produced: &mut Produced) {
        let kept = self.task.turn.reasoning;
        if !kept.is_none() && produced.text.is_empty() {
            let reasoning = produced.reasoning.get_or_insert_default();
            if kept == Reasoning::Words {
                reasoning.push_str(&delta);
            }
        }
        if !(kept.is_none() && delta.is_empty()) {
            self.recorder.emit(RunEvent::Thinking { delta });
        }
    }

    /// Adds to what is said; nothing follows a refusal that is none.
    fn say(&mut self, delta: String, answer: &mut Answer, produced: &mut Produced) -> Result<(), Stop> {
        let delta = produced.next_to_what_was_said(delta);
        let said = produced.asides.iter().map(String::len).sum::<usize>() + produced.text.len();
        if said + delta.len() > ANSWER_BYTES_MAX {
            let message = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
            return Err(Failure::new(FailureReason::Limit, message).into());
        }
        answer.shown = true;
        produced.text.push_str(&delta);
        self.recorder.emit(match produced.refused_from {
            None => RunEvent::Text { delta },
            Some(_) => RunEvent::Refusal { delta },
        });
        self.show_progress(answer, produced.text.len());
        Ok(())
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

    /// A call that is demanded and that no caller waits for is demanded until one was made: an answer follows it.
    fn tool_choice(&self, talk: &Conversation) -> ToolChoice {
        let turn = &self.task.turn;
        if talk.closed.is_some() {
            return if talk.specs.is_empty() { ToolChoice::Auto } else { ToolChoice::None };
        }
        let mut since = talk.messages.iter().skip(talk.input_end);
        let is_done = turn.client_tools.is_empty() && since.any(|message| matches!(message, Message::Tool { .. }));
        match &turn.tool_choice {
            ToolChoice::Required if is_done => ToolChoice::Auto,
            choice => choice.clone(),
        }
    }

    /// What a candidate is asked: as much of the conversation as fits it.
    pub(super) fn request(&self, candidate: &Resolved, talk: &Conversation) -> ModelRequest {
        let turn = &self.task.turn;
        let most = candidate.output_tokens_max.unwrap_or(u32::MAX);
        let max_tokens = turn.sampling.max_tokens.map(|tokens| tokens.min(most));
        let thinking = turn.thinking.as_deref().and_then(Thinking::parse);
        ModelRequest {
            model: candidate.model.clone(),
            messages: talk.shown_to(candidate, turn.sampling.max_tokens),
            tools: if candidate.tools { Arc::clone(&talk.specs) } else { Arc::from([]) },
            tool_choice: self.tool_choice(talk),
            sampling: Sampling { max_tokens, ..turn.sampling.clone() },
            thinking: thinking.filter(|level| *level == Thinking::Off || !candidate.never_thinks),
            conversation: turn.session.as_str().to_owned(),
            stream: turn.stream,
        }
    }
}

/// One answer while it comes in.
#[derive(Default)]
struct Answer {
    calls: Vec<ToolCall>,
    /// Whether readers have seen some of it.
    shown: bool,
    percent: u8,
    cut: Option<Cut>,
}

/// Why one answer did not come to its end.
pub(super) enum Ended {
    Stopped(Stop),
    Failed {
        error: ProviderError,
        /// Whether readers have seen some of it.
        shown: bool,
    },
}

/// A provider that just stops has not finished (G8).
fn unfinished(candidate: &Resolved) -> ProviderError {
    ProviderError::Interrupted {
        provider: candidate.provider.id().to_owned(),
        cause: "the answer ended without saying that it was finished".into(),
    }
}

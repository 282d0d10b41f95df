//! One question put to one candidate after the other, until one answers.
//!
//! Each candidate is asked once in a pass; a later pass asks those that may answer now, and nobody before the
//! wait it asked for is over. What its breaker holds open is passed over; if nobody else could be asked, those
//! that merely refuse are asked all the same, so that a lone provider's own words reach the caller. After its
//! first text an answer is never begun anew elsewhere: what was read cannot be taken back. A question that a model
//! finds wrong is put to the other models, since each vendor has rules of its own, and to no other key of the same; nor is one that a
//! model was silent for too long about.

use std::sync::Arc;
use std::time::Duration;

use claw_core::provider::ProviderError;
use claw_core::run::RunEvent;
use claw_core::{Failure, FailureReason};
use tokio::time::Instant;

use super::ask::Ended;
use super::context::Conversation;
use super::{Produced, Round, Stop};
use crate::agent::{Attempt, chance};
use crate::breaker::{Admission, Kind, Trial};
use crate::catalog::Resolved;
use crate::limits::{ASKED_AGAIN_MAX, ASKED_AGAIN_WITHIN, ATTACHED_RETRY_AFTER_MAX};

/// Why a question got no answer.
pub(super) enum Broken {
    Stopped(Stop),
    Provider(Unanswered),
}

/// What all that were asked came to.
pub(super) struct Unanswered {
    pub(super) reason: FailureReason,
    /// Every candidate's latest failure, in the order they were asked first.
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
    pub(super) is_retryable: bool,
    /// Whether readers have seen some of an answer.
    pub(super) shown: bool,
}

impl Unanswered {
    /// The end of the turn; `had_rounds` when earlier rounds have left something behind.
    pub(super) fn into_stop(self, had_rounds: bool) -> Stop {
        let retry_after_ms = self.retry_after.and_then(|wait| u64::try_from(wait.as_millis()).ok());
        let failure = Failure { retry_after_ms, ..Failure::new(self.reason, self.message) };
        match self.is_retryable {
            true => Stop::Transient { failure, shown: self.shown || had_rounds },
            false => Stop::Final(failure),
        }
    }
}

/// A candidate that was passed over.
struct PutOff {
    place: usize,
    kind: Kind,
    error: ProviderError,
}

/// How a candidate failed last.
struct Failed {
    place: usize,
    error: ProviderError,
    /// When it may be asked again, if that is worth it.
    due: Instant,
}

impl Failed {
    /// Whether this question may be put to it once more. One that has it and was silent for too long is at work on it,
    /// and would be paid twice.
    fn may_be_asked_again(&self) -> bool {
        self.error.is_retryable() && !self.has_heard()
    }

    fn has_heard(&self) -> bool {
        matches!(self.error, ProviderError::Timeout { phase, .. } if phase != "connection")
    }

    /// Whether the same model does no better with another key: it finds the question wrong, or is slow.
    fn is_the_models(&self) -> bool {
        self.error.is_at_fault() || self.has_heard()
    }
}

/// What one question has come to so far.
pub(super) struct Question {
    /// When it was put first.
    since: Instant,
    /// Whether it was put to all of them.
    went_round: bool,
    /// In the order they were asked first.
    failures: Vec<Failed>,
    /// Which of the failures is the newest.
    latest: usize,
    put_off: Vec<PutOff>,
}

impl Question {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), went_round: false, failures: Vec::new(), latest: 0, put_off: Vec::new() }
    }

    /// Whether it is too late to ask anybody again.
    fn is_late(&self) -> bool {
        self.went_round && self.since.elapsed() >= ASKED_AGAIN_WITHIN
    }

    /// How long until somebody may be asked again, or on the `last` pass all whose pause is short enough; nothing
    /// where there is nobody.
    pub(super) fn wait(&self, is_last: bool) -> Option<Duration> {
        let now = Instant::now();
        let again = self.failures.iter().filter(|failed| failed.may_be_asked_again());
        let waits = again.map(|failed| failed.due.saturating_duration_since(now));
        let waits = waits.filter(|wait| *wait <= ATTACHED_RETRY_AFTER_MAX && !self.is_late());
        if is_last { waits.max() } else { waits.min() }
    }

    /// Whether a candidate was not asked yet, or may be asked again.
    fn is_due(&self, place: usize, now: Instant) -> bool {
        let failed = self.failures.iter().find(|failed| failed.place == place);
        failed.is_none_or(|failed| failed.may_be_asked_again() && failed.due <= now)
    }

    fn failed(&mut self, place: usize, error: ProviderError) {
        let due = Instant::now() + error.retry_after().unwrap_or_default().min(ASKED_AGAIN_WITHIN);
        let failed = Failed { place, error, due };
        match self.failures.iter_mut().enumerate().find(|(_, earlier)| earlier.place == place) {
            Some((at, earlier)) => (self.latest, *earlier) = (at, failed),
            None => {
                self.latest = self.failures.len();
                self.failures.push(failed);
            }
        }
    }

    /// How the one failed that was asked last.
    fn last_word(&self) -> Option<&ProviderError> {
        self.failures.get(self.latest).map(|failed| &failed.error)
    }

    /// What the first found wrong with the question itself, where all that were asked found it wrong.
    fn fault(&self) -> Option<&ProviderError> {
        let errors = self.failures.iter().map(|failed| &failed.error);
        let mut asked = errors.filter(|error| !matches!(error, ProviderError::SetAside { .. })).peekable();
        let first = asked.peek().copied();
        first.filter(|_| asked.all(ProviderError::is_at_fault))
    }

    /// Whether this model has failed already for what another key of it makes no better.
    fn is_settled_for(&self, candidate: &Resolved, route: &[Resolved]) -> bool {
        self.failures.iter().filter(|failed| failed.is_the_models()).any(|failed| {
            route
                .get(failed.place)
                .is_some_and(|other| other.provider.id() == candidate.provider.id() && other.model == candidate.model)
        })
    }

    /// One failure for all. The question is wrong where all that were asked found it wrong, whoever else rests. The last
    /// one speaks for all if readers have seen some of its answer. Else it is worth another try if one of them
    /// is, by the kind of the first such.
    fn summed_up(&self, is_shown: bool) -> Unanswered {
        let errors = || self.failures.iter().map(|failed| &failed.error);
        let retryable = || errors().filter(|error| error.is_retryable());
        let main = match is_shown {
            true => self.last_word(),
            false => self.fault().or_else(|| retryable().next()).or_else(|| errors().next()),
        };
        let words: Vec<String> = errors().map(ToString::to_string).collect();
        // One that asks for no wait may be asked at once.
        let waits = retryable().map(ProviderError::retry_after);
        let retry_after = waits.reduce(|a, b| Some(a?.min(b?))).flatten();
        let is_retryable = main.is_some_and(ProviderError::is_retryable);
        Unanswered {
            reason: main.map_or(FailureReason::Provider, reason_of),
            message: words.join("; "),
            retry_after: retry_after.filter(|_| is_retryable),
            is_retryable,
            shown: false,
        }
    }
}

impl Attempt {
    /// One pass over the candidates, beginning with the one that answered last in this run: the first over all
    /// of them, a later one over a few that may be asked again.
    pub(super) async fn ask_around(
        &mut self,
        talk: &mut Conversation,
        produced: &mut Produced,
        question: &mut Question,
    ) -> Result<Round, Broken> {
        let (answered, now) = (talk.answered, Instant::now());
        let others = (0..talk.route.len()).filter(|place| *place != answered);
        let order = std::iter::once(answered).chain(others).filter(|place| question.is_due(*place, now));
        let most = if question.went_round { ASKED_AGAIN_MAX } else { usize::MAX };
        let order: Vec<usize> = order.take(most).collect();
        for place in order {
            if question.is_late() {
                break;
            }
            if talk.route.get(place).is_some_and(|candidate| question.is_settled_for(candidate, &talk.route)) {
                continue;
            }
            match self.admitted(talk, place) {
                Ok(trial) => {
                    if let Some(round) = self.ask_one(place, trial, talk, produced, question).await? {
                        return Ok(round);
                    }
                }
                Err(passed) => question.put_off.push(passed),
            }
        }
        if question.fault().is_some() {
            return Err(Broken::Provider(question.summed_up(false)));
        }
        for PutOff { place, kind, error } in std::mem::take(&mut question.put_off) {
            // Whoever asked for a pause gets it, and whoever fails and fails is left alone as long as there are others.
            if kind == Kind::Asked || (kind == Kind::Failing && !question.went_round) || question.is_late() {
                question.failed(place, error);
                continue;
            }
            let trial = self.trial(talk, place);
            if let Some(round) = self.ask_one(place, trial, talk, produced, question).await? {
                return Ok(round);
            }
            if question.fault().is_some() {
                break;
            }
        }
        question.went_round = true;
        Err(Broken::Provider(question.summed_up(false)))
    }

    /// Whether its breaker lets it be asked.
    fn admitted(&self, talk: &Conversation, place: usize) -> Result<Option<Trial>, PutOff> {
        let Some(candidate) = talk.route.get(place) else { return Ok(None) };
        match self.catalog.breaker().admit(candidate.source, &candidate.model, self.parts.clock.now()) {
            Admission::Free | Admission::Probe => Ok(self.trial(talk, place)),
            Admission::Aside(aside) => {
                let provider = candidate.provider.id().to_owned();
                let is_asked = aside.kind == Kind::Asked;
                let error = ProviderError::SetAside { provider, cause: aside.cause, wait: aside.wait, is_asked };
                Err(PutOff { place, kind: aside.kind, error })
            }
        }
    }

    fn trial(&self, talk: &Conversation, place: usize) -> Option<Trial> {
        let candidate = talk.route.get(place)?;
        Some(Trial::new(Arc::clone(self.catalog.breaker()), candidate.source, candidate.model.clone()))
    }

    /// Asks one candidate; one that finds the question too long is asked once more with half of it, once
    /// in a run (advisory 47). Nothing when it failed without readers having seen anything: its
    /// failure is then the question's newest.
    async fn ask_one(
        &mut self,
        place: usize,
        trial: Option<Trial>,
        talk: &mut Conversation,
        produced: &mut Produced,
        question: &mut Question,
    ) -> Result<Option<Round>, Broken> {
        let Some(candidate) = talk.route.get(place).cloned() else { return Ok(None) };
        let mut trial = trial;
        while let Some(trying) = trial.take() {
            let request = self.request(&candidate, talk);
            let messages = Arc::clone(&request.messages);
            if let Some(error) = talk.refused_by(&candidate, &messages) {
                question.failed(place, error);
                return Ok(None);
            }
            let request = self.guarded(&candidate, request, &mut talk.media).await.map_err(Broken::Stopped)?;
            self.turn_to(candidate.full_name(), talk, produced, question);
            match self.stream(&candidate, request, produced).await {
                Ok(round) => {
                    trying.succeeded();
                    talk.answered = place;
                    return Ok(Some(round));
                }
                Err(Ended::Stopped(stop)) => return Err(Broken::Stopped(stop)),
                Err(Ended::Failed { error, shown }) => {
                    trying.failed(&error, self.parts.clock.now(), chance(&*self.parts.ids));
                    let answer = self.task.turn.sampling.max_tokens;
                    if !shown && error.is_too_long() && talk.narrow(&candidate, answer, &messages) {
                        tracing::info!(task.id = %self.task.id, "asking with less of the conversation: {error}");
                        trial = self.trial(talk, place);
                        continue;
                    }
                    question.failed(place, error);
                    if shown {
                        let summed_up = question.summed_up(true);
                        return Err(Broken::Provider(Unanswered { shown, ..summed_up }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Says so where another model is asked than the last one.
    fn turn_to(&mut self, to: String, talk: &mut Conversation, produced: &mut Produced, question: &Question) {
        if to == talk.model_name {
            return;
        }
        let put_off = question.put_off.last().map(|passed| &passed.error);
        let reason = question.last_word().or(put_off).map(ToString::to_string).unwrap_or_default();
        tracing::info!(task.id = %self.task.id, "turning from {} to {to}: {reason}", talk.model_name);
        let from = std::mem::replace(&mut talk.model_name, to.clone());
        produced.model.clone_from(&to);
        produced.leave_reasoning();
        self.recorder.emit(RunEvent::Switched { from, to, reason });
    }
}

pub(crate) fn reason_of(error: &ProviderError) -> FailureReason {
    match error {
        ProviderError::Status { status: 429, .. }
        | ProviderError::Busy { .. }
        | ProviderError::SetAside { is_asked: true, .. } => FailureReason::RateLimited,
        ProviderError::Status { status: 404, .. } => FailureReason::UnknownModel,
        ProviderError::Status { .. } if error.is_operators() => FailureReason::Provider,
        ProviderError::Status { status: 400 | 413 | 422, .. } | ProviderError::Unsupported { .. } => {
            FailureReason::Request
        }
        ProviderError::Status { .. }
        | ProviderError::Unreachable { .. }
        | ProviderError::Timeout { .. }
        | ProviderError::Interrupted { .. }
        | ProviderError::SetAside { is_asked: false, .. } => FailureReason::Provider,
    }
}

//! A run that another gateway carries out (A12, A13): one question, one answer.
//!
//! Models, tools, skills and memory are that gateway's own, so nothing of the turn loop applies: it is
//! sent what is new and nothing of ours beside it. It keeps the conversation under a key that we choose, so
//! the next turn finds it there; where the caller keeps the conversation itself, all of it is sent.
//!
//! What it may have done nobody here knows. Its run is one step of the journal that is not repeated
//! (G3): only what it has certainly not begun is asked again – no connection, 429, 503. Being busy is
//! no failure: the run waits as long as it takes.

use std::time::Duration;

use claw_core::message::JsonText;
use claw_core::provider::{ModelRequest, ProviderError, Thinking};
use claw_core::run::{JournalEntry, RunEvent, ToolOutcome};
use claw_core::turn::Context;
use claw_core::{Failure, FailureReason, Message, OnCrash, Output, Text, ToolCall};
use tokio::time::Instant;

use super::ask::Ended;
use super::{Produced, Round, Stop};
use crate::agent::{Attempt, chance};
use crate::breaker::{Admission, Trial};
use crate::executors::{Executor, Pass};
use crate::journal::NotWritten;
use crate::limits::{EXECUTOR_RUN_USUAL, FAILURE_BYTES_MAX};
use crate::sessions::StopReason;

/// Why it gave no answer.
enum Fate {
    /// It has too much to do.
    Busy(Option<Duration>),
    /// It has certainly not begun.
    NotBegun(Failure),
    /// It may have done something.
    Begun(Failure),
}

impl Attempt {
    /// Has `executor` carry the run out.
    pub(super) async fn delegate(&mut self, executor: &Executor, produced: &mut Produced) -> Result<Output, Stop> {
        if !executor.serves(&self.task.principal, &self.task.turn.origin) {
            let message = format!("the executor {} serves the operator alone", executor.id());
            return Err(Failure::new(FailureReason::Request, message).into());
        }
        produced.model = executor.full_name();
        self.recorder.emit(RunEvent::Started { attempt: self.task.attempt, model: produced.model.clone() });
        let request = self.errand(executor);
        // Each time it was asked is a step of its own; what an earlier attempt left cut off is asked again
        // only because somebody wanted it so: a death ends the task elsewhere.
        let mut round = self.journal.next_round();
        let mut failures = 0;
        loop {
            let pass = self.pass(executor).await?;
            let trial = self.admitted_to(executor)?;
            let call = self.begin_errand(executor, round, &request).await?;
            round += 1;
            produced.text.clear();
            let began = Instant::now();
            let (error, shown) = match self.stream(&executor.resolved(), request.clone(), produced).await {
                Ok(Round { calls: _, finish }) => {
                    trial.succeeded();
                    pass.taken();
                    return Ok(self.output(produced, Vec::new(), finish));
                }
                Err(Ended::Stopped(stop)) => return Err(self.left(stop, executor, &call).await),
                Err(Ended::Failed { error, shown }) => (error, shown),
            };
            let fate = fate(&error, executor, &request.conversation, began.elapsed());
            match &fate {
                Fate::Busy(_) => drop(trial),
                Fate::NotBegun(_) | Fate::Begun(_) => {
                    trial.failed(&error, self.parts.clock.now(), chance(&*self.parts.ids))
                }
            }
            self.journal.result(&call, ToolOutcome { text: fate.words().into(), is_error: true }).await;
            match fate {
                Fate::Busy(asked) => self.wait_for_room(&pass, asked)?,
                Fate::NotBegun(failure) => {
                    failures += 1;
                    if !self.task.attached || failures >= self.task.attempts_max {
                        return Err(Stop::Transient { failure, shown: false });
                    }
                    drop(pass);
                    let wait = failure.retry_after_ms.map(Duration::from_millis);
                    self.wait(self.parts.retry.delay(failures, wait, chance(&*self.parts.ids))).await?;
                }
                Fate::Begun(failure) if self.task.on_crash == OnCrash::Retry => {
                    return Err(Stop::Transient { failure, shown });
                }
                Fate::Begun(failure) => return Err(Stop::Final(failure)),
            }
        }
    }

    /// What is sent: what is new, and the conversation's name there; all of it where the caller keeps it.
    fn errand(&self, executor: &Executor) -> ModelRequest {
        let turn = &self.task.turn;
        let mut messages: Vec<Message> = Vec::new();
        messages.extend(turn.instructions.clone().map(|text| Message::System { text }));
        let conversation = match &turn.context {
            Context::Session => {
                let own = turn.session.as_str();
                format!("agent:{}:v2:{}", executor.agent, own.strip_prefix("agent:").unwrap_or(own))
            }
            Context::Given(given) => {
                messages.extend_from_slice(given);
                String::new()
            }
        };
        messages.extend_from_slice(&turn.input);
        ModelRequest {
            model: executor.agent.clone(),
            messages: messages.into(),
            tools: [].into(),
            tool_choice: turn.tool_choice.clone(),
            sampling: turn.sampling.clone(),
            thinking: turn.thinking.as_deref().and_then(Thinking::parse),
            conversation,
            stream: true,
        }
    }

    /// The leave that the worker brought, or one that is waited for here.
    async fn pass(&mut self, executor: &Executor) -> Result<Pass, Stop> {
        if let Some(pass) = self.place.take_pass().filter(|pass| pass.is_for(executor)) {
            return Ok(pass);
        }
        tokio::select! {
            biased;
            reason = self.control.stopped() => Err(Stop::Told(reason)),
            pass = self.gates.enter(executor) => Ok(pass),
        }
    }

    /// Errors: it has failed too often lately.
    fn admitted_to(&self, executor: &Executor) -> Result<Trial, Stop> {
        let breakers = self.catalog.breaker();
        match breakers.admit(executor.source, &executor.agent, self.parts.clock.now()) {
            Admission::Aside(aside) if aside.is_firm() => {
                let message = format!("{} is left alone for a while, since {}", executor.id(), aside.cause);
                let failure = Failure {
                    retry_after_ms: u64::try_from(aside.wait.as_millis()).ok(),
                    ..Failure::new(FailureReason::Provider, message)
                };
                Err(Stop::Transient { failure, shown: false })
            }
            Admission::Aside(_) | Admission::Free | Admission::Probe => {
                Ok(Trial::new(std::sync::Arc::clone(breakers), executor.source, executor.agent.clone()))
            }
        }
    }

    /// Writes down that it is about to be asked, and waits for the disk.
    async fn begin_errand(
        &mut self,
        executor: &Executor,
        round: u32,
        request: &ModelRequest,
    ) -> Result<ToolCall, Stop> {
        let arguments =
            JsonText::new(serde_json::json!({ "agent": request.model, "session": request.conversation }).to_string());
        let name = format!("executor:{}", executor.id());
        let call = ToolCall { id: format!("{name}:{round}"), name, arguments };
        let text = Text::default();
        let entry = JournalEntry {
            round,
            text,
            thoughts: None,
            call: call.clone(),
            is_idempotent: false,
            is_planned: false,
            result: None,
        };
        match self.journal.intent(entry).await {
            Ok(()) => Ok(call),
            Err(NotWritten::Fenced) => Err(Stop::Told(StopReason::Fenced)),
            Err(NotWritten::Failed(failure)) => Err(Stop::Transient { failure, shown: false }),
        }
    }

    /// Somebody stopped the run while the other gateway had it. At a stop of this one it does not wait
    /// for the next process, which would ask for everything once more.
    async fn left(&self, stop: Stop, executor: &Executor, call: &ToolCall) -> Stop {
        let stop = match stop {
            Stop::Told(StopReason::Shutdown) if self.task.on_crash == OnCrash::Fail => {
                let message = format!("the gateway stopped while {:?} ran; it is not repeated", call.name);
                Stop::Final(Failure::new(FailureReason::Interrupted, message))
            }
            stop => stop,
        };
        let text = format!("left {} in the middle", executor.id()).into();
        self.journal.result(call, ToolOutcome { text, is_error: true }).await;
        stop
    }

    /// A task waits without a worker, a caller on the line waits here.
    fn wait_for_room(&self, pass: &Pass, asked: Option<Duration>) -> Result<(), Stop> {
        let wait = pass.turned_away(asked);
        if self.task.attached { Ok(()) } else { Err(Stop::Busy { wait }) }
    }
}

impl Fate {
    fn words(&self) -> String {
        match self {
            Self::Busy(_) => "it is busy".to_owned(),
            Self::NotBegun(failure) | Self::Begun(failure) => failure.message.clone(),
        }
    }
}

/// What an error says about the run.
fn fate(error: &ProviderError, executor: &Executor, conversation: &str, after: Duration) -> Fate {
    let failure = |reason, mut message: String| {
        message.truncate(message.floor_char_boundary(FAILURE_BYTES_MAX));
        Failure::new(reason, message)
    };
    match error {
        ProviderError::Status { status: 429, retry_after, .. } => Fate::Busy(*retry_after),
        ProviderError::Status { status: 503, retry_after: Some(wait), .. } => Fate::Busy(Some(*wait)),
        ProviderError::Status { status, message, .. } => {
            let reason = match status {
                400 | 413 | 422 => FailureReason::Request,
                _ => FailureReason::Provider,
            };
            let failure = failure(reason, format!("HTTP {status}: {message}"));
            if *status == 503 { Fate::NotBegun(failure) } else { Fate::Begun(failure) }
        }
        ProviderError::Unreachable { .. } | ProviderError::Timeout { phase: "connection", .. } => {
            Fate::NotBegun(failure(FailureReason::Provider, error.to_string()))
        }
        ProviderError::Unsupported { .. } => Fate::Begun(failure(FailureReason::Request, error.to_string())),
        ProviderError::Timeout { .. }
        | ProviderError::Interrupted { .. }
        | ProviderError::Busy { .. }
        | ProviderError::SetAside { .. } => {
            Fate::Begun(failure(FailureReason::Provider, cut_off(error, executor.id(), conversation, after)))
        }
    }
}

/// What is known of a run that broke off.
fn cut_off(error: &ProviderError, executor: &str, conversation: &str, after: Duration) -> String {
    let seconds = after.as_secs();
    let limit = match after >= EXECUTOR_RUN_USUAL {
        true => ", about the 10 minutes that a V1 gateway gives a run",
        false => "",
    };
    let goes_on = match conversation {
        "" => String::new(),
        key => format!("; its conversation goes on there as {key:?}"),
    };
    format!(
        "{error}, after {seconds} s{limit}; what {} did until then stands, so it is not asked again by itself{goes_on}",
        executor
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A17: the limit of the gateway that had the run is named where it was probably met, and only there.
    #[test]
    fn the_usual_ten_minutes_are_named_where_they_were_met() {
        let error = ProviderError::Interrupted { provider: "home".into(), cause: "the connection broke".into() };
        let said = |seconds| cut_off(&error, "home", "agent:main:v2:main:s", Duration::from_secs(seconds));
        assert_eq!(
            said(601),
            "home broke off: the connection broke, after 601 s, about the 10 minutes that a V1 gateway gives a run; what \
             home did until then stands, so it is not asked again by itself; its conversation goes on there as \
             \"agent:main:v2:main:s\""
        );
        assert!(!said(30).contains("10 minutes"));
    }
}

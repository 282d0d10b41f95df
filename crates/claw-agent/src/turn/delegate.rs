//! A run that another gateway carries out (A12, A13): one question, one answer.
//!
//! Models, tools, skills and memory are that gateway's own, so nothing of the turn loop applies: it is
//! sent what is new and nothing of ours beside it. It keeps the conversation under a key that we choose, so
//! the next turn finds it there; where the caller keeps the conversation itself, all of it is sent.
//!
//! What it may have done nobody here knows. Its run is one step of the journal that is not repeated
//! (G3): only what it has certainly not begun is asked again – no connection, 429, 503. Being busy is
//! no failure: the run waits as long as it takes.
//!
//! A run that it ends because its time there is over is told to go on, in the same conversation, with one more
//! message. From then on nothing begins anew: what cannot go on ends.

mod fate;

use std::time::Duration;

use claw_core::message::JsonText;
use claw_core::provider::{Cut, FinishReason, ModelRequest, ProviderError, Thinking};
use claw_core::run::{JournalEntry, RunEvent, ToolOutcome};
use claw_core::turn::Context;
use claw_core::{Failure, FailureReason, Message, OnCrash, Output, Text, ToolCall};
use tokio::time::Instant;

use self::fate::{Fate, cut_short, fate, how};
use super::ask::Ended;
use super::media::Media;
use super::{Produced, Round, Stop};
use crate::agent::{Attempt, chance};
use crate::breaker::{Admission, Trial};
use crate::executors::{Away, Executor, Pass};
use crate::journal::NotWritten;
use crate::sessions::StopReason;

/// What the journal keeps of a step that was to be gone on from.
const OVER: &str = "its time there was over";

/// What another gateway is asked, and how far that has come.
struct Errand {
    request: ModelRequest,
    /// The next step of the journal.
    round: u32,
    /// In a row.
    failures: u32,
    /// How often it was told to go on.
    continued: u32,
    /// The first step of those that it goes on from. Its result is written last: as long as there is none, a
    /// death ends the task, also between two questions.
    begun: Option<ToolCall>,
}

/// What one question came to.
enum Answered {
    /// The run is done.
    Done(FinishReason),
    /// Its time there was over, and it may be told to go on.
    Over(Cut),
    /// It failed; and whether readers have seen some of an answer.
    Failed(ProviderError, bool),
}

impl Errand {
    /// Whether a run whose time was over is told to go on: not where its caller keeps the conversation, who
    /// can say so better.
    fn may_go_on(&self, executor: &Executor) -> bool {
        self.continued < executor.continuation.times_max && !self.request.conversation.is_empty()
    }
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
        // Each time it was asked is a step of its own; what an earlier attempt left cut off is asked again
        // only because somebody wanted it so: a death ends the task elsewhere.
        let round = self.journal.next_round();
        let request = self.errand(executor, &self.task.turn.input);
        let request = self.guarded(&executor.resolved(), request, &mut Media::default()).await?;
        let mut errand = Errand { request, round, failures: 0, continued: 0, begun: None };
        match self.carry_out(executor, &mut errand, produced).await {
            Ok(finish) => Ok(self.output(produced, Vec::new(), finish)),
            Err(stop) => Err(self.given_up(stop, errand, executor).await),
        }
    }

    /// Asks until the run is done, or cannot be.
    async fn carry_out(
        &mut self,
        executor: &Executor,
        errand: &mut Errand,
        produced: &mut Produced,
    ) -> Result<FinishReason, Stop> {
        let mut kept = None;
        loop {
            let pass = match kept.take() {
                Some(pass) => pass,
                None => self.pass(executor).await?,
            };
            let trial = self.admitted_to(executor)?;
            let call = self.begin_errand(executor, errand, produced).await?;
            if errand.continued == 0 {
                produced.text.clear();
            }
            let began = Instant::now();
            let (error, shown) = match self.put(executor, errand, produced, &call).await? {
                Answered::Done(finish) => {
                    trial.succeeded();
                    pass.taken(self.task.id);
                    return Ok(finish);
                }
                Answered::Over(cut) => {
                    trial.succeeded();
                    pass.taken(self.task.id);
                    self.go_on(executor, errand, &cut, call).await;
                    produced.is_continued = true;
                    kept = Some(pass);
                    continue;
                }
                Answered::Failed(error, shown) => (error, shown),
            };
            let fate = fate(&error, executor, &errand.request.conversation, began.elapsed());
            match &fate {
                Fate::Busy(..) => drop(trial),
                Fate::NotBegun(_) | Fate::Begun(_) => {
                    trial.failed(&error, self.parts.clock.now(), chance(&*self.parts.ids))
                }
            }
            self.journal.result(&call, ToolOutcome { text: fate.words().into(), is_error: true }).await;
            match fate {
                Fate::Busy(asked, why) => self.wait_for_room(errand, pass, asked, why).await?,
                Fate::NotBegun(failure) => {
                    errand.failures += 1;
                    if !self.waits_here(errand) || errand.failures >= self.task.attempts_max {
                        return Err(Stop::Transient { failure, shown: false });
                    }
                    drop(pass);
                    let wait = failure.retry_after_ms.map(Duration::from_millis);
                    self.wait(self.parts.retry.delay(errand.failures, wait, chance(&*self.parts.ids))).await?;
                }
                Fate::Begun(failure) if self.task.on_crash == OnCrash::Retry => {
                    return Err(Stop::Transient { failure, shown });
                }
                Fate::Begun(failure) => return Err(Stop::Final(failure)),
            }
        }
    }

    /// Puts the question once.
    ///
    /// Errors: somebody stopped the run meanwhile.
    async fn put(
        &mut self,
        executor: &Executor,
        errand: &Errand,
        produced: &mut Produced,
        call: &ToolCall,
    ) -> Result<Answered, Stop> {
        let began = Instant::now();
        let (finish, cut) = match self.stream(&executor.resolved(), errand.request.clone(), produced).await {
            Ok(Round { calls: _, finish, cut }) => (finish, cut),
            Err(Ended::Failed { error, shown }) => return Ok(Answered::Failed(error, shown)),
            Err(Ended::Stopped(stop)) => {
                let text = format!("left {} in the middle", executor.id()).into();
                self.journal.result(call, ToolOutcome { text, is_error: true }).await;
                return Err(self.not_left_to_others(stop, executor));
            }
        };
        let Some(cut) = cut else { return Ok(Answered::Done(finish)) };
        let is_over = executor.continuation.is_over(&cut, began.elapsed());
        if is_over && errand.may_go_on(executor) {
            return Ok(Answered::Over(cut));
        }
        Ok(match cut_short(cut, is_over && errand.continued > 0, executor) {
            Some(error) => Answered::Failed(error, !produced.text.is_empty()),
            None => Answered::Done(finish),
        })
    }

    /// The next question is to go on; `call` was the one whose time was over.
    async fn go_on(&mut self, executor: &Executor, errand: &mut Errand, cut: &Cut, call: ToolCall) {
        errand.continued += 1;
        errand.failures = 0;
        errand.request = self.errand(executor, &[Message::user(executor.continuation.message.clone())]);
        let (number, reason) = (errand.continued, how(cut));
        tracing::info!(task.id = %self.task.id, number, "{} is told to go on: {reason}", executor.id());
        self.recorder.emit(RunEvent::Continued { number, reason });
        match &errand.begun {
            None => errand.begun = Some(call),
            Some(_) => {
                self.journal.result(&call, ToolOutcome { text: OVER.into(), is_error: true }).await;
            }
        }
    }

    /// What is sent: what is new, and the conversation's name there; all of it where the caller keeps it.
    fn errand(&self, executor: &Executor, input: &[Message]) -> ModelRequest {
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
        messages.extend_from_slice(input);
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
        errand: &mut Errand,
        produced: &Produced,
    ) -> Result<ToolCall, Stop> {
        let Errand { request, round, continued, .. } = errand;
        let mut arguments = serde_json::json!({ "agent": request.model, "session": request.conversation });
        if let Some(fields) = arguments.as_object_mut().filter(|_| *continued > 0) {
            fields.insert("continuation".to_owned(), (*continued).into());
        }
        let name = format!("executor:{}", executor.id());
        let call = ToolCall { id: format!("{name}:{round}"), name, arguments: JsonText::new(arguments.to_string()) };
        let entry = JournalEntry {
            round: *round,
            text: Text::default(),
            reasoned: None,
            thoughts: None,
            used: Some(self.used(produced)),
            beside: None,
            call: call.clone(),
            is_idempotent: false,
            is_planned: false,
            result: None,
        };
        *round += 1;
        match self.journal.intent(entry).await {
            Ok(()) => Ok(call),
            Err(NotWritten::Fenced) => Err(Stop::Told(StopReason::Fenced)),
            Err(NotWritten::Failed(failure)) => Err(Stop::Transient { failure, shown: false }),
        }
    }

    /// At a stop of this gateway a run that has begun does not wait for the next process, which would ask for
    /// everything once more.
    fn not_left_to_others(&self, stop: Stop, executor: &Executor) -> Stop {
        match stop {
            Stop::Told(StopReason::Shutdown) if self.task.on_crash == OnCrash::Fail => {
                let name = format!("executor:{}", executor.id());
                let message = format!("the gateway stopped while {name:?} ran; it is not repeated");
                Stop::Final(Failure::new(FailureReason::Interrupted, message))
            }
            stop => stop,
        }
    }

    /// The end of a run that is not done. One that was told to go on has begun, whatever it ended with.
    async fn given_up(&self, stop: Stop, errand: Errand, executor: &Executor) -> Stop {
        let Errand { continued, begun: Some(begun), .. } = errand else { return stop };
        let told = |failure: Failure| {
            let message = format!("{}; it had been told to go on {continued} times", failure.message);
            Failure { message, ..failure }
        };
        self.journal.result(&begun, ToolOutcome { text: OVER.into(), is_error: true }).await;
        match self.not_left_to_others(stop, executor) {
            Stop::Transient { failure, .. } if self.task.on_crash == OnCrash::Fail => Stop::Final(told(failure)),
            Stop::Transient { failure, shown } => Stop::Transient { failure: told(failure), shown },
            Stop::Final(failure) => Stop::Final(told(failure)),
            stop => stop,
        }
    }

    /// A caller on the line waits where it is, and so does a run that has begun already: as another attempt it
    /// would begin anew.
    fn waits_here(&self, errand: &Errand) -> bool {
        self.task.attached || errand.continued > 0
    }

    /// Any other task waits without a worker.
    async fn wait_for_room(
        &self,
        errand: &Errand,
        pass: Pass,
        asked: Option<Duration>,
        why: Failure,
    ) -> Result<(), Stop> {
        let Away { wait, is_own } = pass.turned_away(self.task.id, asked);
        // Others may go meanwhile.
        drop(pass);
        match self.waits_here(errand) {
            true if is_own => self.wait(wait).await,
            true => Ok(()),
            false => Err(Stop::Busy { wait, why }),
        }
    }
}

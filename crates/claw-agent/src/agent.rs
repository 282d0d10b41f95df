//! One attempt of a task, from the worker's start to the committed end.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use claw_core::retry;
use claw_core::run::{RunEvent, ToolOutcome, Used};
use claw_core::task::{Outcome, StateName};
use claw_core::turn::Origin;
use claw_core::{
    AgentId, Approval, ApprovalId, Clock, Failure, FailureReason, IdSource, Message, Output, Principal, Task, TaskId,
    Text, ToolCall,
};
use claw_store::{Finish, Finished, StartedRun, Store, StoreError};

use crate::catalog::Catalog;
use crate::executors::Gates;
use crate::hub::{EventReader, Hub};
use crate::journal::Journal;
use crate::limits::{FINISH_RETRY, FINISH_TRIES_ATTACHED};
use crate::meter::Meter;
use crate::past::{Past, since};
use crate::recorder::Recorder;
use crate::sessions::{Control, Place, Running, StopReason};
use crate::tools::Offer;
use crate::turn::{Produced, Stop};

/// What an agent is made of.
pub struct Parts {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// Who reads along.
    pub hub: Hub,
    /// Models and agents, until others take their place.
    pub catalog: Arc<Catalog>,
    /// What it can do.
    pub tools: Vec<Offer>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for jitter.
    pub ids: Arc<dyn IdSource>,
    /// When a failed attempt is tried again.
    pub retry: retry::Policy,
    /// Who counts what runs use.
    pub meter: Arc<dyn Meter>,
}

/// Runs attempts. Cheap to clone.
#[derive(Clone)]
pub struct Agent {
    pub(crate) parts: Arc<Parts>,
    /// What the next run begins with.
    catalog: Arc<RwLock<Arc<Catalog>>>,
    running: Running,
    gates: Gates,
}

/// What a call outside of any run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// What the tool answered.
    pub outcome: ToolOutcome,
    /// Whether it was not carried out because its arguments do not fit.
    pub blames_arguments: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// The state it left the task in; absent when the attempt had lost its task.
    pub state: Option<StateName>,
    /// What the store said to the finish.
    pub finished: Option<Finished>,
    /// Whether what was said before fills its model's window so far that it should be compacted.
    pub is_crowded: bool,
    /// What somebody has to allow before the task goes on, where that is news.
    pub asked: Option<Box<Approval>>,
}

/// An attempt that is about to run; readers can be attached before it does.
pub struct Attempt {
    pub(crate) parts: Arc<Parts>,
    /// The models and agents of its beginning, whatever comes after.
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) task: Task,
    pub(crate) journal: Journal,
    pub(crate) recorder: Recorder,
    pub(crate) control: Control,
    /// The approval that the last attempt waited for, as long as nothing happens here that readers
    /// have not seen there.
    pub(crate) resumes: Option<ApprovalId>,
    /// Whether strangers' words are in the conversation.
    pub(crate) untrusted: bool,
    /// Whether approvals of the task may be open.
    pub(crate) has_asked: bool,
    pub(crate) gates: Gates,
    /// What the attempts before have used.
    past: Past,
    /// Held until the end is committed.
    pub(crate) place: Place,
}

impl Agent {
    /// An agent of these parts.
    pub fn new(parts: Parts) -> Self {
        let catalog = Arc::new(RwLock::new(Arc::clone(&parts.catalog)));
        Self { parts: Arc::new(parts), catalog, running: Running::default(), gates: Gates::default() }
    }

    /// The runs of this process, to stop them.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// How many runs other gateways take, as far as is known.
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Models and agents, as they are now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in their place, for every run that has not begun.
    pub fn replace_catalog(&self, catalog: Arc<Catalog>) {
        self.gates.adopt(catalog.executors());
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
    }

    /// What an agent may do for somebody who asks directly, as things are now.
    pub fn tools(&self, agent: &AgentId, principal: &Principal) -> Vec<Offer> {
        self.catalog().tools(&self.parts.tools, agent, &principal.id, &Origin::default())
    }

    /// Reads a run's events with numbers above `after`.
    pub fn read(&self, id: TaskId, after: u64) -> EventReader {
        self.parts.hub.read(id, after)
    }

    /// Prepares an attempt that the store says is ours; `place` was taken before the start.
    pub fn prepare(&self, started: StartedRun, place: Place) -> Attempt {
        let StartedRun { task, seq, journal, resumes, untrusted } = started;
        let parts = Arc::clone(&self.parts);
        let recorder = Recorder::new(Arc::clone(&parts.store), Arc::clone(&parts.clock), &parts.hub, &task, seq);
        let has_asked = resumes.is_some() || journal.iter().any(|entry| entry.is_planned);
        let journal = Journal::new(Arc::clone(&parts.store), &task, journal);
        place.control().joins(task.session);
        Attempt {
            parts,
            catalog: self.catalog(),
            task,
            journal,
            recorder,
            control: place.control().clone(),
            gates: self.gates.clone(),
            past: Past::default(),
            resumes,
            untrusted,
            has_asked,
            place,
        }
    }
}

impl Attempt {
    /// Which task, whose, and of which conversation.
    pub fn subject(&self) -> (TaskId, claw_core::PrincipalId, claw_core::SessionKey) {
        (self.task.id, self.task.principal.id.clone(), self.task.turn.session.clone())
    }

    /// Reads along from the attempt's first event.
    pub fn reader(&self) -> EventReader {
        self.parts.hub.read(self.task.id, 0)
    }

    /// Runs to the end, and commits what came of it.
    pub async fn run(mut self) -> RunEnd {
        let mut produced = Produced::default();
        let ended = match self.look_back(&mut produced).await {
            Ok(()) => self.turn_in_time(&mut produced).await,
            Err(stop) => Err(stop),
        };
        let outcome = match ended {
            Ok(output) => Outcome::Completed(output),
            Err(stop) => match self.outcome_of(stop, &produced) {
                Some(outcome) => outcome,
                None => return RunEnd { state: None, finished: None, asked: None, is_crowded: false },
            },
        };
        if state_after(&outcome).is_terminal() {
            self.note_answer(text_of(&outcome), &produced.asides).await;
        }
        self.commit(outcome, produced).await
    }

    /// What this attempt has used so far.
    pub(crate) fn used(&self, produced: &Produced) -> Box<Used> {
        let usage = produced.usage.beyond(self.past.usage);
        Box::new(Used { attempt: self.task.attempt, usage, model: produced.model.clone() })
    }

    /// Goes on counting where the attempts before have come to.
    async fn look_back(&mut self, produced: &mut Produced) -> Result<(), Stop> {
        self.past = Past::of(&self.task, &*self.parts.store).await.map_err(|error| {
            let message = format!("what the attempts before have used cannot be read: {error}");
            Stop::Transient { failure: Failure::new(FailureReason::Internal, message), shown: false }
        })?;
        produced.usage = self.past.usage;
        Ok(())
    }

    /// The turn, within the time that its caller gave it.
    async fn turn_in_time(&mut self, produced: &mut Produced) -> Result<Output, Stop> {
        let Some(limit_s) = self.task.turn.time_limit_s else { return self.turn(produced).await };
        let began = since(&self.task).unwrap_or(self.task.created_at);
        let took = self.past.took + self.parts.clock.now().since(began);
        let left = Duration::from_secs(limit_s.into()).saturating_sub(took);
        tokio::time::timeout(left, self.turn(produced)).await.unwrap_or_else(|_over| {
            let message = format!("the run did not end within the {limit_s} s that its caller gave it");
            Err(Failure::new(FailureReason::Limit, message).into())
        })
    }

    /// What a run that did not complete comes to; nothing when the task is no longer ours.
    fn outcome_of(&self, stop: Stop, produced: &Produced) -> Option<Outcome> {
        let partial = produced.text.clone();
        let failed = |failure| Outcome::Failed { failure, partial: partial.clone() };
        let stopping = || Failure::new(FailureReason::Interrupted, "the gateway stopped while its caller waited");
        Some(match stop {
            Stop::Told(StopReason::Fenced) => return None,
            Stop::Told(StopReason::Cancelled | StopReason::CallerGone) => Outcome::Cancelled { partial },
            Stop::Told(StopReason::Shutdown) if self.task.attached => failed(stopping()),
            Stop::Told(StopReason::Shutdown) => Outcome::Yielded { not_before: self.parts.clock.now(), why: None },
            Stop::Parked { approval, planned } => Outcome::Parked { approval, planned },
            Stop::Busy { wait, why } => {
                Outcome::Yielded { not_before: self.parts.clock.now().plus(wait), why: Some(why) }
            }
            Stop::Final(failure) => failed(failure),
            Stop::Transient { failure, shown } => match self.next_try(&failure, shown) {
                Some(delay) => Outcome::Retry { failure, not_before: self.parts.clock.now().plus(delay) },
                None => failed(Failure { is_transient: true, ..failure }),
            },
        })
    }

    /// How long to wait before another attempt; nothing when there is none.
    ///
    /// Text that somebody watches grow is not restarted under their eyes: an interactive run that
    /// has shown some ends. A background task's readers are told by `Retrying` and `Started`.
    fn next_try(&self, failure: &Failure, shown: bool) -> Option<Duration> {
        let watched = self.task.attached || self.task.lane == claw_core::Lane::Interactive;
        let failures = self.task.failures + 1;
        if self.task.attached || (watched && shown) || failures >= self.task.attempts_max {
            return None;
        }
        let asked = failure.retry_after_ms.map(Duration::from_millis);
        Some(self.parts.retry.delay(failures, asked, chance(&*self.parts.ids)))
    }

    async fn commit(mut self, outcome: Outcome, mut produced: Produced) -> RunEnd {
        // A run whose time was over has left its answer where it was.
        produced.leave();
        let state = state_after(&outcome);
        if state != StateName::Completed {
            produced.unsteer();
        }
        let Produced { mut messages, steered, text, thoughts, usage, model, is_crowded, .. } = produced;
        let (text, tool_calls) = last_words(&outcome, text);
        if state.is_terminal() && !(text.is_empty() && tool_calls.is_empty()) {
            // They are wanted back with what the caller's tools answer.
            let thoughts = thoughts.filter(|_| !tool_calls.is_empty());
            messages.push(Message::Assistant { text, tool_calls, thoughts });
        }
        let (events, shown) = match last_event(&self.task, &outcome, self.resumes) {
            Some(event) => {
                let (events, shown) = self.recorder.last_page(event);
                (events, Some(shown))
            }
            None => (self.recorder.rest(), None),
        };
        if !state.is_terminal() {
            messages.clear();
        }
        // What was used before is in the sums already.
        let usage = usage.beyond(self.past.usage);
        let owner = self.task.principal.id.clone();
        self.parts.meter.used(&owner, usage);
        if self.task.attached
            && state.is_terminal()
            && let Some(event) = &shown
        {
            // A synchronous reply never waits for the disk.
            self.recorder.show(Arc::clone(event));
        }
        let asked = match &outcome {
            Outcome::Parked { approval, .. } if self.resumes != Some(approval.id) => Some(approval.clone()),
            _ => None,
        };
        let at = self.parts.clock.now();
        let (id, attempt) = (self.task.id, self.task.attempt);
        let finish =
            Finish { id, attempt, outcome, messages, steered, events, usage, model, has_asked: self.has_asked, at };
        let finished = self.finish(finish).await;
        self.parts.meter.stored(&owner, usage);
        let accepted = finished.as_ref().is_some_and(|finished| finished.accepted);
        if !(self.task.attached && state.is_terminal())
            && accepted
            && let Some(event) = shown
        {
            self.recorder.show(event);
        }
        for answered in finished.iter().flat_map(|finished| &finished.answered) {
            self.parts.hub.publish(answered.id, answered.event.clone());
        }
        let asked = asked.filter(|_| accepted);
        RunEnd { state: accepted.then_some(state), finished, asked, is_crowded }
    }

    /// Commits until the disk takes it: a result is not thrown away because the disk is full.
    async fn finish(&self, finish: Finish) -> Option<Finished> {
        let finish = Arc::new(finish);
        let mut tries = 0;
        loop {
            match self.parts.store.finish(Arc::clone(&finish)).await.await {
                Ok(finished) => return Some(finished),
                Err(StoreError::Closed) => return None,
                Err(error) => {
                    tries += 1;
                    tracing::error!(task.id = %finish.id, tries, "the result of {} could not be stored: {error}", finish.id);
                    if self.task.attached && tries >= FINISH_TRIES_ATTACHED {
                        return None;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(FINISH_RETRY) => {}
                _told = self.control.stopped(), if !self.control.is_stopped() => {}
            }
            if self.control.is_stopped() && tries > 1 {
                return None;
            }
        }
    }
}

/// What was said of an answer, whether it came to its end or not.
fn text_of(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Completed(output) => &output.text,
        Outcome::Failed { partial, .. } | Outcome::Cancelled { partial } => partial,
        Outcome::Retry { .. } | Outcome::Yielded { .. } | Outcome::Parked { .. } => "",
    }
}

/// The state an outcome leaves its task in.
fn state_after(outcome: &Outcome) -> StateName {
    match outcome {
        Outcome::Completed(_) => StateName::Completed,
        Outcome::Failed { .. } => StateName::Failed,
        Outcome::Cancelled { .. } => StateName::Cancelled,
        Outcome::Retry { .. } | Outcome::Yielded { .. } | Outcome::Parked { .. } => StateName::Queued,
    }
}

/// What readers see last of this attempt.
fn last_event(task: &Task, outcome: &Outcome, resumes: Option<ApprovalId>) -> Option<RunEvent> {
    Some(match outcome.clone() {
        Outcome::Completed(output) => RunEvent::Completed { output },
        Outcome::Failed { failure, partial } => RunEvent::Failed { failure, partial },
        Outcome::Cancelled { partial } => RunEvent::Cancelled { partial },
        Outcome::Retry { failure, not_before } => RunEvent::Retrying { attempt: task.attempt, failure, at: not_before },
        // Its ticket came too early: they know what is asked.
        Outcome::Parked { approval, .. } if resumes == Some(approval.id) => return None,
        Outcome::Parked { approval, planned: _ } => {
            let Approval { id, call_id, tool, shown, expires_at, .. } = *approval;
            RunEvent::ApprovalRequested { approval: id, call_id, name: tool, shown, expires_at }
        }
        Outcome::Yielded { why: Some(failure), not_before } => {
            RunEvent::Retrying { attempt: task.attempt, failure, at: not_before }
        }
        Outcome::Yielded { why: None, .. } => return None,
    })
}

/// What the model said at last, where the attempt did not complete as far as it had come, and what it wants of the caller.
fn last_words(outcome: &Outcome, so_far: String) -> (Text, Vec<ToolCall>) {
    match outcome {
        Outcome::Completed(output) => (output.text.clone(), output.tool_calls.clone()),
        Outcome::Failed { .. }
        | Outcome::Cancelled { .. }
        | Outcome::Retry { .. }
        | Outcome::Parked { .. }
        | Outcome::Yielded { .. } => (so_far.into(), Vec::new()),
    }
}

/// A number from 0 up to 1.
pub(crate) fn chance(ids: &dyn IdSource) -> f64 {
    let mut bytes = [0; 4];
    ids.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

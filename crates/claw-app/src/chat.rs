//! A run for a caller on the line.
//!
//! In a session of its own it starts at once and writes behind: nothing was promised, so nothing
//! waits for the disk. In a named session it takes its turn like any task. When the caller hangs
//! up the run ends; when the caller's patience ends first (K18) the run goes on as a task. With an
//! idempotency key it is a task from the start: see [`Chat::start_keyed`].

mod keyed;

use std::sync::Arc;
use std::time::Duration;

use claw_agent::{Attempt, EventReader, StopReason};
use claw_core::run::{RunEvent, Sequenced};
use claw_core::task::{Priority, StateName, TaskState};
use claw_core::{
    Lane, OnCrash, Output, Principal, Scope, SessionId, SessionKey, Task, TaskId, Timestamp, Turn, Visibility, WhenBusy,
};
use claw_store::{Begin, Commit, NewTask, StartedRun, Submitted};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::addresses;
use crate::engine::Engine;
use crate::limiter::{Hold, Pass};
use crate::limits::OVERLOAD_RETRY;
use crate::tasks::{Due, Tasks, foreign};

/// Starts runs for callers on the line.
#[derive(Clone)]
pub struct Chat(pub(crate) Arc<Engine>);

/// Which conversation a caller's run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The turn's session is the caller's choice and may have a history and a queue.
    Named,
    /// The turn's session is fresh and nobody else's: see [`Chat::fresh_session`].
    Fresh,
}

impl Chat {
    /// A key for a conversation that only this run belongs to.
    pub fn fresh_session(&self, agent: &claw_core::AgentId) -> SessionKey {
        SessionKey::of(agent, &format!("openai:{}", self.0.ids.next().hyphenated()))
    }

    /// Starts a run whose caller waits. Drop the result to hang up.
    ///
    /// Errors: `Forbidden`, `NotFound` (agent), `UnknownModel`, `Limited` (the month's tokens), `Overloaded`,
    /// `DiskFull`, `Stopping`.
    pub async fn start(&self, principal: &Principal, turn: Turn, place: Place) -> Result<AttachedRun, Error> {
        self.begin(principal, turn, place, WhenBusy::Follow).await
    }

    /// The same in a session of the caller's choice, which may be busy.
    ///
    /// Errors: those of [`Chat::start`], and `SessionBusy`.
    pub async fn start_named(
        &self,
        principal: &Principal,
        turn: Turn,
        when_busy: WhenBusy,
    ) -> Result<AttachedRun, Error> {
        self.begin(principal, turn, Place::Named, when_busy).await
    }

    async fn begin(
        &self,
        principal: &Principal,
        mut turn: Turn,
        place: Place,
        when_busy: WhenBusy,
    ) -> Result<AttachedRun, Error> {
        let engine = &self.0;
        if place == Place::Named {
            turn.session = engine.place(principal, &turn.session).await?;
        }
        let permit = engine.admit(principal, &turn).await?;
        Tasks(Arc::clone(engine)).make_way(principal, &turn.session, when_busy).await?;
        let steers = when_busy == WhenBusy::Steer && turn.may_steer();
        let new = NewTask {
            id: TaskId::new(&*engine.ids),
            session_id: SessionId::new(&*engine.ids),
            principal: principal.clone(),
            turn,
            lane: Lane::Interactive,
            priority: Priority::NORMAL,
            label: None,
            on_crash: OnCrash::Fail,
            attempts_max: engine.attempts_default(),
            callback: None,
            idempotency: None,
            steers,
            begin: match place {
                Place::Fresh => Begin::Attached,
                Place::Named => Begin::Queued { not_before: engine.clock.now(), attached: true },
            },
            at: engine.clock.now(),
        };
        let (id, session, created_at) = (new.id, new.turn.session.clone(), new.at);
        // Whoever hangs up while the run is being accepted ends it, too.
        let mut guard = Guard { engine: Arc::clone(engine), id, armed: true, place: None, _permit: permit };
        let events = match place {
            Place::Fresh => engine.start_now(new).await,
            Place::Named => engine.start_in_turn(new).await.inspect_err(|_refused| guard.armed = false)?,
        };
        let events = Events::Live(events);
        let turn = match place {
            Place::Fresh => None,
            Place::Named => Some(engine.draining.clone()),
        };
        Ok(AttachedRun { id, session, created_at, is_replay: false, attempt: 1, events, turn, stop: None, guard })
    }
}

impl Engine {
    /// Checks what can be checked before a caller's run is made.
    async fn admit(&self, principal: &Principal, turn: &Turn) -> Result<OwnedSemaphorePermit, Error> {
        self.check(principal, turn).await?;
        self.afford(principal).await?;
        self.seat()
    }

    /// Room for one more caller on the line.
    pub(crate) fn seat(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.attached).try_acquire_owned().map_err(|_| Error::Overloaded {
            what: "too many callers wait for an answer".into(),
            retry_after: OVERLOAD_RETRY,
        })
    }

    /// What every new run has to pass.
    pub(crate) async fn check(&self, principal: &Principal, turn: &Turn) -> Result<(), Error> {
        if !principal.scopes.allows(Scope::Write) {
            return Err(Error::Forbidden(Scope::Write.name()));
        }
        if self.draining.is_cancelled() {
            return Err(Error::Stopping);
        }
        let catalog = self.agent.catalog();
        let agent = catalog
            .agent(&turn.agent)
            .ok_or_else(|| Error::NotFound { what: "agent", id: turn.agent.as_str().to_owned() })?;
        if !self.goes_elsewhere(&catalog, principal, turn)? {
            let resolved = catalog.resolve(turn.model.as_deref(), agent);
            resolved.map_err(|unknown| Error::UnknownModel(unknown.to_string()))?;
        }
        addresses::check(catalog.guard(), turn).await
    }

    /// Runs at once, writing behind.
    async fn start_now(self: &Arc<Self>, new: NewTask) -> EventReader {
        let place = self.agent.running().enter(new.id, &self.scope.token());
        let task = running_task(&new);
        let submitted = self.store.submit(new).await;
        self.tell(task.id, &task.principal.id, &task.turn.session, StateName::Running, task.attempt);
        let untrusted = task.turn.brings_untrusted();
        let started = StartedRun { task, seq: 0, journal: Vec::new(), resumes: None, untrusted };
        let attempt = self.agent.prepare(started, place);
        let reader = attempt.reader();
        let engine = Arc::clone(self);
        // The future is large, and on its way into the runtime it would be copied several times.
        let run = Box::pin(async move { engine.run_attached(attempt, submitted).await });
        drop(self.scope.spawn(|_the_place_has_it| run));
        reader
    }

    async fn run_attached(&self, attempt: Attempt, submitted: Commit<Submitted>) {
        let (id, owner, session) = attempt.subject();
        let end = attempt.run().await;
        self.tell_asked(&end);
        if let Some(state) = end.state {
            self.tell(id, &owner, &session, state, 1);
        }
        if let Err(error) = self.noted(submitted.await) {
            tracing::warn!(task.id = %id, "{id} ran but is not in the ledger: {error}");
        }
        self.after(end.finished, &owner, &session).await;
    }

    /// Holds a run's place until the run has ended or the process stops.
    fn hold_to_the_end(&self, id: TaskId, place: Hold) {
        let mut events = self.hub.read(id, 0);
        drop(self.scope.spawn(|cancel| async move {
            let ended = async {
                loop {
                    match events.next().await {
                        Ok(Some(event)) if !event.event.is_terminal() => {}
                        Ok(_) => return,
                        Err(error) => {
                            tracing::warn!(task.id = %id, "the place of {id} is free before its end: {error}");
                            return;
                        }
                    }
                }
            };
            tokio::select! {
                () = ended => {}
                () = cancel.cancelled() => {}
            }
            drop(place);
        }));
    }

    /// Waits for its turn in a session that others use, too.
    async fn start_in_turn(self: &Arc<Self>, new: NewTask) -> Result<EventReader, Error> {
        let (id, due) = (new.id, new.due());
        let (principal, session) = (new.principal.clone(), new.turn.session.clone());
        match self.noted(self.store.submit(new).await.await)? {
            Submitted::Created { is_head, session: _ } => {
                self.tell(id, &principal.id, &session, StateName::Queued, 0);
                let reader = self.hub.read(id, 0);
                if is_head {
                    self.issue_once(due).await;
                }
                Ok(reader)
            }
            Submitted::Foreign => Err(foreign(&principal, &session)),
            // Without an idempotency key there is nothing to replay.
            Submitted::Replayed { id } | Submitted::KeyReused { id } => Err(Error::KeyReused { task: id }),
        }
    }
}

/// The task as the store makes it for [`Begin::Attached`].
fn running_task(new: &NewTask) -> Task {
    Task {
        id: new.id,
        principal: new.principal.clone(),
        session: new.session_id,
        turn: new.turn.clone(),
        lane: new.lane,
        priority: new.priority,
        label: None,
        on_crash: new.on_crash,
        attached: true,
        callback: None,
        attempt: 1,
        failures: 0,
        attempts_max: new.attempts_max,
        crashes: 0,
        progress: 0,
        waits_for: None,
        created_at: new.at,
        started_at: Some(new.at),
        state: TaskState::Running { since: new.at },
    }
}

/// What an event says of the end of its task's run; nothing while the run goes on.
pub fn ended(event: &RunEvent, task: TaskId) -> Option<Result<&Output, Error>> {
    match event {
        RunEvent::Completed { output } => Some(Ok(output)),
        RunEvent::Failed { failure, .. } => Some(Err(Error::Run(failure.clone()))),
        RunEvent::Cancelled { .. } => Some(Err(Error::Cancelled(task))),
        RunEvent::Started { .. }
        | RunEvent::Text { .. }
        | RunEvent::Refusal { .. }
        | RunEvent::Thinking { .. }
        | RunEvent::ToolCall { .. }
        | RunEvent::ToolOutput { .. }
        | RunEvent::ToolResult { .. }
        | RunEvent::Progress { .. }
        | RunEvent::Usage { .. }
        | RunEvent::Switched { .. }
        | RunEvent::Continued { .. }
        | RunEvent::Steered { .. }
        | RunEvent::ApprovalRequested { .. }
        | RunEvent::ApprovalResolved { .. }
        | RunEvent::Retrying { .. } => None,
    }
}

/// Resolves when there is a token and it is cancelled. Cancel-safe.
async fn cancelled(token: Option<&CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}

/// A run with its caller on the line.
pub struct AttachedRun {
    /// The run's task.
    pub id: TaskId,
    /// Its conversation.
    pub session: SessionKey,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Whether the same request had been accepted before (G4).
    pub is_replay: bool,
    /// The attempt that is told of, from 1: what attempts before it have said counts no more.
    pub attempt: u32,
    events: Events,
    /// Until the run has begun: ends the waiting for a turn that does not come any more.
    turn: Option<CancellationToken>,
    /// Ends the waiting where the run itself waits for the next process.
    stop: Option<CancellationToken>,
    guard: Guard,
}

/// What the caller is told.
enum Events {
    /// What happens.
    Live(EventReader),
    /// What it came to, long ago.
    Ended(Option<Arc<Sequenced>>),
}

impl Events {
    async fn next(&mut self) -> Result<Option<Arc<Sequenced>>, Error> {
        match self {
            Self::Live(reader) => Ok(reader.next().await?),
            Self::Ended(end) => Ok(end.take()),
        }
    }

    fn try_next(&mut self) -> Option<Arc<Sequenced>> {
        match self {
            Self::Live(reader) => reader.try_next(),
            Self::Ended(end) => end.take(),
        }
    }
}

impl AttachedRun {
    /// Takes a place out of the pass and holds it until the run has ended, also without its caller (K19).
    pub fn hold(&mut self, pass: &mut Pass) {
        self.guard.place = pass.take_place();
    }

    /// The same with a pass for this run alone.
    #[must_use]
    pub fn holding(mut self, mut pass: Pass) -> Self {
        self.hold(&mut pass);
        self
    }

    /// The next event; nothing after the terminal one. Cancel-safe.
    ///
    /// Errors: the store cannot be read; `Stopping` – the run has not begun and ends with this caller, or,
    /// under a key, goes on in the next process.
    pub async fn next(&mut self) -> Result<Option<Arc<Sequenced>>, Error> {
        let event = loop {
            tokio::select! {
                biased;
                event = self.events.next() => break event?,
                () = cancelled(self.stop.as_ref()) => return Err(Error::Stopping),
                () = cancelled(self.turn.as_ref()) => {
                    if !self.guard.engine.agent.running().has(self.id) && !self.guard.is_taken_up().await {
                        return Err(Error::Stopping);
                    }
                    self.turn = None;
                }
            }
        };
        // A run that waits for an approval runs nowhere, and does not begin again in a process that stops.
        let waits = event.as_ref().is_some_and(|event| matches!(event.event, RunEvent::ApprovalRequested { .. }));
        self.turn = waits.then(|| self.guard.engine.draining.clone());
        if event.as_ref().is_none_or(|event| event.event.is_terminal()) {
            self.guard.ended();
        }
        Ok(event)
    }

    /// An event that is there already.
    pub fn try_next(&mut self) -> Option<Arc<Sequenced>> {
        let event = self.events.try_next()?;
        if event.event.is_terminal() {
            self.guard.ended();
        }
        Some(event)
    }

    /// Waits for the answer, at most as long as a synchronous caller is kept (K18).
    ///
    /// Errors: `Run`, `Cancelled`, and `StillRunning` – then the run goes on as a task.
    pub async fn output(mut self) -> Result<Output, Error> {
        let wait = self.guard.engine.settings.wait_max;
        let Ok(ended) = tokio::time::timeout(wait, self.end()).await else {
            return Err(self.leave(wait).await);
        };
        ended
    }

    async fn end(&mut self) -> Result<Output, Error> {
        while let Some(event) = self.next().await? {
            if let Some(end) = ended(&event.event, self.id) {
                return end.cloned();
            }
        }
        Err(Error::NotFound { what: "task", id: self.id.to_string() })
    }

    /// Hangs up with a promise: the run goes on as a task, and the promise is on disk.
    pub async fn leave(mut self, waited: Duration) -> Error {
        let detached = self.guard.engine.store.detach(self.id).await.await;
        match detached {
            Ok(()) => {
                self.guard.armed = false;
                Error::StillRunning { task: self.id, waited }
            }
            Err(error) => error.into(),
        }
    }
}

/// Ends the run when its caller hangs up.
struct Guard {
    engine: Arc<Engine>,
    id: TaskId,
    armed: bool,
    /// Among its key's answers under way, until the last event.
    place: Option<Hold>,
    _permit: OwnedSemaphorePermit,
}

impl Guard {
    /// Whether another run has heard what was said here and answers it, or has. Else it is cancelled, as by
    /// hanging up. Cancel-safe: dropping the future leaves the same to the hanging up.
    async fn is_taken_up(&self) -> bool {
        let is_over = |error| matches!(error, Error::TakenUp { .. } | Error::Conflict { .. });
        self.armed && self.engine.cancel(self.id, Visibility::All).await.is_err_and(is_over)
    }

    /// Before the caller is told, so that whoever hears the end finds the place free.
    fn ended(&mut self) {
        self.armed = false;
        self.place = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.armed {
            // The run goes on without this caller, and keeps its place.
            if let Some(place) = self.place.take() {
                self.engine.hold_to_the_end(self.id, place);
            }
            return;
        }
        if self.engine.agent.running().stop(self.id, StopReason::CallerGone) {
            return;
        }
        // It still waits for its turn.
        let (engine, id) = (Arc::clone(&self.engine), self.id);
        drop(self.engine.scope.spawn(|_short| async move {
            if let Err(error) = engine.cancel(id, Visibility::All).await {
                tracing::debug!(task.id = %id, "a caller hung up, and {id} could not be cancelled: {error}");
            }
        }));
    }
}

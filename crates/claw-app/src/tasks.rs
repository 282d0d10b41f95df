//! Runs that outlive their caller: submitted durably, watched, cancelled, retried.

use std::sync::Arc;
use std::time::Duration;

use claw_agent::{EventReader, StopReason};
use claw_core::task::{Priority, StateName};
use claw_core::{
    Callback, Lane, OnCrash, Principal, Scope, SessionId, SessionKey, Task, TaskId, Turn, Visibility, WhenBusy,
};
use claw_queue::TicketKind;
use claw_store::{
    Begin, Cancelled, Cursor, DueTicket, Idempotency, NewTask, Page, Retried, RunRecord, Submitted, TaskFilter,
};

use crate::Error;
use crate::engine::Engine;
use crate::limits::{ATTEMPTS_MAX, IDEMPOTENCY_KEY_BYTES_MAX, PAGE_DEFAULT, PAGE_MAX};

/// Tasks.
#[derive(Clone)]
pub struct Tasks(pub(crate) Arc<Engine>);

/// A run to accept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// What is asked.
    pub turn: Turn,
    /// Its tier.
    pub lane: Lane,
    /// Its order in the tier.
    pub priority: Priority,
    /// Whether the run goes by its idempotency key instead of an id of ours (stock clients).
    pub is_labelled: bool,
    /// After a crash.
    pub on_crash: OnCrash,
    /// Attempts that may fail, 1 to 20; 3 unless said otherwise.
    pub attempts_max: Option<u32>,
    /// Not to be started before so much time has passed.
    pub delay: Duration,
    /// Whom to tell when it ended.
    pub callback: Option<Callback>,
    /// Makes the submit idempotent (G4).
    pub idempotency: Option<Idempotency>,
    /// What to do while its conversation is busy.
    pub when_busy: WhenBusy,
}

impl NewRun {
    /// A turn with the usual choices.
    pub fn of(turn: Turn, lane: Lane) -> Self {
        Self {
            turn,
            lane,
            priority: Priority::NORMAL,
            is_labelled: false,
            on_crash: OnCrash::Fail,
            attempts_max: None,
            delay: Duration::ZERO,
            callback: None,
            idempotency: None,
            when_busy: WhenBusy::default(),
        }
    }
}

/// What was accepted; it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The task.
    pub id: TaskId,
    /// What the client calls the run.
    pub run_id: String,
    /// Its conversation.
    pub session: SessionKey,
    /// Whether the same request had been accepted before (`Idempotent-Replayed`).
    pub is_replay: bool,
}

impl Tasks {
    /// Accepts a run; returns once it is on disk (G1).
    ///
    /// Errors: `Invalid`, `Forbidden`, `NotFound` (agent, session), `UnknownModel`, `Limited` (the month's tokens),
    /// `KeyReused`, `DiskFull`, `Stopping`, `Store`.
    pub async fn submit(&self, principal: &Principal, mut new: NewRun) -> Result<Accepted, Error> {
        let engine = &self.0;
        new.turn.session = engine.place(principal, &new.turn.session).await?;
        engine.check(principal, &new.turn).await?;
        if let Some(callback) = &new.callback {
            engine.desk.check(callback).await?;
        }
        engine.afford_new(principal, new.idempotency.as_ref()).await?;
        let when_busy = new.when_busy;
        let task = engine.new_task(principal, new)?;
        self.make_way(principal, &task.turn.session, when_busy).await?;
        let (id, due, label) = (task.id, task.due(), task.label.clone());
        let session = task.turn.session.clone();
        let accepted = |id: TaskId, is_replay| {
            let run_id = label.clone().unwrap_or_else(|| id.as_run());
            Accepted { id, run_id, session: session.clone(), is_replay }
        };
        match engine.noted(engine.store.submit(task).await.await)? {
            Submitted::Created { is_head, session: _ } => {
                engine.tell(id, &principal.id, &session, StateName::Queued, 0);
                if is_head {
                    engine.issue_once(due).await;
                }
                Ok(accepted(id, false))
            }
            Submitted::Replayed { id } => Ok(accepted(id, true)),
            Submitted::KeyReused { id } => Err(Error::KeyReused { task: id }),
            Submitted::Foreign => Err(foreign(principal, &session)),
        }
    }

    /// Finds a task by `task_…`, `run_…` or the client's own run id.
    pub async fn find(&self, principal: &Principal, reference: &str) -> Result<Task, Error> {
        let absent = || Error::NotFound { what: "task", id: reference.chars().take(80).collect() };
        let id = match TaskId::from_either(reference) {
            Ok(id) => id,
            Err(_) => self.0.store.task_by_key(&principal.id, reference).await?.ok_or_else(absent)?,
        };
        self.0.store.settled().await?;
        self.0.store.task(id, &principal.visibility()).await?.ok_or_else(absent)
    }

    /// One page, newest first; at most 200, 50 unless said otherwise.
    pub async fn list(
        &self,
        principal: &Principal,
        filter: TaskFilter,
        from: Option<Cursor>,
        limit: Option<u32>,
    ) -> Result<Page<Task>, Error> {
        let limit = page_size(limit)?;
        // Runs of callers on the line are written behind.
        self.0.store.settled().await?;
        Ok(self.0.store.tasks(filter, &principal.visibility(), from, limit).await?)
    }

    /// The attempts of a task.
    pub async fn runs(&self, id: TaskId) -> Result<Vec<RunRecord>, Error> {
        Ok(self.0.store.runs(id).await?)
    }

    /// Reads the events above number `after` of a task that [`Tasks::find`] found.
    pub fn read(&self, id: TaskId, after: u64) -> EventReader {
        self.0.hub.read(id, after)
    }

    /// Waits until the task has ended; nothing when it has not within `wait`. Cancel-safe.
    pub async fn wait(&self, id: TaskId, wait: Duration) -> Result<Option<Task>, Error> {
        let mut reader = self.read(id, 0);
        let ended = async {
            while reader.next().await?.is_some() {}
            Ok::<(), Error>(())
        };
        match tokio::time::timeout(wait, ended).await {
            Ok(read) => read?,
            Err(_) => return Ok(None),
        }
        self.0.store.settled().await?;
        Ok(self.0.store.task(id, &Visibility::All).await?)
    }

    /// Cancels a waiting or running task; returns it as it stands after that.
    ///
    /// Errors: `NotFound`, `Conflict` (it has ended), `TakenUp` (a run is about to answer it), `Forbidden`.
    pub async fn cancel(&self, principal: &Principal, reference: &str) -> Result<Task, Error> {
        require(principal, Scope::Write)?;
        let task = self.find(principal, reference).await?;
        if task.state.name().is_terminal() {
            return Err(Error::Conflict { task: task.id, state: task.state.name(), verb: "cancelled" });
        }
        self.0.cancel(task.id, principal.visibility()).await?;
        self.find(principal, reference).await
    }

    /// Makes a failed or cancelled task wait again, with fresh attempts.
    ///
    /// Errors: `NotFound`, `Conflict` (it has not failed), `Forbidden`, `Limited` (the month's tokens).
    pub async fn retry(&self, principal: &Principal, reference: &str) -> Result<Task, Error> {
        require(principal, Scope::Write)?;
        let task = self.find(principal, reference).await?;
        self.0.afford(principal).await?;
        let at = self.0.clock.now();
        match self.0.noted(self.0.store.retry(task.id, principal.visibility(), at).await.await)? {
            Retried::Queued { ticket } => {
                self.0.tell(task.id, &task.principal.id, &task.turn.session, StateName::Queued, task.attempt);
                if let Some(due) = ticket {
                    self.0.issue(due).await;
                }
            }
            Retried::NotEnded(state) => return Err(Error::Conflict { task: task.id, state, verb: "retried" }),
            Retried::Gone => return Err(Error::NotFound { what: "session of task", id: reference.to_owned() }),
            Retried::Absent => return Err(Error::NotFound { what: "task", id: reference.to_owned() }),
        }
        self.find(principal, reference).await
    }

    /// Does with a busy session what a new run in it wants.
    pub(crate) async fn make_way(
        &self,
        principal: &Principal,
        key: &SessionKey,
        when_busy: WhenBusy,
    ) -> Result<(), Error> {
        match when_busy {
            WhenBusy::Follow | WhenBusy::Steer => Ok(()),
            WhenBusy::Interrupt => self.abort_session(principal, key).await.map(drop),
            WhenBusy::Reject => self.require_idle(principal, key).await,
        }
    }

    /// Errors: `SessionBusy` with what runs or waits in the session.
    async fn require_idle(&self, principal: &Principal, key: &SessionKey) -> Result<(), Error> {
        let runs: Vec<String> = self.open(principal, key).await?.iter().map(Task::run_id).collect();
        if runs.is_empty() { Ok(()) } else { Err(Error::SessionBusy { key: key.clone(), verb: "asked now", runs }) }
    }

    /// What runs or waits in a session; at most a page of each.
    async fn open(&self, principal: &Principal, key: &SessionKey) -> Result<Vec<Task>, Error> {
        let visibility = principal.visibility();
        self.0.store.settled().await?;
        let Some(session) = self.0.store.session(&self.0.place(principal, key).await?, &visibility).await? else {
            return Ok(Vec::new());
        };
        let mut open = Vec::new();
        for state in [StateName::Queued, StateName::Running] {
            let filter = TaskFilter { state: Some(state), session: Some(session.id), since: None };
            open.extend(self.0.store.tasks(filter, &visibility, None, PAGE_MAX).await?.items);
        }
        Ok(open)
    }

    /// Stops what runs or waits in a session; returns the run ids that were stopped.
    ///
    /// Errors: `Forbidden`; an unknown session has nothing to stop.
    pub async fn abort_session(&self, principal: &Principal, key: &SessionKey) -> Result<Vec<String>, Error> {
        require(principal, Scope::Write)?;
        let (mut stopped, mut taken_up) = (Vec::new(), Vec::new());
        for task in self.open(principal, key).await? {
            match self.0.cancel(task.id, principal.visibility()).await {
                Ok(()) => stopped.push(task.run_id()),
                // The run that took it up comes later in this list; after that it can be cancelled.
                Err(Error::TakenUp { .. }) => taken_up.push(task),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for task in taken_up {
            match self.0.cancel(task.id, principal.visibility()).await {
                Ok(()) => stopped.push(task.run_id()),
                Err(Error::TakenUp { .. } | Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(stopped)
    }
}

impl Tasks {
    /// Attempts of a task that names no number.
    pub fn attempts_default(&self) -> u32 {
        self.0.attempts_default()
    }
}

impl Engine {
    fn new_task(&self, principal: &Principal, new: NewRun) -> Result<NewTask, Error> {
        let NewRun {
            turn,
            lane,
            priority,
            is_labelled,
            on_crash,
            attempts_max,
            delay,
            callback,
            idempotency,
            when_busy,
        } = new;
        let attempts_max = attempts_max.unwrap_or_else(|| self.attempts_default());
        if !(1..=ATTEMPTS_MAX).contains(&attempts_max) {
            return Err(Error::invalid("maxAttempts", format!("must be 1 to {ATTEMPTS_MAX}, found {attempts_max}")));
        }
        if let Some(Idempotency { key, .. }) = &idempotency
            && !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
        {
            let problem = format!("must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes, found {}", key.len());
            return Err(Error::invalid("idempotencyKey", problem));
        }
        let label = idempotency.as_ref().filter(|_| is_labelled).map(|idempotency| idempotency.key.clone());
        let at = self.clock.now();
        let steers = when_busy == WhenBusy::Steer && turn.may_steer();
        Ok(NewTask {
            id: TaskId::new(&*self.ids),
            session_id: SessionId::new(&*self.ids),
            principal: principal.clone(),
            turn,
            lane,
            priority,
            label,
            on_crash,
            attempts_max,
            callback,
            idempotency,
            steers,
            begin: Begin::Queued { not_before: at.plus(delay), attached: false },
            at,
        })
    }

    /// Cancels a waiting task, or tells its worker to stop.
    pub(crate) async fn cancel(&self, id: TaskId, visibility: Visibility) -> Result<(), Error> {
        match self.noted(self.store.cancel(id, visibility, self.clock.now()).await.await)? {
            Cancelled::Done { event, next } => {
                if let Err(error) = self.queue.remove(TicketKind::Run, id.uuid()).await {
                    tracing::debug!(task.id = %id, "the ticket of cancelled {id} stays and will be found stale: {error}");
                }
                self.hub.publish(id, *event);
                self.tell_closed(id).await;
                if let Some(task) = self.store.task(id, &Visibility::All).await? {
                    self.tell(id, &task.principal.id, &task.turn.session, StateName::Cancelled, task.attempt);
                    self.desk.wake(task.callback.is_some(), Some(StateName::Cancelled));
                }
                if let Some(due) = next {
                    self.issue(due).await;
                }
            }
            Cancelled::Asked => {
                self.agent.running().stop(id, StopReason::Cancelled);
            }
            Cancelled::TakenUp { by } => return Err(Error::TakenUp { task: id, by }),
            Cancelled::Ended(state) => return Err(Error::Conflict { task: id, state, verb: "cancelled" }),
            Cancelled::Absent => return Err(Error::NotFound { what: "task", id: id.to_string() }),
        }
        Ok(())
    }
}

/// Why somebody does not speak in another's conversation: only the operator knows that it is there (G13).
pub(crate) fn foreign(principal: &Principal, session: &SessionKey) -> Error {
    match principal.id.is_operator() {
        true => Error::invalid("session", format!("{session} is another's conversation: only its owner speaks in it")),
        false => Error::NotFound { what: "session", id: session.as_str().to_owned() },
    }
}

pub(crate) fn require(principal: &Principal, scope: Scope) -> Result<(), Error> {
    if principal.scopes.allows(scope) { Ok(()) } else { Err(Error::Forbidden(scope.name())) }
}

pub(crate) fn page_size(limit: Option<u32>) -> Result<u32, Error> {
    match limit {
        None => Ok(PAGE_DEFAULT),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(Error::invalid("limit", format!("must be 1 to {PAGE_MAX}, found {limit}"))),
    }
}

/// A new task's own ticket.
pub(crate) trait Due {
    fn due(&self) -> DueTicket;
}

impl Due for NewTask {
    fn due(&self) -> DueTicket {
        let not_before = match self.begin {
            Begin::Queued { not_before, .. } => not_before,
            Begin::Attached => self.at,
        };
        DueTicket { id: self.id, attempt: 0, lane: self.lane, priority: self.priority, not_before }
    }
}

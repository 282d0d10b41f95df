//! A caller's run under an idempotency key (G4).
//!
//! It is a task, on disk before anything else happens, and its callers only watch: whoever hangs
//! up ends nothing, and whoever comes with the same key, at the same time or a day later, is told
//! what came of it.

use std::sync::Arc;

use claw_agent::EventReader;
use claw_core::run::{RunEvent, Sequenced};
use claw_core::task::TaskState;
use claw_core::{Principal, Task, TaskId, Visibility};
use tracing::Instrument as _;

use super::{AttachedRun, Chat, Events, Guard};
use crate::Error;
use crate::engine::Engine;
use crate::limiter::Pass;
use crate::limits::REBUILD_PAGE;
use crate::tasks::{Accepted, NewRun, Tasks};

impl Chat {
    /// Starts a run under its idempotency key, which the same request under the same key does not start again, with the pass that
    /// [`Chat::admit`] gave for it: a run that begins takes its place out of it, one that had begun before gives
    /// back what was counted.
    ///
    /// Whoever hangs up while it is being accepted changes nothing: the run goes on, and keeps its place.
    ///
    /// Errors: those of [`Chat::start`], and `KeyReused`.
    pub async fn start_keyed(&self, principal: &Principal, run: NewRun, pass: Pass) -> Result<AttachedRun, Error> {
        let engine = Arc::clone(&self.0);
        let principal = principal.clone();
        let started = Box::pin(async move { engine.start_keyed(principal, run, pass).await }.in_current_span());
        self.0.scope.spawn(|_short| started).await.unwrap_or(Err(Error::Stopping))
    }

    /// What the last attempt of a task has told, from its beginning.
    pub async fn reread(&self, id: TaskId) -> Result<EventReader, Error> {
        let (_, Begun { after, attempt: _ }) = self.0.last_begun(id).await?;
        Ok(self.0.hub.read(id, after))
    }

    /// Watches a run from the beginning of its last attempt, which may be still to come; whoever hangs up ends
    /// nothing. The task is one that [`Tasks::find`] found.
    ///
    /// Errors: `Overloaded`; the store cannot be read.
    pub async fn rejoin(&self, task: Task) -> Result<AttachedRun, Error> {
        let engine = &self.0;
        let permit = engine.seat()?;
        let (task, Begun { after, attempt }) = engine.last_begun(task.id).await?;
        let events = Events::Live(engine.hub.read(task.id, after));
        let guard = Guard { engine: Arc::clone(engine), id: task.id, armed: false, place: None, _permit: permit };
        let (turn, stop) = (Some(engine.draining.clone()), Some(engine.scope.token()));
        let (session, created_at) = (task.turn.session, task.created_at);
        Ok(AttachedRun { id: task.id, session, created_at, is_replay: true, attempt, events, turn, stop, guard })
    }
}

impl Engine {
    async fn start_keyed(
        self: &Arc<Self>,
        principal: Principal,
        run: NewRun,
        mut pass: Pass,
    ) -> Result<AttachedRun, Error> {
        let permit = self.seat()?;
        let Accepted { id, is_replay, run_id: _, session: _ } = Tasks(Arc::clone(self)).submit(&principal, run).await?;
        let place = if is_replay { None } else { pass.take_place() };
        if is_replay {
            pass.refund();
        }
        // From here on the place is the run's, whatever becomes of its caller.
        let guard = Guard { engine: Arc::clone(self), id, armed: false, place, _permit: permit };
        drop(pass);
        let (task, attempt, events) = self.told(id).await?;
        let (turn, stop) = (Some(self.draining.clone()), Some(self.scope.token()));
        let (session, created_at) = (task.turn.session, task.created_at);
        Ok(AttachedRun { id, session, created_at, is_replay, attempt, events, turn, stop, guard })
    }

    /// A task, the attempt that is told of, and what is told: its end, or what happens until then.
    async fn told(&self, id: TaskId) -> Result<(Task, u32, Events), Error> {
        let task = self.known(id).await?;
        if task.attempt == 0 && end_of(&task).is_none() {
            return Ok((task, 1, Events::Live(self.hub.read(id, 0))));
        }
        let (task, Begun { after, attempt }) = self.last_begun(id).await?;
        let events = match end_of(&task) {
            Some(end) => Events::Ended(Some(Arc::new(end))),
            None => Events::Live(self.hub.read(id, after)),
        };
        Ok((task, attempt, events))
    }

    async fn known(&self, id: TaskId) -> Result<Task, Error> {
        let absent = || Error::NotFound { what: "task", id: id.to_string() };
        self.store.task(id, &Visibility::All).await?.ok_or_else(absent)
    }

    /// Where the last attempt of a task begins, and the task as it is then. What attempts before it have said counts
    /// no more, nor does an end after which somebody had it tried again.
    async fn last_begun(&self, id: TaskId) -> Result<(Task, Begun), Error> {
        let (mut seen, mut begun) = (0, Begun { after: 0, attempt: 1 });
        let (mut last_end, mut end_before) = (0, 0);
        loop {
            let page = self.store.events(id, seen, REBUILD_PAGE).await?;
            let Some(last) = page.last() else { break };
            seen = last.seq;
            for Sequenced { seq, event, at: _ } in page {
                if event.is_terminal() {
                    (end_before, last_end) = (last_end, seq);
                } else if let RunEvent::Started { attempt, .. } = event {
                    begun = Begun { after: seq.saturating_sub(1), attempt };
                } else if let RunEvent::Retrying { attempt, .. } = event {
                    begun = Begun { after: seq, attempt: attempt.saturating_add(1) };
                }
            }
        }
        let task = self.known(id).await?;
        let stale = if end_of(&task).is_some() { end_before } else { last_end };
        begun.after = begun.after.max(stale);
        Ok((task, begun))
    }
}

/// Where an attempt begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Begun {
    /// The number behind which its events are.
    after: u64,
    /// Which it is, from 1; perhaps still to come.
    attempt: u32,
}

/// How a task ended, as its last event says it.
fn end_of(task: &Task) -> Option<Sequenced> {
    let (event, at) = match &task.state {
        TaskState::Queued { .. } | TaskState::Running { .. } => return None,
        TaskState::Completed { output, at } => (RunEvent::Completed { output: output.clone() }, *at),
        TaskState::Failed { failure, at } => {
            (RunEvent::Failed { failure: failure.clone(), partial: String::new() }, *at)
        }
        TaskState::Cancelled { at } => (RunEvent::Cancelled { partial: String::new() }, *at),
    };
    Some(Sequenced { seq: 1, at, event })
}

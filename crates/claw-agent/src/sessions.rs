//! Who is running now, and how to stop them.
//!
//! A session's runs go one at a time: the store gives only the first waiting one a ticket and
//! refuses a second running one. What is kept here is the handle by which a run is stopped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use claw_core::{SessionId, TaskId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::executors::Pass;

/// Why a run is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody cancelled it.
    Cancelled,
    /// Its caller hung up, and nobody else was promised anything.
    CallerGone,
    /// The gateway stops.
    Shutdown,
    /// Another worker has the task: nothing may be written any more.
    Fenced,
}

/// The runs of this process.
#[derive(Clone, Default)]
pub struct Running(Arc<Places>);

#[derive(Default)]
struct Places {
    taken: Mutex<HashMap<TaskId, Control>>,
    emptied: Notify,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, HashMap<TaskId, Control>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run's stop handle.
#[derive(Debug, Clone)]
pub struct Control {
    session: Arc<OnceLock<SessionId>>,
    cancel: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Control {
    /// Tells the run to stop; the first reason counts.
    pub fn stop(&self, reason: StopReason) {
        let _first_counts = self.reason.set(reason);
        self.cancel.cancel();
    }

    /// Resolves when the run was told to stop. Cancel-safe.
    pub(crate) async fn stopped(&self) -> StopReason {
        self.cancel.cancelled().await;
        self.reason()
    }

    /// The reason; a token cancelled from above means shutdown.
    pub(crate) fn reason(&self) -> StopReason {
        self.reason.get().copied().unwrap_or(StopReason::Shutdown)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }

    pub(crate) fn joins(&self, session: SessionId) {
        let _only_once = self.session.set(session);
    }
}

impl Running {
    /// Takes a place before the store is asked for the start, so that no stop falls between.
    ///
    /// `cancel` from above means shutdown, or that the lease was lost.
    pub fn enter(&self, id: TaskId, cancel: &CancellationToken) -> Place {
        let control = Control { session: Arc::default(), cancel: cancel.child_token(), reason: Arc::default() };
        self.0.taken().insert(id, control.clone());
        Place { running: self.clone(), id, control, pass: None }
    }

    /// Stops a run; false when it does not run here.
    pub fn stop(&self, id: TaskId, reason: StopReason) -> bool {
        let control = self.0.taken().get(&id).cloned();
        control.inspect(|control| control.stop(reason)).is_some()
    }

    /// Whether it runs here.
    pub fn has(&self, id: TaskId) -> bool {
        self.0.taken().contains_key(&id)
    }

    /// The runs of a session; at most one by construction, but nobody here relies on it.
    pub fn of_session(&self, session: SessionId) -> Vec<TaskId> {
        let running = self.0.taken();
        running.iter().filter(|(_, control)| control.session.get() == Some(&session)).map(|(id, _)| *id).collect()
    }

    /// Resolves when none runs. Cancel-safe.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// How many run.
    pub fn len(&self) -> usize {
        self.0.taken().len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place among the running, given up on drop.
pub struct Place {
    running: Running,
    id: TaskId,
    control: Control,
    pass: Option<Pass>,
}

impl Place {
    /// The same with the leave to go to another gateway.
    #[must_use]
    pub fn with_pass(self, pass: Option<Pass>) -> Self {
        // Written to by its name: a place that is taken apart would be given up.
        let mut place = self;
        place.pass = pass;
        place
    }

    /// That leave, once.
    pub(crate) fn take_pass(&mut self) -> Option<Pass> {
        self.pass.take()
    }

    /// The handle that stops the run.
    pub fn control(&self) -> &Control {
        &self.control
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.running.0.taken();
        taken.remove(&self.id);
        if taken.is_empty() {
            self.running.0.emptied.notify_waiters();
        }
    }
}

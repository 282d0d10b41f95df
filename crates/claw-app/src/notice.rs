//! What changes, as it changes: one bounded broadcast of task states (A25).

use claw_core::task::StateName;
use claw_core::{PrincipalId, SessionKey, TaskId, Timestamp};
use tokio::sync::broadcast;

use crate::limits::NOTICES_MAX;

/// A task changed its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskNotice {
    /// Which.
    pub id: TaskId,
    /// Whose; listeners show it only to those who may see it.
    pub owner: PrincipalId,
    /// Of which conversation.
    pub session: SessionKey,
    /// Where it stands now.
    pub state: StateName,
    /// How often it was started.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
}

/// Tells whoever listens. A listener that is too slow misses the oldest and is told so.
#[derive(Debug, Clone)]
pub(crate) struct Notices(broadcast::Sender<TaskNotice>);

impl Notices {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(NOTICES_MAX))
    }
    pub(crate) fn tell(&self, notice: TaskNotice) {
        let _nobody_listens = self.0.send(notice);
    }
    pub(crate) fn listen(&self) -> broadcast::Receiver<TaskNotice> {
        self.0.subscribe()
    }
}

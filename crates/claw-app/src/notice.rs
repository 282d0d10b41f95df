//! What changes, as it changes: one bounded broadcast of task states (A25), one of sessions (E5).

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

/// Something was done to a session, beside its runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionNotice {
    /// Which.
    pub key: SessionKey,
    /// Whose; listeners show it only to those who may see it.
    pub owner: PrincipalId,
    /// What.
    pub kind: SessionNoticeKind,
    /// When.
    pub at: Timestamp,
}

/// What was done to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionNoticeKind {
    /// It was made, by somebody who asked for it.
    Created,
    /// Its settings changed, or what a model is shown of it.
    Changed,
    /// Its history begins anew.
    Reset,
    /// It is no more.
    Deleted,
    /// Something was said in it by no run.
    Injected,
}

/// Tells whoever listens. A listener that is too slow misses the oldest and is told so.
#[derive(Debug, Clone)]
pub(crate) struct Notices<T>(broadcast::Sender<T>);

impl<T: Clone> Notices<T> {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(NOTICES_MAX))
    }
    pub(crate) fn tell(&self, notice: T) {
        let _nobody_listens = self.0.send(notice);
    }
    /// Whether anybody listens.
    pub(crate) fn are_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }
    pub(crate) fn listen(&self) -> broadcast::Receiver<T> {
        self.0.subscribe()
    }
}

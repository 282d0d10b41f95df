//! Calls that somebody has to allow: what goes in and out, the verbs and their laws.

use async_trait::async_trait;
use claw_core::approval::{Approval, ApprovalState, Decision};
use claw_core::audit::Actor;
use claw_core::run::JournalEntry;
use claw_core::{ApprovalId, SessionKey, TaskId, Timestamp, Visibility};

use crate::{Commit, DueTicket, StoreError};

/// A call that is about to be made because somebody allowed it.
#[derive(Debug, Clone, PartialEq)]
pub struct UseApproval {
    /// Which approval.
    pub id: ApprovalId,
    /// The task that makes the call.
    pub task: TaskId,
    /// Its attempt.
    pub attempt: u32,
    /// Of the plan as it is now.
    pub digest: [u8; 32],
    /// The intent.
    pub entry: JournalEntry,
    /// Now.
    pub at: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalUse {
    /// The intent is journaled and the approval used up: make the call.
    Granted,
    /// It may not be made; the approval's state, now closed.
    Refused(ApprovalState),
    /// The attempt has lost its task.
    Lost,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// It counts.
    Done {
        /// As it stands now.
        approval: Box<Approval>,
        /// Of the task that waited for it.
        ticket: Option<DueTicket>,
    },
    /// It had been decided, or it is too late.
    Decided(Box<Approval>),
    /// There is none.
    Absent,
}

/// The verbs of approvals; the laws of writes are those of [`crate::Store`]. One is asked for by a
/// finish with [`claw_core::task::Outcome::Parked`].
#[async_trait]
pub trait Approvals: Send + Sync {
    /// Decides a question of a task that has not ended, once: the first decision before it runs out wins.
    ///
    /// The task that waits for it is due at once. Questions, decisions and what comes of them are appended to the
    /// audit log as they happen.
    async fn resolve_approval(
        &self,
        id: ApprovalId,
        task: TaskId,
        decision: Decision,
        by: Actor,
        at: Timestamp,
    ) -> Commit<Resolved>;

    /// Uses an allowed approval up and journals the intent, in one step: of all that try, one is granted.
    ///
    /// Another digest voids it, being late lets it expire.
    async fn use_approval(&self, wish: UseApproval) -> Commit<ApprovalUse>;

    /// From now on the task's conversation holds what strangers wrote, until it begins anew.
    /// False when the attempt has lost its task.
    async fn mark_untrusted(&self, task: TaskId, attempt: u32) -> Commit<bool>;

    /// The same for a conversation by its key, as when it is told what was said in such a one.
    async fn mark_session_untrusted(&self, key: SessionKey) -> Commit<()>;

    /// One approval.
    async fn approval(&self, id: ApprovalId, visibility: &Visibility) -> Result<Option<Approval>, StoreError>;

    /// The last ones of all, newest first; with `open_only` those that may still come to something.
    async fn approvals(
        &self,
        open_only: bool,
        visibility: &Visibility,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError>;

    /// Those of a task, oldest first.
    async fn approvals_of(&self, task: TaskId) -> Result<Vec<Approval>, StoreError>;
}

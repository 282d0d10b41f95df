//! The verbs of the truth, with their laws.

use std::sync::Arc;

use async_trait::async_trait;
use claw_core::audit::Entry;
use claw_core::provider::Usage;
use claw_core::run::{JournalEntry, Sequenced, ToolOutcome};
use claw_core::{ApiKeyId, PlanName, PrincipalId, SessionId, SessionKey, Task, TaskId, Timestamp, Visibility};

use crate::{
    ApiKey, Approvals, Audit, Cancelled, Commit, Counts, Cursor, Delivery, DeliveryResult, Devices, DueTicket, Ends,
    Finish, Finished, Memories, ModelUsed, NewSummary, NewTask, Page, PageStart, Provenance, Recovered, Retried,
    Rework, Reworked, RunRecord, Session, SessionChange, SessionChanged, SessionFilter, SessionPage, Started,
    StoreError, StoredMessage, Submitted, TakenUp, TaskFilter, UsageDay,
};

/// What every backend must do; `contract` runs the laws against each.
///
/// Laws of writes: a verb returns once the write has its place in the order of writes (it waits
/// only while the writer's channel is full); the [`Commit`] resolves after fsync. Writes take
/// effect in the order in which their verbs returned, all or nothing each. A refused write
/// changes nothing and harms no other.
#[async_trait]
pub trait Store: Approvals + Audit + Devices + Memories + Provenance + Send + Sync {
    /// Accepts a task: session (made if new), task, idempotency key, in one transaction.
    async fn submit(&self, new: NewTask) -> Commit<Submitted>;

    /// Queued → Running, if the task is still at `attempt` and it is its turn in its session: no other
    /// run of it is on and no task accepted earlier waits (G5). `not_before` is the queue's business.
    ///
    /// Raises the attempt; the first start appends the input to the session's history.
    async fn start(&self, id: TaskId, attempt: u32, at: Timestamp) -> Commit<Started>;

    /// Stores events of a running attempt; `progress` in percent when it changed.
    ///
    /// Resolves to false, storing nothing, when the attempt has lost its task.
    async fn append_events(
        &self,
        id: TaskId,
        attempt: u32,
        events: Vec<Arc<Sequenced>>,
        progress: Option<u8>,
    ) -> Commit<bool>;

    /// Journals that a tool is about to run (G3). False when the attempt has lost its task.
    async fn journal_intent(&self, id: TaskId, attempt: u32, entry: JournalEntry) -> Commit<bool>;

    /// Journals what the tool answered. False when the attempt has lost its task.
    async fn journal_result(&self, id: TaskId, attempt: u32, call_id: String, outcome: ToolOutcome) -> Commit<bool>;

    /// Gives an attempt the words of waiting tasks that steer it: those of `steering` that wait in its
    /// session, were never started, are due by `at` and ask on the same principal's behalf; in that order.
    ///
    /// They wait on, until a completed [`Store::finish`] of this attempt ends them; when it ends in any
    /// other way, they take their own turns. Nothing when the attempt has lost its task.
    async fn take_up(
        &self,
        id: TaskId,
        attempt: u32,
        steering: Vec<TaskId>,
        at: Timestamp,
    ) -> Commit<Option<Vec<TakenUp>>>;

    /// Running → what the outcome says, guarded by the attempt: the first finish wins (G2).
    ///
    /// Adds history, events, usage and – for a task with a callback that ended – the delivery. Where
    /// a cancel was asked for, it outweighs `Retry` and `Yielded`: the task ends as cancelled, with
    /// a terminal event of the store's own.
    ///
    /// `Parked` writes the question and the calls that wait for it, and lets the task wait until it is
    /// decided or has run out; it is no failure. What a task has asked for is void once it ends.
    ///
    /// What a completed attempt took up ends with it, completed with the same answer; a task of them
    /// that no longer waits is left as it is.
    async fn finish(&self, finish: Arc<Finish>) -> Commit<Finished>;

    /// Cancels a waiting task, or records the wish on a running one. A task that a running attempt took
    /// up is refused, unless that attempt is to be cancelled itself.
    async fn cancel(&self, id: TaskId, visibility: Visibility, at: Timestamp) -> Commit<Cancelled>;

    /// Failed | Cancelled → Queued, with fresh attempts, at its old place in its session's order.
    async fn retry(&self, id: TaskId, visibility: Visibility, at: Timestamp) -> Commit<Retried>;

    /// The caller on the line left with a promise (K18): the run is a task like any other now.
    async fn detach(&self, id: TaskId) -> Commit<()>;

    /// Ends or re-queues every running task of a process that died, and ends the waiting ones that
    /// only a caller on its line wanted. Call before any start.
    async fn recover(&self, at: Timestamp) -> Commit<Recovered>;

    /// Forgets idempotency keys accepted before `before`, and ended deliveries.
    async fn expire(&self, before: Timestamp) -> Commit<u64>;

    /// Changes a session's settings, or makes a session with them.
    async fn change_session(&self, change: SessionChange) -> Commit<SessionChanged>;

    /// Does something to a session in which nobody waits or runs; decided against those who do (G5).
    ///
    /// A deleted session is gone at once, its ended tasks stay without their texts; what it held is
    /// erased by [`Store::erase`].
    async fn rework_session(
        &self,
        key: SessionKey,
        visibility: Visibility,
        rework: Rework,
        at: Timestamp,
    ) -> Commit<Reworked>;

    /// Puts a summary in the place of the messages up to [`NewSummary::upto`] that a model is shown, whoever
    /// waits or runs. False where the history has begun anew or is shown from a later message on already.
    async fn summarise(&self, summary: NewSummary) -> Commit<bool>;

    /// Erases a bounded part of what deleted sessions held; false when nothing is left.
    async fn erase(&self) -> Commit<bool>;

    /// Stores a key, and `entry` with it.
    async fn add_api_key(&self, key: ApiKey, entry: Entry) -> Commit<()>;

    /// Revokes a key, and appends `entry`; false when there is none of that id or it was revoked before.
    async fn revoke_api_key(&self, id: ApiKeyId, at: Timestamp, entry: Entry) -> Commit<bool>;

    /// Adds tokens that no run of a task used to the sums of their day.
    async fn add_usage(&self, owner: PrincipalId, usage: Usage, model: Arc<str>, at: Timestamp) -> Commit<()>;

    /// Records an attempt to deliver.
    async fn record_delivery(&self, id: i64, result: DeliveryResult) -> Commit<()>;

    /// Resolves when every write whose verb returned before is on disk or refused.
    async fn settled(&self) -> Result<(), StoreError>;

    /// One task.
    async fn task(&self, id: TaskId, visibility: &Visibility) -> Result<Option<Task>, StoreError>;

    /// The task that `owner` made with this idempotency key.
    async fn task_by_key(&self, owner: &PrincipalId, key: &str) -> Result<Option<TaskId>, StoreError>;

    /// Tasks, newest first.
    async fn tasks(
        &self,
        filter: TaskFilter,
        visibility: &Visibility,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Task>, StoreError>;

    /// The attempts of a task, oldest first.
    async fn runs(&self, id: TaskId) -> Result<Vec<RunRecord>, StoreError>;

    /// Waiting tasks of a session that steer its run, oldest first, at most `limit`.
    async fn steering(&self, session: SessionId, limit: u32) -> Result<Vec<TaskId>, StoreError>;

    /// Stored events with a number above `after`, in order, at most about `limit`.
    async fn events(&self, id: TaskId, after: u64, limit: u32) -> Result<Vec<Sequenced>, StoreError>;

    /// The waiting tasks that are first in their session, oldest first, after `from`; for rebuilding the queue.
    async fn due_tickets(&self, from: Option<Cursor>, limit: u32) -> Result<Page<DueTicket>, StoreError>;

    /// One session by key.
    async fn session(&self, key: &SessionKey, visibility: &Visibility) -> Result<Option<Session>, StoreError>;

    /// One session by id.
    async fn session_by_id(&self, id: SessionId, visibility: &Visibility) -> Result<Option<Session>, StoreError>;

    /// The session of that label; the last changed one where there are several, and whether there are.
    async fn session_by_label(
        &self,
        label: &str,
        visibility: &Visibility,
    ) -> Result<Option<(Session, bool)>, StoreError>;

    /// Sessions, last changed first.
    async fn sessions(
        &self,
        filter: &SessionFilter,
        visibility: &Visibility,
        from: PageStart,
        limit: u32,
    ) -> Result<SessionPage, StoreError>;

    /// The ends of these sessions' histories; sessions without messages are left out.
    async fn ends(&self, sessions: &[SessionKey]) -> Result<Vec<Ends>, StoreError>;

    /// The last `limit` messages since the last reset before message number `before` (all when absent),
    /// oldest first.
    async fn history(
        &self,
        session: SessionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError>;

    /// The last `limit` messages that a model is shown, oldest first.
    async fn context(&self, session: SessionId, limit: u32) -> Result<Vec<StoredMessage>, StoreError>;

    /// What stands for the messages before those of [`Store::context`], where a summary does.
    async fn summary(&self, session: SessionId) -> Result<Option<String>, StoreError>;

    /// What the runs of these sessions used since their last reset, by session and model.
    async fn used_by_model(&self, sessions: &[SessionKey]) -> Result<Vec<ModelUsed>, StoreError>;

    /// What was used from `first` to `last` (days since 1970-01-01, UTC), oldest first.
    async fn usage_days(&self, visibility: &Visibility, first: i64, last: i64) -> Result<Vec<UsageDay>, StoreError>;

    /// How many there are of each.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// How many of each are a tenant's, who is not the operator.
    async fn counts_of(&self, tenant: &PrincipalId) -> Result<Counts, StoreError>;

    /// When the oldest waiting task was accepted.
    async fn oldest_queued(&self) -> Result<Option<Timestamp>, StoreError>;

    /// A key that is not revoked, by the digest of the whole key.
    async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<ApiKey>, StoreError>;

    /// All keys, newest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// The plans of keys that are not revoked, newest first, at most `limit`.
    async fn plans(&self, limit: u32) -> Result<Vec<(ApiKeyId, PlanName)>, StoreError>;

    /// Deliveries due by `now`, at most `limit`.
    async fn due_deliveries(&self, now: Timestamp, limit: u32) -> Result<Vec<Delivery>, StoreError>;

    /// Writes what is pending and closes; later verbs answer [`StoreError::Closed`].
    async fn close(&self);
}

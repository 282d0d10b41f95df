//! The truth on one machine: SQLite, one writer with group commit, several readers.
//!
//! A verb becomes work in its caller's context, waits in a bounded channel, is done with all that
//! waits beside it in one transaction, and resolves after the fsync. Reads never wait for writes.

mod act;
mod approvals;
mod audit;
mod bulk;
mod check;
mod decode;
mod devices;
mod erase;
mod fault;
mod flush;
mod load;
mod memories;
mod open;
mod pieces;
mod provenance;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use claw_core::audit::Entry;
use claw_core::provider::Usage;
use claw_core::run::{JournalEntry, Sequenced, ToolOutcome};
use claw_core::{ApiKeyId, PlanName, PrincipalId, SessionId, SessionKey, Task, TaskId, Timestamp, Visibility};
use claw_runtime::TaskScope;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::sync::{Semaphore, mpsc};

pub use audit::{append_beside, base_beside, check_beside, prune_beside};
pub use check::check;
pub use open::Settings;

use crate::limits::{KIBIBYTES_WAITING_MAX, WRITES_WAITING_MAX};
use crate::verbs::{
    AddUsage, AppendEvents, Cancel, ChangeSession, Detach, FinishRun, JournalIntent, JournalResult, Retry,
    ReworkSession, Start, Submit, Summarise, TakeUp, Verb, work,
};
use crate::{
    ApiKey, Cancelled, Commit, Counts, Cursor, Delivery, DeliveryResult, DueTicket, Ends, Finish, Finished, ModelUsed,
    NewSummary, NewTask, Page, PageStart, Recovered, Retried, Rework, Reworked, RunRecord, Session, SessionChange,
    SessionChanged, SessionFilter, SessionPage, Started, Store, StoreError, StoredMessage, Submitted, TakenUp,
    TaskFilter, UsageDay,
};
use act::{Act, Slot};
use read::Reader;
use writer::{Request, Writer};

/// The truth in one SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    requests: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    /// How many writes are on their way.
    outstanding: Arc<AtomicUsize>,
    reader: Reader,
}

impl SqliteStore {
    /// Opens or makes the database; the writer runs in `scope`.
    ///
    /// When `scope` is cancelled the writer does what waits and closes, so give it a scope that
    /// outlives those whose last words have to be written.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] damaged or not ours, [`StoreError::TooNew`] by a later version – the
    /// file is unchanged in both; [`StoreError::Full`], [`StoreError::Unavailable`] otherwise.
    pub async fn open(settings: Settings, scope: &TaskScope) -> Result<Self, StoreError> {
        let (opened, connection) = open::open(&settings).await?;
        let pool = SqlitePoolOptions::new()
            .min_connections(0)
            .max_connections(settings.readers.max(1))
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(opened.reading.clone());
        let (requests, inbox) = mpsc::channel(WRITES_WAITING_MAX);
        let room = Arc::new(Semaphore::new(KIBIBYTES_WAITING_MAX as usize));
        let outstanding = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(opened, connection, inbox, outstanding.clone());
        drop(scope.spawn(|cancel| writer.run(async move { cancel.cancelled().await })));
        Ok(Self { requests, room, outstanding, reader: Reader::new(pool) })
    }

    /// Gives a verb its place in the order of writes.
    async fn put<V: Verb>(&self, verb: Result<V, StoreError>) -> Commit<V::Answer> {
        let verb = match verb {
            Ok(verb) => verb,
            Err(error) => return Commit::refused(error),
        };
        let kibibytes = u32::try_from(verb.bytes() / 1024).unwrap_or(u32::MAX).min(KIBIBYTES_WAITING_MAX);
        let Ok(room) = self.room.clone().acquire_many_owned(kibibytes).await else {
            return Commit::refused(StoreError::Closed);
        };
        let (work, commit) = work(verb);
        if self.send(Request::Work(work, room)).await { commit } else { Commit::refused(StoreError::Closed) }
    }

    async fn act<T>(&self, act: impl FnOnce(Slot<T>) -> Act) -> Commit<T> {
        let (slot, commit) = Slot::pair();
        if self.send(Request::Act(act(slot))).await { commit } else { Commit::refused(StoreError::Closed) }
    }

    /// Hands a write to the writer; false when it has closed. Cancel-safe: not sent is not counted.
    async fn send(&self, request: Request) -> bool {
        let Ok(place) = self.requests.reserve().await else { return false };
        self.outstanding.fetch_add(1, Ordering::SeqCst);
        place.send(request);
        true
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn submit(&self, new: NewTask) -> Commit<Submitted> {
        self.put(Submit::prepare(new)).await
    }
    async fn start(&self, id: TaskId, attempt: u32, at: Timestamp) -> Commit<Started> {
        self.put(Ok(Start { id, attempt, at })).await
    }
    async fn append_events(
        &self,
        id: TaskId,
        attempt: u32,
        events: Vec<Arc<Sequenced>>,
        progress: Option<u8>,
    ) -> Commit<bool> {
        self.put(AppendEvents::prepare(id, attempt, &events, progress)).await
    }
    async fn journal_intent(&self, id: TaskId, attempt: u32, entry: JournalEntry) -> Commit<bool> {
        self.put(Ok(JournalIntent { id, attempt, entry })).await
    }
    async fn journal_result(&self, id: TaskId, attempt: u32, call_id: String, outcome: ToolOutcome) -> Commit<bool> {
        self.put(Ok(JournalResult { id, attempt, call_id, outcome })).await
    }
    async fn take_up(
        &self,
        id: TaskId,
        attempt: u32,
        steering: Vec<TaskId>,
        at: Timestamp,
    ) -> Commit<Option<Vec<TakenUp>>> {
        self.put(Ok(TakeUp { id, attempt, steering, at })).await
    }
    async fn finish(&self, finish: Arc<Finish>) -> Commit<Finished> {
        self.put(FinishRun::prepare(finish)).await
    }
    async fn cancel(&self, id: TaskId, visibility: Visibility, at: Timestamp) -> Commit<Cancelled> {
        self.put(Ok(Cancel { id, visibility, at })).await
    }
    async fn retry(&self, id: TaskId, visibility: Visibility, at: Timestamp) -> Commit<Retried> {
        self.put(Ok(Retry { id, visibility, at })).await
    }
    async fn detach(&self, id: TaskId) -> Commit<()> {
        self.put(Ok(Detach { id })).await
    }
    async fn recover(&self, at: Timestamp) -> Commit<Recovered> {
        self.act(|told| Act::Recover { at, told }).await
    }
    async fn expire(&self, before: Timestamp) -> Commit<u64> {
        self.act(|told| Act::Expire { before, told }).await
    }
    async fn change_session(&self, change: SessionChange) -> Commit<SessionChanged> {
        self.put(Ok(ChangeSession(change))).await
    }
    async fn rework_session(
        &self,
        key: SessionKey,
        visibility: Visibility,
        rework: Rework,
        at: Timestamp,
    ) -> Commit<Reworked> {
        self.put(ReworkSession::prepare(key, visibility, rework, at)).await
    }
    async fn summarise(&self, summary: NewSummary) -> Commit<bool> {
        self.put(Ok(Summarise(summary))).await
    }
    async fn erase(&self) -> Commit<bool> {
        self.act(|told| Act::Erase { told }).await
    }
    async fn add_api_key(&self, key: ApiKey, entry: Entry) -> Commit<()> {
        self.act(|told| Act::AddApiKey { key, entry, told }).await
    }
    async fn revoke_api_key(&self, id: ApiKeyId, at: Timestamp, entry: Entry) -> Commit<bool> {
        self.act(|told| Act::RevokeApiKey { id, at, entry, told }).await
    }
    async fn add_usage(&self, owner: PrincipalId, usage: Usage, model: Arc<str>, at: Timestamp) -> Commit<()> {
        self.put(Ok(AddUsage { owner, usage, model, at })).await
    }
    async fn record_delivery(&self, id: i64, result: DeliveryResult) -> Commit<()> {
        self.act(|told| Act::RecordDelivery { id, result, told }).await
    }
    async fn settled(&self) -> Result<(), StoreError> {
        if self.requests.is_closed() {
            return Err(StoreError::Closed);
        }
        if self.outstanding.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        let (committer, commit) = Commit::pair();
        self.requests.send(Request::Settled(committer)).await.map_err(|_| StoreError::Closed)?;
        commit.await
    }

    async fn task(&self, id: TaskId, visibility: &Visibility) -> Result<Option<Task>, StoreError> {
        Ok(self.reader.task(id, visibility).await?)
    }
    async fn task_by_key(&self, owner: &PrincipalId, key: &str) -> Result<Option<TaskId>, StoreError> {
        Ok(self.reader.task_by_key(owner, key).await?)
    }
    async fn tasks(
        &self,
        filter: TaskFilter,
        visibility: &Visibility,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Task>, StoreError> {
        Ok(self.reader.tasks(&filter, visibility, from, limit).await?)
    }
    async fn runs(&self, id: TaskId) -> Result<Vec<RunRecord>, StoreError> {
        Ok(self.reader.runs(id).await?)
    }
    async fn steering(&self, session: SessionId, limit: u32) -> Result<Vec<TaskId>, StoreError> {
        Ok(self.reader.steering(session, limit).await?)
    }
    async fn events(&self, id: TaskId, after: u64, limit: u32) -> Result<Vec<Sequenced>, StoreError> {
        Ok(self.reader.events(id, after, limit).await?)
    }
    async fn due_tickets(&self, from: Option<Cursor>, limit: u32) -> Result<Page<DueTicket>, StoreError> {
        Ok(self.reader.due_tickets(from, limit).await?)
    }
    async fn session(&self, key: &SessionKey, visibility: &Visibility) -> Result<Option<Session>, StoreError> {
        Ok(self.reader.session(key, visibility).await?)
    }
    async fn session_by_id(&self, id: SessionId, visibility: &Visibility) -> Result<Option<Session>, StoreError> {
        Ok(self.reader.session_by_id(id, visibility).await?)
    }
    async fn session_by_label(
        &self,
        label: &str,
        visibility: &Visibility,
    ) -> Result<Option<(Session, bool)>, StoreError> {
        Ok(self.reader.session_by_label(label, visibility).await?)
    }
    async fn sessions(
        &self,
        filter: &SessionFilter,
        visibility: &Visibility,
        from: PageStart,
        limit: u32,
    ) -> Result<SessionPage, StoreError> {
        Ok(self.reader.sessions(filter, visibility, from, limit).await?)
    }
    async fn ends(&self, sessions: &[SessionKey]) -> Result<Vec<Ends>, StoreError> {
        Ok(self.reader.ends(sessions).await?)
    }
    async fn context(&self, session: SessionId, limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        Ok(self.reader.context(session, limit).await?)
    }
    async fn summary(&self, session: SessionId) -> Result<Option<String>, StoreError> {
        Ok(self.reader.summary(session).await?)
    }
    async fn used_by_model(&self, sessions: &[SessionKey]) -> Result<Vec<ModelUsed>, StoreError> {
        Ok(self.reader.used_by_model(sessions).await?)
    }
    async fn usage_days(&self, visibility: &Visibility, first: i64, last: i64) -> Result<Vec<UsageDay>, StoreError> {
        Ok(self.reader.usage_days(visibility, first, last).await?)
    }
    async fn history(
        &self,
        session: SessionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        Ok(self.reader.history(session, before, limit).await?)
    }
    async fn counts(&self) -> Result<Counts, StoreError> {
        Ok(self.reader.counts().await?)
    }
    async fn counts_of(&self, tenant: &PrincipalId) -> Result<Counts, StoreError> {
        Ok(self.reader.counts_of(tenant).await?)
    }
    async fn oldest_queued(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.reader.oldest_queued().await?)
    }
    async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.reader.api_key(digest).await?)
    }
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        Ok(self.reader.api_keys().await?)
    }
    async fn plans(&self, limit: u32) -> Result<Vec<(ApiKeyId, PlanName)>, StoreError> {
        Ok(self.reader.plans(limit).await?)
    }
    async fn due_deliveries(&self, now: Timestamp, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        Ok(self.reader.due_deliveries(now, limit).await?)
    }

    async fn close(&self) {
        self.reader.close().await;
        let (committer, commit) = Commit::pair();
        if self.requests.send(Request::Close(committer)).await.is_ok() {
            let _closed_either_way = commit.await;
        }
    }
}

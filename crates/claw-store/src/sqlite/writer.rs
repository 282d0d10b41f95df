//! The one writer: takes what waits, does it in one transaction, commits once, tells everybody.
//!
//! While a commit is on its way to the disk the next batch gathers by itself, so nobody ever
//! waits for a batch to fill; only writes that keep nobody linger for company. A commit that failed is never taken for one: its writes are
//! refused, memory forgets what they did, and the next batch starts from what is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout_at};

use super::act::Act;
use super::fault::Fault;
use super::flush::{Flush, prepare};
use super::load::{Load, totals};
use super::open::Opened;
use crate::limits::{BATCH_MAX, LINGER, LOG_PAGES_MAX};
use crate::unit::{Unit, Wanted};
use crate::verbs::Work;
use crate::{Committer, StoreError};

/// What the writer is asked for.
pub(super) enum Request {
    /// A verb, with its share of the bytes that may wait.
    Work(Box<dyn Work>, OwnedSemaphorePermit),
    /// A rare write.
    Act(Act),
    /// Nothing but an answer once everything before is done.
    Settled(Committer<()>),
    /// An answer once everything before is done and the database closed.
    Close(Committer<()>),
}

/// Owns the writing connection.
pub(super) struct Writer {
    opened: Opened,
    inbox: mpsc::Receiver<Request>,
    /// Writes that were sent and not answered.
    outstanding: Arc<AtomicUsize>,
    load: Load,
    flush: Flush,
    /// Absent after it broke; the next batch connects again.
    connection: Option<SqliteConnection>,
    /// Absent after a failure; the next batch reads the totals again.
    unit: Option<Unit>,
    in_transaction: bool,
    log: LogWatch,
}

/// Looks now and then how long the write-ahead log is.
#[derive(Debug, Default)]
struct LogWatch {
    commits: u32,
}

/// So many commits pass between two looks at the log's length.
const LOOK_EVERY_COMMITS: u32 = 16;

impl Writer {
    pub(super) fn new(
        opened: Opened,
        connection: SqliteConnection,
        inbox: mpsc::Receiver<Request>,
        outstanding: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            opened,
            inbox,
            outstanding,
            load: Load::new(),
            flush: Flush::new(),
            connection: Some(connection),
            unit: None,
            in_transaction: false,
            log: LogWatch::default(),
        }
    }

    /// Writes until nobody can ask any more, or `stop` resolves and nothing waits any more.
    pub(super) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut requests = Vec::with_capacity(BATCH_MAX);
        let mut closers = Vec::new();
        loop {
            let taken = tokio::select! {
                taken = self.inbox.recv_many(&mut requests, BATCH_MAX) => taken,
                () = &mut stop, if !self.inbox.is_closed() => {
                    self.inbox.close();
                    continue;
                }
            };
            if taken == 0 {
                break;
            }
            self.linger(&mut requests).await;
            self.serve(&mut requests, &mut closers).await;
            if !closers.is_empty() {
                self.inbox.close();
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database was not closed cleanly: {error}");
        }
        for closer in closers {
            closer.resolve(Ok(()));
        }
    }

    /// Gathers more for a moment, as long as nobody is kept by what was taken.
    async fn linger(&mut self, requests: &mut Vec<Request>) {
        let until = Instant::now() + LINGER;
        let mut seen = 0;
        while requests.len() < BATCH_MAX && requests.iter().skip(seen).all(|request| self.is_patient(request)) {
            seen = requests.len();
            let more = self.inbox.recv_many(requests, BATCH_MAX - seen);
            if timeout_at(until, more).await.is_err() || requests.len() == seen {
                return;
            }
        }
    }

    fn is_patient(&self, request: &Request) -> bool {
        match (request, &self.unit) {
            (Request::Work(work, _), Some(unit)) => work.is_patient(unit),
            (Request::Work(..) | Request::Act(_) | Request::Settled(_) | Request::Close(_), _) => false,
        }
    }

    async fn serve(&mut self, requests: &mut Vec<Request>, closers: &mut Vec<Committer<()>>) {
        let mut writes = Vec::with_capacity(requests.len());
        let mut settled = Vec::new();
        for request in requests.drain(..) {
            match request {
                Request::Work(work, room) => writes.push(Write::Work(work, room)),
                Request::Act(act) => writes.push(Write::Act(act)),
                Request::Settled(committer) => settled.push(committer),
                Request::Close(committer) => closers.push(committer),
            }
        }
        if !writes.is_empty() {
            let answered = writes.len();
            self.write(writes).await;
            self.outstanding.fetch_sub(answered, Ordering::SeqCst);
        }
        for committer in settled {
            committer.resolve(Ok(()));
        }
        self.watch_log().await;
    }

    /// One transaction for all; when one write is to blame for a failure, one for each.
    async fn write(&mut self, mut writes: Vec<Write>) {
        match self.attempt(&mut writes).await {
            Ok(()) => writes.into_iter().for_each(|write| write.resolve(Ok(()))),
            Err(fault) if fault.blames_one && writes.len() > 1 => {
                tracing::warn!(error = %fault.error, "a batch is taken apart: {}", fault.error);
                for write in writes {
                    let mut alone = vec![write];
                    let fate = self.attempt(&mut alone).await.map_err(StoreError::from);
                    alone.into_iter().for_each(|write| write.resolve(fate.clone()));
                }
            }
            Err(fault) => {
                tracing::error!(error = %fault.error, writes = writes.len(), "writes are refused: {}", fault.error);
                writes.into_iter().for_each(|write| write.resolve(Err(fault.error.clone())));
            }
        }
    }

    async fn attempt(&mut self, writes: &mut [Write]) -> Result<(), Fault> {
        let done = self.transact(writes).await;
        if let Err(fault) = &done {
            self.forget(fault.is_disconnected).await;
        }
        done
    }

    async fn transact(&mut self, writes: &mut [Write]) -> Result<(), Fault> {
        for run in writes.chunk_by_mut(|one, next| one.is_work() && next.is_work()) {
            match run {
                [Write::Act(act)] => self.act(act).await?,
                run => self.work(run).await?,
            }
        }
        if self.in_transaction {
            writes.iter().for_each(|write| write.pass(0));
            let (connection, _) = self.ready().await?;
            sqlx::query("COMMIT").execute(connection).await?;
            self.in_transaction = false;
            self.log.commits += 1;
            writes.iter().for_each(|write| write.pass(1));
        }
        Ok(())
    }

    async fn work(&mut self, run: &mut [Write]) -> Result<(), Fault> {
        let mut wanted = Wanted::default();
        run.iter().for_each(|write| write.wants(&mut wanted));
        self.ready().await?;
        let (Some(connection), Some(unit)) = (&mut self.connection, &mut self.unit) else { return Err(unready()) };
        self.load.load(connection, &wanted, unit).await?;
        run.iter_mut().for_each(|write| write.apply(unit));
        if unit.difference.is_empty() {
            unit.written();
            return Ok(());
        }
        self.flush.write(connection, unit, &mut self.in_transaction).await
    }

    async fn act(&mut self, act: &mut Act) -> Result<(), Fault> {
        self.ready().await?;
        let (Some(connection), Some(unit)) = (&mut self.connection, &mut self.unit) else { return Err(unready()) };
        if !self.in_transaction {
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
            self.in_transaction = true;
        }
        act.run(connection, (&self.load, &self.flush), unit).await
    }

    /// The connection and the unit, made again where a failure took them.
    async fn ready(&mut self) -> Result<(&mut SqliteConnection, &mut Unit), Fault> {
        if self.connection.is_none() {
            let mut connection = self.opened.writing.connect().await?;
            prepare(&mut connection).await?;
            self.connection = Some(connection);
        }
        let Some(connection) = &mut self.connection else { return Err(unready()) };
        if self.unit.is_none() {
            self.unit = Some(Unit::new(totals(connection).await?));
        }
        let Some(unit) = &mut self.unit else { return Err(unready()) };
        Ok((connection, unit))
    }

    /// Undoes what the failed transaction did, on disk and in memory.
    async fn forget(&mut self, is_disconnected: bool) {
        self.unit = None;
        let in_transaction = std::mem::take(&mut self.in_transaction);
        let Some(mut connection) = self.connection.take() else { return };
        if is_disconnected {
            return;
        }
        // After some failures SQLite has rolled back by itself and says that there is nothing to do.
        let rolled_back = match in_transaction {
            true => sqlx::query("ROLLBACK").execute(&mut connection).await.map_err(Fault::from),
            false => return self.connection = Some(connection),
        };
        match rolled_back {
            Err(fault) if fault.is_disconnected => {}
            Ok(_) | Err(_) => self.connection = Some(connection),
        }
    }

    /// Copies a long log into the database, after everybody was told.
    async fn watch_log(&mut self) {
        if self.log.commits < LOOK_EVERY_COMMITS {
            return;
        }
        self.log.commits = 0;
        let Some(connection) = &mut self.connection else { return };
        let look = sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(NOOP)");
        let pages = match look.fetch_one(&mut *connection).await {
            Ok((_, pages, copied)) if pages > copied => pages,
            Ok(_) => 0,
            Err(error) => return tracing::warn!(%error, "the log's length is unknown: {error}"),
        };
        if pages < LOG_PAGES_MAX {
            return;
        }
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_all(&mut *connection).await {
            tracing::warn!(%error, "the log could not be copied into the database: {error}");
        }
    }
}

fn unready() -> Fault {
    StoreError::Unavailable("the writer has no connection".into()).into()
}

/// One write of a batch.
enum Write {
    Work(Box<dyn Work>, OwnedSemaphorePermit),
    Act(Act),
}

impl Write {
    fn is_work(&self) -> bool {
        matches!(self, Self::Work(..))
    }
    fn wants(&self, wanted: &mut Wanted) {
        if let Self::Work(work, _) = self {
            work.wants(wanted);
        }
    }
    fn apply(&mut self, unit: &mut Unit) {
        if let Self::Work(work, _) = self {
            work.apply(unit);
        }
    }
    fn pass(&self, moment: usize) {
        if let Self::Work(work, _) = self {
            work.pass(moment);
        }
    }
    fn resolve(self, fate: Result<(), StoreError>) {
        match self {
            Self::Work(work, room) => {
                work.resolve(fate);
                drop(room);
            }
            Self::Act(act) => act.resolve(fate),
        }
    }
}

//! The rare writes, each straight in SQL: recovery, expiry, keys, deliveries, devices.

mod devices;
mod memories;
mod provenance;

use claw_core::audit::Entry;
use claw_core::{ApiKeyId, TaskId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::audit::append;
use super::decode;
use super::erase::erase;
use super::fault::Fault;
use super::flush::Flush;
use super::load::Load;
use crate::limits::{EXPIRED_AT_ONCE, RECOVERED_AT_ONCE};
use crate::unit::{Unit, Wanted};
use crate::verbs::{Found, recover};
use crate::{ApiKey, Commit, Committer, DeliveryResult, Recovered, StoreError};

pub(super) use devices::DeviceAct;
pub(super) use memories::MemoryAct;
pub(super) use provenance::ProvenanceAct;

/// A rare write with somebody waiting.
pub(super) enum Act {
    Recover { at: Timestamp, told: Slot<Recovered> },
    Expire { before: Timestamp, told: Slot<u64> },
    Erase { told: Slot<bool> },
    AddApiKey { key: ApiKey, entry: Entry, told: Slot<()> },
    RevokeApiKey { id: ApiKeyId, at: Timestamp, entry: Entry, told: Slot<bool> },
    RecordDelivery { id: i64, result: DeliveryResult, told: Slot<()> },
    Device(Box<DeviceAct>),
    Memory(Box<MemoryAct>),
    Provenance(ProvenanceAct),
}

/// An answer that is told after the commit.
pub(super) struct Slot<T> {
    answer: Option<T>,
    committer: Committer<T>,
}

impl<T> Slot<T> {
    /// An empty one, and the end to wait at.
    pub(super) fn pair() -> (Self, Commit<T>) {
        let (committer, commit) = Commit::pair();
        (Self { answer: None, committer }, commit)
    }
    fn resolve(self, fate: Result<(), StoreError>) {
        self.committer.resolve(fate.and_then(|()| self.answer.ok_or(StoreError::Closed)));
    }
}

impl Act {
    /// Tells the waiting end.
    pub(super) fn resolve(self, fate: Result<(), StoreError>) {
        match self {
            Self::Recover { told, .. } => told.resolve(fate),
            Self::Expire { told, .. } => told.resolve(fate),
            Self::Erase { told } => told.resolve(fate),
            Self::AddApiKey { told, .. } => told.resolve(fate),
            Self::RevokeApiKey { told, .. } => told.resolve(fate),
            Self::RecordDelivery { told, .. } => told.resolve(fate),
            Self::Device(act) => act.resolve(fate),
            Self::Memory(act) => act.resolve(fate),
            Self::Provenance(act) => act.resolve(fate),
        }
    }

    /// Does it inside the caller's transaction; the unit has nothing left to write.
    pub(super) async fn run(
        &mut self,
        connection: &mut SqliteConnection,
        (load, flush): (&Load, &Flush),
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        match self {
            Self::Recover { at, told } => told.answer = Some(recover_all(connection, load, flush, unit, *at).await?),
            Self::Expire { before, told } => told.answer = Some(expire(connection, *before).await?),
            Self::Erase { told } => told.answer = Some(erase(connection).await?),
            Self::AddApiKey { key, entry, told } => {
                told.answer = Some(add_api_key(connection, key).await?);
                append(connection, std::slice::from_ref(entry)).await?;
            }
            Self::RevokeApiKey { id, at, entry, told } => {
                let is_done = revoke_api_key(connection, *id, *at).await?;
                append_if(is_done, connection, entry).await?;
                told.answer = Some(is_done);
            }
            Self::RecordDelivery { id, result, told } => {
                told.answer = Some(record_delivery(connection, *id, *result).await?);
            }
            Self::Device(act) => act.run(connection).await?,
            Self::Memory(act) => act.run(connection).await?,
            Self::Provenance(act) => act.run(connection).await?,
        }
        Ok(())
    }
}

/// Appends what was done, if it was.
async fn append_if(is_done: bool, connection: &mut SqliteConnection, entry: &Entry) -> Result<(), Fault> {
    if is_done { append(connection, std::slice::from_ref(entry)).await } else { Ok(()) }
}

const RUNNING: &str = "SELECT id FROM tasks WHERE state = 1 ORDER BY n LIMIT ?1";
const WAITED_FOR: &str = "SELECT id FROM tasks WHERE attached = 1 AND state = 0 ORDER BY n LIMIT ?1";
const DIED: &str = "SELECT place, started_at FROM runs WHERE place BETWEEN (?1 << 31) AND ((?1 << 31) | 2147483647) \
                    AND outcome = 'died' ORDER BY place DESC LIMIT ?2";

async fn recover_all(
    connection: &mut SqliteConnection,
    load: &Load,
    flush: &Flush,
    unit: &mut Unit,
    at: Timestamp,
) -> Result<Recovered, Fault> {
    let mut all = Recovered::default();
    for which in [RUNNING, WAITED_FOR] {
        loop {
            let rows = sqlx::query(which).bind(RECOVERED_AT_ONCE).fetch_all(&mut *connection).await?;
            if rows.is_empty() {
                break;
            }
            let mut wanted = Wanted::default();
            for row in &rows {
                let id = TaskId::from_uuid(decode::uuid(row, 0)?);
                wanted.task(id);
                wanted.last_seqs.insert(id);
                wanted.journals.insert(id);
                wanted.approvals.insert(id);
            }
            load.load(connection, &wanted, unit).await?;
            let found = with_history(connection, unit, wanted.tasks.into_keys()).await?;
            let Recovered { requeued, interrupted, poisoned, abandoned, cancelled } = recover(unit, &found, at)?;
            all.requeued += requeued;
            all.interrupted += interrupted;
            all.poisoned += poisoned;
            all.abandoned += abandoned;
            all.cancelled += cancelled;
            flush.write(connection, unit, &mut true).await?;
        }
    }
    Ok(all)
}

/// In accept order, with the attempts that died before.
async fn with_history(
    connection: &mut SqliteConnection,
    unit: &Unit,
    ids: impl Iterator<Item = TaskId>,
) -> Result<Vec<Found>, Fault> {
    let mut rows: Vec<_> = ids.filter_map(|id| unit.task(id)).collect();
    rows.sort_unstable_by_key(|row| row.n);
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let mut died = Vec::new();
        if row.crashes > 0 {
            let runs = sqlx::query(DIED).bind(row.n).bind(row.crashes).fetch_all(&mut *connection).await?;
            for run in runs.iter().rev() {
                let attempt = u32::try_from(decode::number_of_place(run.try_get(0)?)).unwrap_or(u32::MAX);
                died.push((attempt, decode::moment(run, 1)?));
            }
        }
        found.push(Found { id: row.id, died });
    }
    Ok(found)
}

const EXPIRE_KEYS: &str = "DELETE FROM idempotency WHERE (owner, key) IN \
                           (SELECT owner, key FROM idempotency WHERE at < ?1 ORDER BY at LIMIT ?2)";
const EXPIRE_DELIVERIES: &str =
    "DELETE FROM outbox WHERE n IN (SELECT n FROM outbox WHERE state = ?3 AND at < ?1 ORDER BY at LIMIT ?2)";

async fn expire(connection: &mut SqliteConnection, before: Timestamp) -> Result<u64, Fault> {
    let mut all = 0;
    for (statement, state) in [(EXPIRE_KEYS, None), (EXPIRE_DELIVERIES, Some(1)), (EXPIRE_DELIVERIES, Some(2))] {
        loop {
            let mut query = sqlx::query(statement).bind(before.millis()).bind(EXPIRED_AT_ONCE);
            if let Some(state) = state {
                query = query.bind(state);
            }
            let gone = query.execute(&mut *connection).await?.rows_affected();
            all += gone;
            if gone < EXPIRED_AT_ONCE.unsigned_abs() {
                break;
            }
        }
    }
    Ok(all)
}

async fn add_api_key(connection: &mut SqliteConnection, key: &ApiKey) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO api_keys (id, name, digest, scopes, plan, created_at, revoked_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(key.id.uuid().as_bytes().as_slice())
    .bind(&key.name)
    .bind(key.digest.as_slice())
    .bind(i64::from(key.scopes.bits()))
    .bind(key.plan.as_str())
    .bind(key.created_at.millis())
    .bind(key.revoked_at.map(Timestamp::millis))
    .execute(connection)
    .await?;
    Ok(())
}

async fn revoke_api_key(connection: &mut SqliteConnection, id: ApiKeyId, at: Timestamp) -> Result<bool, Fault> {
    let told = sqlx::query("UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")
        .bind(id.uuid().as_bytes().as_slice())
        .bind(at.millis())
        .execute(connection)
        .await?;
    Ok(told.rows_affected() > 0)
}

async fn record_delivery(connection: &mut SqliteConnection, id: i64, result: DeliveryResult) -> Result<(), Fault> {
    let (state, at) = match result {
        DeliveryResult::Delivered => (1, None),
        DeliveryResult::RetryAt(at) => (0, Some(at)),
        DeliveryResult::Dead => (2, None),
    };
    sqlx::query(
        "UPDATE outbox SET attempt = attempt + 1, state = ?2, at = coalesce(?3, at) WHERE n = ?1 AND state = 0",
    )
    .bind(id)
    .bind(state)
    .bind(at.map(Timestamp::millis))
    .execute(connection)
    .await?;
    Ok(())
}

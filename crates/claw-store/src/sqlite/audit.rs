//! The audit log: appended inside the writer's transactions, read and followed beside them.
//!
//! The head is read in the transaction that moves it, so that two processes over one file, the gateway and
//! its command line, continue one chain.

use std::path::Path;

use async_trait::async_trait;
use claw_core::Timestamp;
use claw_core::audit::{Entry, Recorded};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection as _, Row as _};

use super::SqliteStore;
use super::decode;
use super::fault::Fault;
use super::schema;
use crate::audit::{Row, follow};
use crate::limits::{AUDIT_PRUNED_AT_ONCE, BUSY_TIMEOUT, PAGE_ROWS_MAX};
use crate::stored::{FORM, text};
use crate::verbs::AppendAudit;
use crate::{Audit, AuditFilter, Checked, Commit, Cursor, Link, Page, StoreError};

#[async_trait]
impl Audit for SqliteStore {
    async fn append_audit(&self, entries: Vec<Entry>) -> Commit<()> {
        self.put(Ok(AppendAudit { entries })).await
    }
    async fn audit(
        &self,
        filter: &AuditFilter,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Recorded>, StoreError> {
        Ok(self.reader.audit(filter, from, limit).await?)
    }
    async fn audit_head(&self) -> Result<Link, StoreError> {
        Ok(self.reader.audit_head().await?)
    }
    async fn check_audit(&self, from: Link, limit: u32) -> Result<Checked, StoreError> {
        Ok(self.reader.check_audit(from, limit).await?)
    }
}

/// What opens the database of a gateway that may run.
fn beside(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).disable_statement_logging()
}

/// Appends entries to the database at `path`, beside the gateway that may run over it. False where there is no
/// database yet, or it is of an earlier form: then there is no log.
///
/// # Errors
/// [`StoreError`] as for any write.
pub async fn append_beside(path: &Path, entries: &[Entry]) -> Result<bool, StoreError> {
    if !path.exists() {
        return Ok(false);
    }
    let mut connection: SqliteConnection = beside(path).connect().await.map_err(Fault::from)?;
    if !schema::is_current(&mut connection).await? {
        return Ok(false);
    }
    let appended = append_alone(&mut connection, entries).await;
    // What was committed stands, closed cleanly or not.
    let _closed = connection.close().await;
    Ok(appended.map(|()| true)?)
}

async fn append_alone(connection: &mut SqliteConnection, entries: &[Entry]) -> Result<(), Fault> {
    sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    append(connection, entries).await?;
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(())
}

/// Takes away the rows of the log before that moment, beside the gateway that may run over it. The log goes on behind the
/// last of them, whose number and hash stay as its beginning and in the row that says so; how many went, and that last one.
/// Nothing where there is no log, or no row is as old.
///
/// # Errors
/// [`StoreError`] as for any write.
pub async fn prune_beside(path: &Path, before: Timestamp, entry: Entry) -> Result<Option<(u64, Link)>, StoreError> {
    let mut connection: SqliteConnection = beside(path).connect().await.map_err(Fault::from)?;
    if !schema::is_current(&mut connection).await? {
        return Ok(None);
    }
    let pruned = prune(&mut connection, before, entry).await;
    let _closed = connection.close().await;
    Ok(pruned?)
}

/// Behind the last row that is older than all that follow it: a clock that was put back takes nothing newer along.
const OLD: &str = "SELECT n, hash FROM audit WHERE n = coalesce((SELECT min(n) FROM audit WHERE at >= ?1) - 1,                    (SELECT max(n) FROM audit))";

async fn prune(
    connection: &mut SqliteConnection,
    before: Timestamp,
    entry: Entry,
) -> Result<Option<(u64, Link)>, Fault> {
    sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
    let base = base(connection).await?;
    let last = sqlx::query(OLD).bind(before.millis()).fetch_optional(&mut *connection).await?;
    let Some(last) = last else { return Ok(None) };
    let last = Link { n: last.try_get(0)?, hash: decode::digest(last.try_get(1)?)? };
    if last.n <= base.n {
        return Ok(None);
    }
    // First it is said: who dies over it has begun what the row tells.
    let entry = entry.with("rows", (last.n - base.n).to_string()).with_digest("hash", &last.hash);
    append_alone(connection, &[entry]).await?;
    let mut gone = base.n;
    while gone < last.n {
        // Piece by piece: the gateway writes in between.
        gone = last.n.min(gone + AUDIT_PRUNED_AT_ONCE);
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        let moved = "UPDATE audit_base SET (n, hash) = (SELECT n, hash FROM audit WHERE n = ?1)";
        sqlx::query(moved).bind(gone).execute(&mut *connection).await?;
        sqlx::query("DELETE FROM audit WHERE n <= ?1").bind(gone).execute(&mut *connection).await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
    }
    Ok(Some((u64::try_from(last.n - base.n).unwrap_or_default(), last)))
}

/// Where the log begins in the database at `path`: behind what was taken away of it. Nothing where there is no log.
///
/// # Errors
/// [`StoreError`] as for any read.
pub async fn base_beside(path: &Path) -> Result<Option<Link>, StoreError> {
    let mut connection: SqliteConnection = beside(path).read_only(true).connect().await.map_err(Fault::from)?;
    let found = match schema::is_current(&mut connection).await? {
        true => Some(base(&mut connection).await?),
        false => None,
    };
    let _closed = connection.close().await;
    Ok(found)
}

/// Follows the next part of the chain in the database at `path`, beside the gateway that may run over it.
/// Nothing where there is no log.
///
/// # Errors
/// [`StoreError`] as for any read.
pub async fn check_beside(path: &Path, from: Link, limit: u32) -> Result<Option<Checked>, StoreError> {
    let mut connection: SqliteConnection = beside(path).read_only(true).connect().await.map_err(Fault::from)?;
    let checked = match schema::is_current(&mut connection).await? {
        true => Some(check(&mut connection, from, limit).await?),
        false => None,
    };
    let _closed = connection.close().await;
    Ok(checked)
}

const HEAD: &str = "SELECT n, hash FROM audit_head";
const INSERT: &str = "INSERT INTO audit (n, at, kind, actor, door, subject, outcome, details, form, hash) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Appends entries inside the caller's transaction.
pub(super) async fn append(connection: &mut SqliteConnection, entries: &[Entry]) -> Result<(), Fault> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut link = head(connection).await?;
    for entry in entries {
        let Entry { at, kind, actor, subject, outcome, details } = entry;
        let details = text(details)?;
        let texts = [kind.as_str(), &actor.name, actor.door.as_str(), subject, outcome.as_str(), &details];
        let stored = texts.map(|text| text.as_bytes().to_vec());
        let row = Row { n: link.n + 1, at: at.millis(), form: FORM, texts: stored };
        link = Link { n: row.n, hash: row.hash(&link.hash) };
        let mut insert = sqlx::query(INSERT).bind(row.n).bind(row.at);
        for text in texts {
            insert = insert.bind(text);
        }
        insert.bind(row.form).bind(link.hash.as_slice()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Behind what was taken away.
pub(super) async fn base(connection: &mut SqliteConnection) -> Result<Link, Fault> {
    let row = sqlx::query("SELECT n, hash FROM audit_base").fetch_one(connection).await?;
    Ok(Link { n: row.try_get(0)?, hash: decode::digest(row.try_get(1)?)? })
}

pub(super) async fn head(connection: &mut SqliteConnection) -> Result<Link, Fault> {
    let row = sqlx::query(HEAD).fetch_one(connection).await?;
    Ok(Link { n: row.try_get(0)?, hash: decode::digest(row.try_get(1)?)? })
}

/// Texts as bytes: one that is no text any more has to be found, not to fail.
const ROWS: &str = "SELECT n, at, form, CAST(kind AS BLOB), CAST(actor AS BLOB), CAST(door AS BLOB), \
                    CAST(subject AS BLOB), CAST(outcome AS BLOB), CAST(details AS BLOB), hash FROM audit \
                    WHERE n > ?1 ORDER BY n LIMIT ?2";

/// Follows the chain from `from` on, in one look at the database.
pub(super) async fn check(connection: &mut SqliteConnection, from: Link, limit: u32) -> Result<Checked, Fault> {
    let limit = limit.clamp(1, PAGE_ROWS_MAX);
    let mut look = connection.begin().await?;
    let end = head(&mut look).await?;
    let rows = sqlx::query(ROWS).bind(from.n).bind(limit).fetch_all(&mut *look).await?;
    look.rollback().await?;
    let rows: Vec<_> = rows.iter().map(raw).collect::<Result<_, _>>()?;
    Ok(follow(from, &rows, limit, end))
}

fn raw(row: &SqliteRow) -> Result<(Row, Vec<u8>), Fault> {
    let text = |column: usize| row.try_get::<Vec<u8>, _>(column);
    let texts = [text(3)?, text(4)?, text(5)?, text(6)?, text(7)?, text(8)?];
    Ok((Row { n: row.try_get(0)?, at: row.try_get(1)?, form: row.try_get(2)?, texts }, text(9)?))
}

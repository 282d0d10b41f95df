//! The database's form and its history, one step per file in `migrations/`.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, SqliteConnection as Connection};

use super::fault::Fault;
use crate::StoreError;

/// `claw` in ASCII, in the header of every database of ours.
const APPLICATION_ID: i64 = 0x636c_6177;

/// The steps; the first makes schema 1. A step that was released is never changed.
const STEPS: &[&str] = &[
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_devices.sql"),
    include_str!("../../migrations/0003_sessions.sql"),
    include_str!("../../migrations/0004_steering.sql"),
    include_str!("../../migrations/0005_approvals.sql"),
    include_str!("../../migrations/0006_memory.sql"),
    include_str!("../../migrations/0007_pieces.sql"),
    include_str!("../../migrations/0008_provenance.sql"),
    include_str!("../../migrations/0009_audit.sql"),
    include_str!("../../migrations/0010_run_usage.sql"),
    include_str!("../../migrations/0011_plans.sql"),
    include_str!("../../migrations/0012_usage_sums.sql"),
    include_str!("../../migrations/0013_audit_base.sql"),
];

/// The schema that this version writes.
const fn known() -> i64 {
    STEPS.len() as i64
}

/// Whether the database is one of ours, and not from the future.
pub(super) async fn recognise(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let (application, found) = header(connection).await?;
    if application != APPLICATION_ID {
        return Err(StoreError::Corrupt(format!("it belongs to another program (application id {application:#x})")));
    }
    if found > known() {
        return Err(StoreError::TooNew { found, known: known() });
    }
    if found < 1 {
        return Err(StoreError::Corrupt("it has no schema".into()));
    }
    Ok(())
}

/// Whether it is one of ours, and of the form that this version writes.
pub(super) async fn is_current(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    recognise(connection).await?;
    Ok(header(connection).await?.1 == known())
}

/// Takes the steps that are missing, all or none.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let (_, found) = header(connection).await?;
    let missing = usize::try_from(found).ok().and_then(|found| STEPS.get(found..)).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    run(connection, "BEGIN IMMEDIATE".into()).await?;
    let mut taken = Ok(());
    for step in missing {
        taken = run(connection, (*step).to_owned()).await;
        if taken.is_err() {
            break;
        }
    }
    let numbers = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}; COMMIT", known());
    let done = match taken {
        Ok(()) => run(connection, numbers).await,
        Err(error) => Err(error),
    };
    if done.is_err() {
        let _nothing_may_be_open = run(connection, "ROLLBACK".into()).await;
    }
    done
}

async fn header(connection: &mut Connection) -> Result<(i64, i64), StoreError> {
    let mut numbers = [0; 2];
    for (number, pragma) in numbers.iter_mut().zip(["PRAGMA application_id", "PRAGMA user_version"]) {
        let row = sqlx::query(pragma).fetch_one(&mut *connection).await.map_err(Fault::from)?;
        *number = row.try_get(0).map_err(Fault::from)?;
    }
    let [application, version] = numbers;
    Ok((application, version))
}

async fn run(connection: &mut SqliteConnection, statements: String) -> Result<(), StoreError> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(connection).await.map_err(Fault::from)?;
    Ok(())
}

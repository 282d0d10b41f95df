//! Erases what deleted sessions held, a bounded part at a time.
//!
//! Nothing of it can be read any more when this begins, so it may take as many transactions as it
//! needs and be broken off anywhere. The rows of tasks stay, with their counts and their states.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::fault::Fault;
use crate::limits::ERASED_AT_ONCE;

const NEXT: &str = "SELECT n, erased_to FROM deleted_sessions WHERE erased = 0 ORDER BY n LIMIT 1";
const NEXT_TASK: &str = "SELECT n FROM tasks WHERE session = ?1 AND n > ?2 ORDER BY n LIMIT 1";
/// By table: rows whose place belongs to a session or task.
const PLACES: [&str; 4] = [
    "DELETE FROM pieces WHERE rowid IN (SELECT rowid FROM pieces WHERE kind = 1 AND place BETWEEN (?1 << 31) AND \
     ((?1 << 31) | 2147483647) LIMIT ?2)",
    "DELETE FROM messages WHERE place IN (SELECT place FROM messages WHERE place BETWEEN (?1 << 31) AND \
     ((?1 << 31) | 2147483647) LIMIT ?2)",
    "DELETE FROM events WHERE place IN (SELECT place FROM events WHERE place BETWEEN (?1 << 31) AND \
     ((?1 << 31) | 2147483647) LIMIT ?2)",
    "DELETE FROM journal WHERE place IN (SELECT place FROM journal WHERE place BETWEEN (?1 << 31) AND \
     ((?1 << 31) | 2147483647) LIMIT ?2)",
];
/// What a task keeps of its result: tokens and model, or the kind of failure.
const RESULT: &str = "UPDATE tasks SET result = CASE state \
     WHEN 2 THEN json_remove(json_set(result, '$.text', ''), '$.refused_from', '$.reasoned', '$.tool_calls', '$.asides') \
     WHEN 3 THEN json_set(result, '$.message', '') END WHERE n = ?1 AND result IS NOT NULL";
const TURN_PIECES: &str = "DELETE FROM pieces WHERE kind = 0 AND place = ?1";
const APPROVALS: &str = "DELETE FROM approvals WHERE task = ?1";
const RUNS: &str =
    "UPDATE runs SET error = NULL WHERE place BETWEEN (?1 << 31) AND ((?1 << 31) | 2147483647) AND error IS NOT NULL";

/// Erases up to [`ERASED_AT_ONCE`] rows, and says whether there may be more.
pub(super) async fn erase(connection: &mut SqliteConnection) -> Result<bool, Fault> {
    let Some(next) = sqlx::query(NEXT).fetch_optional(&mut *connection).await? else { return Ok(false) };
    let (session, mut erased_to): (i64, i64) = (next.try_get(0)?, next.try_get(1)?);
    let [pieces, messages, events, journal] = PLACES;
    let mut left = ERASED_AT_ONCE;
    for statement in [pieces, messages] {
        left -= places(connection, statement, session, left).await?;
    }
    while left > 0 {
        let task = sqlx::query(NEXT_TASK).bind(session).bind(erased_to).fetch_optional(&mut *connection).await?;
        let Some(task) = task else {
            sqlx::query("UPDATE deleted_sessions SET erased = 1 WHERE n = ?1")
                .bind(session)
                .execute(&mut *connection)
                .await?;
            return Ok(true);
        };
        let task: i64 = task.try_get(0)?;
        left -= 1;
        for statement in [events, journal] {
            left -= places(connection, statement, task, left).await?;
        }
        if left > 0 {
            for statement in [TURN_PIECES, "DELETE FROM inputs WHERE task = ?1", APPROVALS, RESULT, RUNS] {
                sqlx::query(statement).bind(task).execute(&mut *connection).await?;
            }
            erased_to = task;
        }
    }
    sqlx::query("UPDATE deleted_sessions SET erased_to = ?2 WHERE n = ?1")
        .bind(session)
        .bind(erased_to)
        .execute(&mut *connection)
        .await?;
    Ok(true)
}

async fn places(
    connection: &mut SqliteConnection,
    statement: &'static str,
    owner: i64,
    limit: i64,
) -> Result<i64, Fault> {
    let gone = sqlx::query(statement).bind(owner).bind(limit.max(0)).execute(connection).await?.rows_affected();
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

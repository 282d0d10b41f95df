//! Tasks, their attempts, events and tickets.

use claw_core::run::Sequenced;
use claw_core::task::StateName;
use claw_core::{PrincipalId, SessionId, Task, TaskId, Timestamp, Visibility};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Row};

use super::Reader;
use crate::limits::PAGE_ROWS_MAX;
use crate::sqlite::decode;
use crate::sqlite::fault::Fault;
use crate::stored::{lane, priority, state_number, value};
use crate::unit::{PLACE_NUMBER_MAX, place};
use crate::{Counts, Cursor, DueTicket, Page, RunRecord, TaskFilter};

/// Whole tasks; conditions on `t` follow.
fn select_tasks(rest: &str) -> AssertSqlSafe<String> {
    let columns = decode::WHOLE_TASK_COLUMNS;
    AssertSqlSafe(format!(
        "SELECT {columns} FROM tasks t LEFT JOIN sessions s ON s.n = t.session LEFT JOIN inputs i ON i.task = t.n \
         LEFT JOIN deleted_sessions d ON d.n = t.session {rest}"
    ))
}

/// The conditions of a list; numbered parameters: cursor, limit, owner, state, session, since.
///
/// A tenant's list has an index of its own, which leaves the operator out.
pub(in crate::sqlite) fn list_conditions(filter: &TaskFilter, visibility: &Visibility) -> String {
    let mut conditions = String::from("WHERE t.n < ?1");
    if let Visibility::Owner(owner) = visibility {
        conditions.push_str(" AND t.owner = ?3");
        if !owner.is_operator() {
            conditions.push_str(" AND t.owner <> 'operator'");
        }
    }
    if let Some(state) = filter.state {
        conditions.push_str(" AND t.state = ?4");
        if filter.session.is_some() && !state.is_terminal() {
            conditions.push_str(" AND t.state < 2");
        }
    }
    if filter.session.is_some() {
        conditions.push_str(" AND t.session = (SELECT n FROM sessions WHERE id = ?5)");
    }
    if filter.since.is_some() {
        conditions.push_str(" AND t.state_at >= ?6");
    }
    conditions.push_str(" ORDER BY t.n DESC LIMIT ?2");
    conditions
}

impl Reader {
    /// One task.
    pub(in crate::sqlite) async fn task(&self, id: TaskId, visibility: &Visibility) -> Result<Option<Task>, Fault> {
        let row = sqlx::query(select_tasks("WHERE t.id = ?1"))
            .bind(id.uuid().as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        let task = row.as_ref().map(decode::task).transpose()?;
        Ok(task.filter(|task| visibility.sees(&task.principal.id)))
    }

    /// The task made with an idempotency key.
    pub(in crate::sqlite) async fn task_by_key(&self, owner: &PrincipalId, key: &str) -> Result<Option<TaskId>, Fault> {
        let row = sqlx::query(
            "SELECT t.id FROM idempotency k CROSS JOIN tasks t ON t.n = k.task WHERE k.owner = ?1 AND k.key = ?2",
        )
        .bind(owner.as_str())
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| decode::uuid(&row, 0)).transpose()?.map(TaskId::from_uuid))
    }

    /// Tasks, newest first.
    pub(in crate::sqlite) async fn tasks(
        &self,
        filter: &TaskFilter,
        visibility: &Visibility,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Task>, Fault> {
        let owner = match visibility {
            Visibility::All => None,
            Visibility::Owner(owner) => Some(owner.as_str()),
        };
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let mut rows = sqlx::query(select_tasks(&list_conditions(filter, visibility)))
            .bind(from.map_or(i64::MAX, |cursor| cursor.0))
            .bind(i64::from(limit) + 1)
            .bind(owner)
            .bind(filter.state.map(state_number))
            .bind(filter.session.map(|session| session.uuid().as_bytes().to_vec()))
            .bind(filter.since.map(Timestamp::millis))
            .fetch_all(&self.pool)
            .await?;
        let next = cut(&mut rows, limit)?;
        Ok(Page { items: rows.iter().map(decode::task).collect::<Result<_, _>>()?, next })
    }

    /// The attempts of a task, oldest first; the one that runs is in the task.
    pub(in crate::sqlite) async fn runs(&self, id: TaskId) -> Result<Vec<RunRecord>, Fault> {
        let task = sqlx::query("SELECT n, state, attempt, state_at FROM tasks WHERE id = ?1")
            .bind(id.uuid().as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        let Some(task) = task else { return Ok(Vec::new()) };
        let n: i64 = task.try_get(0)?;
        let rows = sqlx::query(
            "SELECT place, started_at, ended_at, outcome, error, model, input_tokens, output_tokens, cached_tokens, \
             cache_write_tokens, reasoning_tokens FROM runs WHERE place BETWEEN ?1 AND ?2 ORDER BY place",
        )
        .bind(place(n, 0)?)
        .bind(place(n, PLACE_NUMBER_MAX)?)
        .fetch_all(&self.pool)
        .await?;
        let mut runs = Vec::with_capacity(rows.len() + 1);
        for row in &rows {
            runs.push(RunRecord {
                attempt: attempt_of_place(row.try_get(0)?),
                started_at: decode::moment(row, 1)?,
                ended_at: Some(decode::moment(row, 2)?),
                outcome: Some(row.try_get(3)?),
                error: row.try_get(4)?,
                model: row.try_get(5)?,
                usage: decode::usage(row, 6)?,
            });
        }
        let attempt: u32 = decode::number(&task, 2, "attempt")?;
        let is_running = task.try_get::<i64, _>(1)? == state_number(StateName::Running);
        // The attempt may have ended between the two reads; then its row tells more.
        if is_running && runs.last().is_none_or(|run| run.attempt < attempt) {
            let started_at = decode::moment(&task, 3)?;
            let usage = claw_core::provider::Usage::default();
            runs.push(RunRecord {
                attempt,
                started_at,
                ended_at: None,
                outcome: None,
                error: None,
                model: None,
                usage,
            });
        }
        Ok(runs)
    }

    /// Stored events above `after`; stops reading once there are enough.
    pub(in crate::sqlite) async fn events(&self, id: TaskId, after: u64, limit: u32) -> Result<Vec<Sequenced>, Fault> {
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let mut events: Vec<Sequenced> = Vec::new();
        let mut pages = sqlx::query(
            "SELECT e.body, e.form FROM tasks t CROSS JOIN events e ON e.place BETWEEN ((t.n << 31) | ?2) AND \
             ((t.n << 31) | 2147483647) WHERE t.id = ?1 AND EXISTS (SELECT 1 FROM sessions s WHERE s.n = t.session) \
             ORDER BY e.place",
        )
        .bind(id.uuid().as_bytes().to_vec())
        .bind(i64::try_from(after.saturating_add(1).min(PLACE_NUMBER_MAX)).unwrap_or(i64::MAX))
        .fetch(&self.pool);
        while let Some(page) = pages.try_next().await? {
            let page: Vec<Sequenced> = value(page.try_get(0)?, page.try_get(1)?, "a page of events")?;
            events.extend(page.into_iter().filter(|event| event.seq > after));
            if events.len() >= limit {
                break;
            }
        }
        drop(pages);
        events.truncate(limit);
        Ok(events)
    }

    /// The waiting tasks of a session that steer, oldest first.
    pub(in crate::sqlite) async fn steering(&self, session: SessionId, limit: u32) -> Result<Vec<TaskId>, Fault> {
        let rows = sqlx::query(STEERING)
            .bind(session.uuid().as_bytes().to_vec())
            .bind(i64::from(limit.clamp(1, PAGE_ROWS_MAX)))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok(TaskId::from_uuid(decode::uuid(row, 0)?))).collect()
    }

    /// The waiting tasks whose turn it is, oldest first.
    pub(in crate::sqlite) async fn due_tickets(
        &self,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<DueTicket>, Fault> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let mut rows = sqlx::query(DUE_TICKETS)
            .bind(from.map_or(0, |cursor| cursor.0))
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.pool)
            .await?;
        let next = cut(&mut rows, limit)?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            items.push(DueTicket {
                id: TaskId::from_uuid(decode::uuid(row, 1)?),
                attempt: decode::number(row, 2, "attempt")?,
                lane: lane(row.try_get(3)?)?,
                priority: priority(row.try_get(4)?)?,
                not_before: decode::moment(row, 5)?,
            });
        }
        Ok(Page { items, next })
    }

    /// How many there are of each.
    pub(in crate::sqlite) async fn counts(&self) -> Result<Counts, Fault> {
        let row = sqlx::query("SELECT queued, running, completed, failed, cancelled, sessions FROM counts");
        decode::counts(&row.fetch_one(&self.pool).await?)
    }

    /// How many of each are a tenant's.
    pub(in crate::sqlite) async fn counts_of(&self, tenant: &PrincipalId) -> Result<Counts, Fault> {
        let row = sqlx::query(TENANT_COUNTS).bind(tenant.as_str());
        decode::counts(&row.fetch_one(&self.pool).await?)
    }

    /// When the oldest waiting task was accepted.
    pub(in crate::sqlite) async fn oldest_queued(&self) -> Result<Option<Timestamp>, Fault> {
        let row = sqlx::query("SELECT created_at FROM tasks WHERE state = 0 ORDER BY n LIMIT 1");
        row.fetch_optional(&self.pool).await?.map(|row| decode::moment(&row, 0)).transpose()
    }
}

/// By the indexes that hold what is not the operator's.
pub(in crate::sqlite) const TENANT_COUNTS: &str = "SELECT \
     (SELECT count(*) FROM tasks WHERE owner = ?1 AND owner <> 'operator' AND state = 0), \
     (SELECT count(*) FROM tasks WHERE owner = ?1 AND owner <> 'operator' AND state = 1), \
     (SELECT count(*) FROM tasks WHERE owner = ?1 AND owner <> 'operator' AND state = 2), \
     (SELECT count(*) FROM tasks WHERE owner = ?1 AND owner <> 'operator' AND state = 3), \
     (SELECT count(*) FROM tasks WHERE owner = ?1 AND owner <> 'operator' AND state = 4), \
     (SELECT count(*) FROM sessions WHERE owner = ?1 AND owner <> 'operator')";

/// Waiting, and marked; their index holds no others.
pub(in crate::sqlite) const STEERING: &str = "SELECT t.id FROM sessions s CROSS JOIN tasks t ON t.session = s.n \
     WHERE s.id = ?1 AND t.steer IS NOT NULL AND t.state = 0 ORDER BY t.n LIMIT ?2";

/// Waiting, nobody before them in their session, nobody running in it.
pub(in crate::sqlite) const DUE_TICKETS: &str = "SELECT t.n, t.id, t.attempt, t.lane, t.priority, t.state_at FROM tasks t WHERE t.state = 0 AND t.n > ?1 \
     AND NOT EXISTS (SELECT 1 FROM tasks e WHERE e.session = t.session AND e.state < 2 AND e.n < t.n) \
     AND NOT EXISTS (SELECT 1 FROM tasks r WHERE r.session = t.session AND r.state = 1) \
     ORDER BY t.n LIMIT ?2";

/// Takes away the row too many that says that there is another page; its cursor is the last kept row's number.
fn cut(rows: &mut Vec<sqlx::sqlite::SqliteRow>, limit: u32) -> Result<Option<Cursor>, Fault> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return Ok(None);
    }
    rows.truncate(limit);
    let last = rows.last().map(|row| row.try_get(0)).transpose()?;
    Ok(last.map(Cursor))
}

fn attempt_of_place(place: i64) -> u32 {
    u32::try_from(decode::number_of_place(place)).unwrap_or(u32::MAX)
}

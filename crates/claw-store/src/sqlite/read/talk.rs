//! Keys and deliveries.

use claw_core::{ApiKeyId, PlanName, TaskId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Reader;
use crate::limits::PAGE_ROWS_MAX;
use crate::sqlite::decode;
use crate::sqlite::fault::Fault;
use crate::stored::{scopes, value};
use crate::{ApiKey, Delivery};

impl Reader {
    /// A key that is not revoked, by its digest.
    pub(in crate::sqlite) async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        let row = sqlx::query(
            "SELECT id, name, digest, scopes, created_at, revoked_at, plan FROM api_keys \
             WHERE digest = ?1 AND revoked_at IS NULL",
        )
        .bind(digest.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(api_key).transpose()
    }

    /// All keys, newest first.
    pub(in crate::sqlite) async fn api_keys(&self) -> Result<Vec<ApiKey>, Fault> {
        let rows = sqlx::query(
            "SELECT id, name, digest, scopes, created_at, revoked_at, plan FROM api_keys ORDER BY n DESC LIMIT ?1",
        );
        rows.bind(PAGE_ROWS_MAX).fetch_all(&self.pool).await?.iter().map(api_key).collect()
    }

    /// The plans of keys that are not revoked, newest first.
    pub(in crate::sqlite) async fn plans(&self, limit: u32) -> Result<Vec<(ApiKeyId, PlanName)>, Fault> {
        let rows = sqlx::query("SELECT id, plan FROM api_keys WHERE revoked_at IS NULL ORDER BY n DESC LIMIT ?1");
        let rows = rows.bind(limit).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| Ok((ApiKeyId::from_uuid(decode::uuid(row, 0)?), PlanName::new(row.try_get(1)?))))
            .collect()
    }

    /// Deliveries due by `now`.
    pub(in crate::sqlite) async fn due_deliveries(&self, now: Timestamp, limit: u32) -> Result<Vec<Delivery>, Fault> {
        let rows = sqlx::query(
            "SELECT o.n, t.id, o.callback, o.form, o.attempt FROM outbox o CROSS JOIN tasks t ON t.n = o.task \
             WHERE o.state = 0 AND o.at <= ?1 ORDER BY o.at LIMIT ?2",
        )
        .bind(now.millis())
        .bind(limit.min(PAGE_ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            due.push(Delivery {
                id: row.try_get(0)?,
                task: TaskId::from_uuid(decode::uuid(row, 1)?),
                callback: value(row.try_get(2)?, row.try_get(3)?, "a callback")?,
                attempt: decode::number(row, 4, "attempt")?,
            });
        }
        Ok(due)
    }
}

fn api_key(row: &SqliteRow) -> Result<ApiKey, Fault> {
    let digest: Vec<u8> = row.try_get(2)?;
    Ok(ApiKey {
        id: ApiKeyId::from_uuid(decode::uuid(row, 0)?),
        name: row.try_get(1)?,
        digest: decode::digest(&digest)?,
        scopes: scopes(row.try_get(3)?)?,
        plan: PlanName::new(row.try_get(6)?),
        created_at: decode::moment(row, 4)?,
        revoked_at: row.try_get::<Option<i64>, _>(5)?.map(Timestamp::from_millis),
    })
}

//! Sessions and their histories, keys and deliveries.

use claw_core::{ApiKeyId, PrincipalId, SessionId, SessionKey, TaskId, Timestamp, Visibility};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::Reader;
use crate::limits::PAGE_ROWS_MAX;
use crate::sqlite::decode;
use crate::sqlite::fault::Fault;
use crate::stored::{scopes, signed, value};
use crate::unit::PLACE_NUMBER_MAX;
use crate::{ApiKey, Cursor, Delivery, Page, Session, StoredMessage};

fn select_sessions(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT {} FROM sessions s {rest}", decode::SESSION_COLUMNS))
}

impl Reader {
    /// One session by key.
    pub(in crate::sqlite) async fn session(
        &self,
        key: &SessionKey,
        visibility: &Visibility,
    ) -> Result<Option<Session>, Fault> {
        let row =
            sqlx::query(select_sessions("WHERE s.key = ?1")).bind(key.as_str()).fetch_optional(&self.pool).await?;
        seen(row, visibility)
    }

    /// One session by id.
    pub(in crate::sqlite) async fn session_by_id(
        &self,
        id: SessionId,
        visibility: &Visibility,
    ) -> Result<Option<Session>, Fault> {
        let row = sqlx::query(select_sessions("WHERE s.id = ?1"))
            .bind(id.uuid().as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        seen(row, visibility)
    }

    /// Sessions, last changed first; the cursor is the number of a change.
    pub(in crate::sqlite) async fn sessions(
        &self,
        visibility: &Visibility,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Session>, Fault> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let (conditions, owner) = match visibility {
            Visibility::All => ("", None),
            Visibility::Owner(owner) if *owner == PrincipalId::operator() => ("AND s.owner = ?3", Some(owner)),
            Visibility::Owner(owner) => ("AND s.owner = ?3 AND s.owner <> 'operator'", Some(owner)),
        };
        let rest = format!("WHERE s.changed < ?1 {conditions} ORDER BY s.changed DESC LIMIT ?2");
        let mut rows = sqlx::query(select_sessions(&rest))
            .bind(from.map_or(i64::MAX, |cursor| cursor.0))
            .bind(i64::from(limit) + 1)
            .bind(owner.map(PrincipalId::as_str))
            .fetch_all(&self.pool)
            .await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|row| row.try_get(7)).transpose()?;
        let next = last.filter(|_| has_more).map(Cursor);
        Ok(Page { items: rows.iter().map(decode::session).collect::<Result<_, _>>()?, next })
    }

    /// The last messages before a number, oldest first.
    pub(in crate::sqlite) async fn history(
        &self,
        session: SessionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, Fault> {
        let last = before.map_or(PLACE_NUMBER_MAX, |before| before.saturating_sub(1).min(PLACE_NUMBER_MAX));
        let rows = sqlx::query(
            "SELECT m.place, m.body, m.form, t.id, m.at FROM sessions s CROSS JOIN messages m \
             ON m.place BETWEEN (s.n << 31) AND ((s.n << 31) | ?2) CROSS JOIN tasks t ON t.n = m.task \
             WHERE s.id = ?1 ORDER BY m.place DESC LIMIT ?3",
        )
        .bind(session.uuid().as_bytes().as_slice())
        .bind(signed(last))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows.iter().rev() {
            messages.push(StoredMessage {
                seq: decode::number_of_place(row.try_get(0)?),
                message: value(row.try_get(1)?, row.try_get(2)?, "a message")?,
                task: TaskId::from_uuid(decode::uuid(row, 3)?),
                at: decode::moment(row, 4)?,
            });
        }
        Ok(messages)
    }

    /// A key that is not revoked, by its digest.
    pub(in crate::sqlite) async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        let row = sqlx::query(
            "SELECT id, name, digest, scopes, created_at, revoked_at FROM api_keys \
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
            "SELECT id, name, digest, scopes, created_at, revoked_at FROM api_keys ORDER BY n DESC LIMIT ?1",
        );
        rows.bind(PAGE_ROWS_MAX).fetch_all(&self.pool).await?.iter().map(api_key).collect()
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

fn seen(row: Option<SqliteRow>, visibility: &Visibility) -> Result<Option<Session>, Fault> {
    let session = row.as_ref().map(decode::session).transpose()?;
    Ok(session.filter(|session| visibility.sees(&session.owner)))
}

fn api_key(row: &SqliteRow) -> Result<ApiKey, Fault> {
    let digest: Vec<u8> = row.try_get(2)?;
    Ok(ApiKey {
        id: ApiKeyId::from_uuid(decode::uuid(row, 0)?),
        name: row.try_get(1)?,
        digest: decode::digest(&digest)?,
        scopes: scopes(row.try_get(3)?)?,
        created_at: decode::moment(row, 4)?,
        revoked_at: row.try_get::<Option<i64>, _>(5)?.map(Timestamp::from_millis),
    })
}

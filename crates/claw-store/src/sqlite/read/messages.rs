//! Histories, and what was used.

use claw_core::message::Message;
use claw_core::{SessionId, SessionKey, TaskId, Visibility};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Reader;
use crate::sqlite::decode;
use crate::sqlite::fault::Fault;
use crate::sqlite::pieces::message;
use crate::stored::{signed, text, value};
use crate::unit::PLACE_NUMBER_MAX;
use crate::{Ends, ModelUsed, StoredMessage, UsageDay};

/// Messages behind the mark in `$mark`; parameters: session, last number, limit.
macro_rules! messages_after {
    ($mark:literal) => {
        concat!(
            "SELECT m.place, ",
            message!("m"),
            ", m.form, t.id, m.at FROM sessions s CROSS JOIN messages m \
             ON m.place BETWEEN ((s.n << 31) | (s.",
            $mark,
            " + 1)) AND ((s.n << 31) | ?2) LEFT JOIN tasks t ON t.n = m.task \
             WHERE s.id = ?1 ORDER BY m.place DESC LIMIT ?3"
        )
    };
}

pub(in crate::sqlite) const HISTORY: &str = messages_after!("history_after");
pub(in crate::sqlite) const CONTEXT: &str = messages_after!("context_after");

/// What stands for the messages before the context, unless something else has cut it since.
pub(in crate::sqlite) const SUMMARY: &str = "SELECT u.text FROM sessions s CROSS JOIN summaries u ON u.session = s.n \
     WHERE s.id = ?1 AND u.upto = s.context_after AND u.upto > s.history_after";

/// What everybody used; parameters: the first and the last day.
const USAGE_OF_ALL: &str = "SELECT day, model, sum(runs), sum(input_tokens), sum(output_tokens), sum(cached_tokens), \
     sum(cache_write_tokens), sum(reasoning_tokens) FROM usage_days WHERE day BETWEEN ?1 AND ?2 GROUP BY day, model ORDER BY day, model";

/// What one owner used: a look for each day, however many others there are; parameters: the days, the owner.
pub(in crate::sqlite) const USAGE_OF_ONE: &str = "\
     WITH RECURSIVE days(day) AS (SELECT ?1 WHERE ?1 <= ?2 UNION ALL SELECT day + 1 FROM days WHERE day < ?2) \
     SELECT u.day, u.model, u.runs, u.input_tokens, u.output_tokens, u.cached_tokens, \
     u.cache_write_tokens, u.reasoning_tokens FROM days CROSS JOIN usage_days u ON u.day = days.day AND u.owner = ?3";

/// The first and last message since the last reset; parameter: a JSON array of keys.
pub(in crate::sqlite) const ENDS: &str = concat!(
    "SELECT s.key, ",
    message!("f"),
    ", f.form, ",
    message!("l"),
    ", l.form FROM json_each(?1) v \
     CROSS JOIN sessions s ON s.key = v.value \
     LEFT JOIN messages f ON f.place = (SELECT place FROM messages WHERE place BETWEEN \
        ((s.n << 31) | (s.history_after + 1)) AND ((s.n << 31) | 2147483647) ORDER BY place LIMIT 1) \
     LEFT JOIN messages l ON l.place = (SELECT place FROM messages WHERE place BETWEEN \
        ((s.n << 31) | (s.history_after + 1)) AND ((s.n << 31) | 2147483647) ORDER BY place DESC LIMIT 1) \
     WHERE s.message_count > s.history_after"
);

/// What runs since the last reset used: asked seldom, it looks at each of them; parameter: a JSON array of keys.
const USED: &str = "SELECT s.key, coalesce(r.model, ''), sum(r.input_tokens), sum(r.output_tokens), \
     sum(r.cached_tokens), sum(r.cache_write_tokens), sum(r.reasoning_tokens) FROM json_each(?1) v \
     CROSS JOIN sessions s ON s.key = v.value CROSS JOIN tasks t ON t.session = s.n \
     CROSS JOIN runs r ON r.place BETWEEN (t.n << 31) AND ((t.n << 31) | 2147483647) \
     WHERE r.ended_at >= coalesce(s.reset_at, 0) GROUP BY 1, 2 ORDER BY 1, 2";

impl Reader {
    /// The last messages before a number, oldest first.
    pub(in crate::sqlite) async fn history(
        &self,
        session: SessionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, Fault> {
        let last = before.map_or(PLACE_NUMBER_MAX, |before| before.saturating_sub(1).min(PLACE_NUMBER_MAX));
        self.messages(HISTORY, session, last, limit).await
    }

    /// The last messages a model is shown, oldest first.
    pub(in crate::sqlite) async fn context(&self, session: SessionId, limit: u32) -> Result<Vec<StoredMessage>, Fault> {
        self.messages(CONTEXT, session, PLACE_NUMBER_MAX, limit).await
    }

    /// What stands for the messages before those.
    pub(in crate::sqlite) async fn summary(&self, session: SessionId) -> Result<Option<String>, Fault> {
        let query = sqlx::query(SUMMARY).bind(session.uuid().as_bytes().as_slice());
        query.fetch_optional(&self.pool).await?.map(|row| Ok(row.try_get(0)?)).transpose()
    }

    async fn messages(
        &self,
        statement: &'static str,
        session: SessionId,
        last: u64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, Fault> {
        let rows = sqlx::query(statement)
            .bind(session.uuid().as_bytes().as_slice())
            .bind(signed(last))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows.iter().rev() {
            let by_task = row.try_get::<Option<&[u8]>, _>(3)?.is_some();
            messages.push(StoredMessage {
                seq: decode::number_of_place(row.try_get(0)?),
                message: value(row.try_get(1)?, row.try_get(2)?, "a message")?,
                task: by_task.then(|| decode::uuid(row, 3)).transpose()?.map(TaskId::from_uuid),
                at: decode::moment(row, 4)?,
            });
        }
        Ok(messages)
    }

    /// The ends of histories.
    pub(in crate::sqlite) async fn ends(&self, sessions: &[SessionKey]) -> Result<Vec<Ends>, Fault> {
        let keys = text(sessions)?;
        let rows = sqlx::query(ENDS).bind(&*keys).fetch_all(&self.pool).await?;
        let mut ends = Vec::with_capacity(rows.len());
        for row in &rows {
            let key = SessionKey::from_stored(row.try_get(0)?);
            ends.push(Ends { key, first: message(row, 1)?, last: message(row, 3)? });
        }
        Ok(ends)
    }

    /// What runs used, by session and model.
    pub(in crate::sqlite) async fn used_by_model(&self, sessions: &[SessionKey]) -> Result<Vec<ModelUsed>, Fault> {
        let keys = text(sessions)?;
        let rows = sqlx::query(USED).bind(&*keys).fetch_all(&self.pool).await?;
        let mut used = Vec::with_capacity(rows.len());
        for row in &rows {
            let session = SessionKey::from_stored(row.try_get(0)?);
            used.push(ModelUsed { session, model: row.try_get(1)?, usage: decode::usage(row, 2)? });
        }
        Ok(used)
    }

    /// What was used, by day and model.
    pub(in crate::sqlite) async fn usage_days(
        &self,
        visibility: &Visibility,
        first: i64,
        last: i64,
    ) -> Result<Vec<UsageDay>, Fault> {
        let (statement, owner) = match visibility {
            Visibility::All => (USAGE_OF_ALL, None),
            Visibility::Owner(owner) => (USAGE_OF_ONE, Some(owner.as_str())),
        };
        let rows = sqlx::query(statement).bind(first).bind(last).bind(owner).fetch_all(&self.pool).await?;
        let mut days = Vec::with_capacity(rows.len());
        for row in &rows {
            days.push(UsageDay {
                day: row.try_get(0)?,
                model: row.try_get(1)?,
                runs: decode::number(row, 2, "runs")?,
                usage: decode::usage(row, 3)?,
            });
        }
        Ok(days)
    }
}

fn message(row: &SqliteRow, column: usize) -> Result<Option<Message>, Fault> {
    let Some(body) = row.try_get::<Option<&str>, _>(column)? else { return Ok(None) };
    Ok(Some(value(body, row.try_get(column + 1)?, "a message")?))
}

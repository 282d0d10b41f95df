//! Entries of the audit log, newest first.

use claw_core::audit::Recorded;
use sqlx::AssertSqlSafe;

use super::Reader;
use crate::limits::{AUDIT_SEARCHED_MAX, PAGE_ROWS_MAX};
use crate::sqlite::audit;
use crate::sqlite::decode::audit::{ENTRY_COLUMNS, recorded};
use crate::sqlite::fault::Fault;
use crate::{AuditFilter, Checked, Cursor, Link, Page};

impl Reader {
    /// Entries, newest first, of a bounded part of the log.
    pub(in crate::sqlite) async fn audit(
        &self,
        filter: &AuditFilter,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Recorded>, Fault> {
        let AuditFilter { kinds, actor, since } = filter;
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let before = match from {
            Some(Cursor(before)) => before,
            None => self.audit_head().await?.n.saturating_add(1),
        };
        let first = self.audit_base().await?.n.saturating_add(1);
        let window = before.saturating_sub(AUDIT_SEARCHED_MAX).max(first);
        let mut select = format!("SELECT {ENTRY_COLUMNS} FROM audit WHERE n < ?1 AND n >= ?2");
        if !kinds.is_empty() {
            // The names are ours.
            let names: Vec<String> = kinds.iter().map(|kind| format!("'{}'", kind.as_str())).collect();
            select = format!("{select} AND kind IN ({})", names.join(","));
        }
        let select =
            format!("{select} AND (?3 IS NULL OR actor = ?3) AND (?4 IS NULL OR at >= ?4) ORDER BY n DESC LIMIT ?5");
        let rows = sqlx::query(AssertSqlSafe(select))
            .bind(before)
            .bind(window)
            .bind(actor)
            .bind(since.map(|since| since.millis()))
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.pool)
            .await?;
        let mut items: Vec<Recorded> = rows.iter().map(recorded).collect::<Result<_, _>>()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let next = match items.len() > limit {
            true => {
                items.truncate(limit);
                items.last().and_then(|last| i64::try_from(last.n).ok())
            }
            false => Some(window).filter(|window| *window > first),
        };
        Ok(Page { items, next: next.map(Cursor) })
    }

    /// The end of the chain.
    pub(in crate::sqlite) async fn audit_head(&self) -> Result<Link, Fault> {
        let mut connection = self.pool.acquire().await?;
        audit::head(&mut connection).await
    }

    /// Where the chain begins.
    pub(in crate::sqlite) async fn audit_base(&self) -> Result<Link, Fault> {
        let mut connection = self.pool.acquire().await?;
        audit::base(&mut connection).await
    }

    /// Follows a part of the chain.
    pub(in crate::sqlite) async fn check_audit(&self, from: Link, limit: u32) -> Result<Checked, Fault> {
        let mut connection = self.pool.acquire().await?;
        audit::check(&mut connection, from, limit).await
    }
}

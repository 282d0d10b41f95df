//! Sessions, one and many.
//!
//! A list is walked along an index in its own order. A filter that has no index is applied to a
//! bounded window of it: the page may come back short, and its cursor goes on behind the window.

use claw_core::{AgentId, SessionId, SessionKey, Visibility};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Row};

use super::Reader;
use crate::limits::{PAGE_ROWS_MAX, SEARCHED_MAX};
use crate::sqlite::decode;
use crate::sqlite::fault::Fault;
use crate::{Cursor, PageStart, Session, SessionFilter, SessionPage, StoreError};

fn select_sessions(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT {} FROM sessions s {rest}", decode::SESSION_COLUMNS))
}

/// The way along which a list is walked; numbered parameters: cursor, limit, offset, owner, agent,
/// label, search, the last row of the window.
pub(in crate::sqlite) struct Walk {
    /// The index, where it has to be named, and the conditions it serves.
    along: String,
    /// Conditions without an index, for the rows of a window.
    within: String,
}

impl Walk {
    pub(in crate::sqlite) fn new(filter: &SessionFilter, visibility: &Visibility) -> Self {
        let SessionFilter { agent, label, search, active_since: _ } = filter;
        let is_common = |agent: &AgentId| *agent == AgentId::main();
        let by_agent = agent.as_ref().is_some_and(|agent| !is_common(agent) && *visibility == Visibility::All);
        let (mut along, mut within) = match (label, by_agent) {
            (Some(_), _) => (" INDEXED BY sessions_label WHERE s.label = ?6 AND".to_owned(), String::new()),
            (None, true) => {
                (" INDEXED BY sessions_of_agent WHERE s.agent = ?5 AND s.agent <> 'main' AND".into(), String::new())
            }
            (None, false) => (" WHERE".into(), String::new()),
        };
        along.push_str(" s.changed < ?1");
        if let Visibility::Owner(owner) = visibility {
            along.push_str(" AND s.owner = ?4");
            if !owner.is_operator() && label.is_none() {
                along.push_str(" AND s.owner <> 'operator'");
            }
        }
        if agent.is_some() && !by_agent {
            within.push_str(" AND s.agent = ?5");
        }
        if search.is_some() {
            within.push_str(" AND (instr(lower(s.key), ?7) OR instr(lower(coalesce(s.label, '')), ?7))");
        }
        if !within.is_empty() {
            within.push_str(" AND s.changed >= ?8");
        }
        Self { along, within }
    }

    /// One page: parameter 2 is its size, 3 how many rows are left out.
    pub(in crate::sqlite) fn page(&self) -> String {
        let Self { along, within } = self;
        let columns = decode::SESSION_COLUMNS;
        format!("SELECT {columns} FROM sessions s{along}{within} ORDER BY s.changed DESC LIMIT ?2 OFFSET ?3")
    }

    /// The place behind so many rows, so that the rows themselves need not be read.
    pub(in crate::sqlite) fn skip(&self) -> String {
        format!("SELECT s.changed FROM sessions s{} ORDER BY s.changed DESC LIMIT 1 OFFSET ?3", self.along)
    }

    const fn is_windowed(&self) -> bool {
        !self.within.is_empty()
    }
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

    /// The last changed session of a label, and whether there are others.
    pub(in crate::sqlite) async fn session_by_label(
        &self,
        label: &str,
        visibility: &Visibility,
    ) -> Result<Option<(Session, bool)>, Fault> {
        let filter = SessionFilter { label: Some(label.to_owned()), ..SessionFilter::default() };
        let page = self.sessions(&filter, visibility, PageStart::Offset(0), 1).await?;
        let has_more = page.next.is_some();
        Ok(page.items.into_iter().next().map(|session| (session, has_more)))
    }

    /// Sessions, last changed first; the cursor is the number of a change.
    pub(in crate::sqlite) async fn sessions(
        &self,
        filter: &SessionFilter,
        visibility: &Visibility,
        from: PageStart,
        limit: u32,
    ) -> Result<SessionPage, Fault> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let walk = Walk::new(filter, visibility);
        let total = self.total(filter, visibility).await?;
        let empty = || Ok(SessionPage { items: Vec::new(), next: None, total });
        let (from, offset) = match from {
            PageStart::Cursor(Cursor(place)) => (place, 0),
            PageStart::Offset(0) => (i64::MAX, 0),
            PageStart::Offset(offset) if walk.is_windowed() => (i64::MAX, offset),
            PageStart::Offset(offset) => {
                let place = self.behind(&walk, filter, visibility, (i64::MAX, offset - 1)).await?;
                let Some(place) = place else { return empty() };
                (place, 0)
            }
        };
        let window = match walk.is_windowed() {
            true => self.behind(&walk, filter, visibility, (from, SEARCHED_MAX - 1)).await?,
            false => None,
        };
        let mut values = bind(filter, visibility, from, limit + 1, offset)?;
        values.add(window.unwrap_or(i64::MIN)).map_err(unbound)?;
        let mut rows = sqlx::query_with(AssertSqlSafe(walk.page()), values).fetch_all(&self.pool).await?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let last = rows.last().map(|row| row.try_get(7)).transpose()?;
        let mut next = last.filter(|_| has_more).map(Cursor);
        if !has_more {
            next = window.map(Cursor);
        }
        let mut items: Vec<Session> = rows.iter().map(decode::session).collect::<Result<_, _>>()?;
        if let Some(since) = filter.active_since
            && let Some(older) = items.iter().position(|session| session.updated_at < since)
        {
            // In this order the rest is older still.
            items.truncate(older);
            next = None;
        }
        Ok(SessionPage { items, next, total })
    }

    /// The place of the row behind so many.
    async fn behind(
        &self,
        walk: &Walk,
        filter: &SessionFilter,
        visibility: &Visibility,
        (from, offset): (i64, u32),
    ) -> Result<Option<i64>, Fault> {
        let values = bind(filter, visibility, from, 1, offset)?;
        let row = sqlx::query_with(AssertSqlSafe(walk.skip()), values).fetch_optional(&self.pool).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// How many there are, where a counter or a short index tells.
    async fn total(&self, filter: &SessionFilter, visibility: &Visibility) -> Result<Option<u64>, Fault> {
        let SessionFilter { agent, label, search, active_since } = filter;
        if label.is_some() || search.is_some() || active_since.is_some() {
            return Ok(None);
        }
        let owner = match visibility {
            Visibility::All => None,
            Visibility::Owner(owner) => Some(owner.as_str()),
        };
        let row = sqlx::query(
            "SELECT coalesce(sum(sessions), 0) FROM session_counts WHERE (?1 IS NULL OR owner = ?1) \
             AND (?2 IS NULL OR agent = ?2)",
        )
        .bind(owner)
        .bind(agent.as_ref().map(AgentId::as_str))
        .fetch_one(&self.pool)
        .await?;
        decode::number(&row, 0, "sessions").map(Some)
    }
}

fn bind(
    filter: &SessionFilter,
    visibility: &Visibility,
    from: i64,
    limit: u32,
    offset: u32,
) -> Result<SqliteArguments, StoreError> {
    let owner = match visibility {
        Visibility::All => None,
        Visibility::Owner(owner) => Some(owner.as_str().to_owned()),
    };
    let mut values = SqliteArguments::default();
    let added = values
        .add(from)
        .and_then(|()| values.add(limit))
        .and_then(|()| values.add(offset))
        .and_then(|()| values.add(owner))
        .and_then(|()| values.add(filter.agent.as_ref().map(|agent| agent.as_str().to_owned())))
        .and_then(|()| values.add(filter.label.clone()))
        .and_then(|()| values.add(filter.search.as_ref().map(|search| search.to_ascii_lowercase())));
    added.map_err(unbound)?;
    Ok(values)
}

fn unbound(error: sqlx::error::BoxDynError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn seen(row: Option<SqliteRow>, visibility: &Visibility) -> Result<Option<Session>, Fault> {
    let session = row.as_ref().map(decode::session).transpose()?;
    Ok(session.filter(|session| visibility.sees(&session.owner)))
}

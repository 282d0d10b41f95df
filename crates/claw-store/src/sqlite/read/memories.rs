//! Memories: by id, in pages, and by their terms.

use claw_core::memory::{Memory, Whose};
use claw_core::{AgentId, MemoryId, PrincipalId, SessionKey};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Reader;
use crate::limits::{PAGE_ROWS_MAX, SEARCH_TERMS_MAX, SEARCH_WEIGHED_MAX};
use crate::sqlite::decode;
use crate::sqlite::fault::Fault;
use crate::{Cursor, Page};

/// A term as it is indexed: letters and digits, so that it is one token and no syntax.
pub(in crate::sqlite) fn scoped(scope: i64, term: &str) -> String {
    format!("s{scope}q{term}")
}

const ONE: &str = "SELECT m.n, m.id, m.text, m.session, m.created_at, m.untrusted, s.owner, s.agent FROM memories m \
                   CROSS JOIN memory_scopes s ON s.n = m.scope WHERE m.id = ?1 AND s.owner = ?2";
/// Parameters: scope, before, limit.
pub(in crate::sqlite) const OF_SCOPE: &str = "SELECT n, id, text, session, created_at, untrusted FROM memories \
                                              WHERE scope = ?1 AND n < ?2 ORDER BY n DESC LIMIT ?3";
/// From which number on there are so many; parameters: terms, how many.
const NEWEST: &str = "SELECT rowid FROM memory_terms WHERE memory_terms MATCH ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2";
/// Parameters: terms, from which number on, limit, scope.
const BEST: &str = "SELECT m.n, m.id, m.text, m.session, m.created_at, m.untrusted, -t.rank FROM memory_terms t \
                    CROSS JOIN memories m ON m.n = t.rowid \
                    WHERE t.memory_terms MATCH ?1 AND t.rowid >= ?2 AND m.scope = ?4 ORDER BY t.rank LIMIT ?3";

impl Reader {
    /// One memory.
    pub(in crate::sqlite) async fn memory(&self, id: MemoryId, owner: &PrincipalId) -> Result<Option<Memory>, Fault> {
        let query = sqlx::query(ONE).bind(id.uuid().as_bytes().as_slice()).bind(owner.as_str());
        let Some(row) = query.fetch_optional(&self.pool).await? else { return Ok(None) };
        let agent = agent(row.try_get(7)?)?;
        Ok(Some(memory(&row, &Whose { owner: owner.clone(), agent })?))
    }

    /// An owner's memories, newest first.
    pub(in crate::sqlite) async fn memories(
        &self,
        owner: &PrincipalId,
        agent: Option<&AgentId>,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Memory>, Fault> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let mut items: Vec<(i64, Memory)> = Vec::new();
        for (scope, whose) in self.memory_scopes(owner, agent).await? {
            let rows = sqlx::query(OF_SCOPE)
                .bind(scope)
                .bind(from.map_or(i64::MAX, |cursor| cursor.0))
                .bind(i64::from(limit) + 1)
                .fetch_all(&self.pool)
                .await?;
            for row in &rows {
                items.push((row.try_get(0)?, memory(row, &whose)?));
            }
        }
        items.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|(n, _)| Cursor(*n));
        Ok(Page { items: items.into_iter().map(|(_, memory)| memory).collect(), next })
    }

    /// Memories with any of these terms, best first.
    pub(in crate::sqlite) async fn search_memories(
        &self,
        whose: &Whose,
        terms: &[String],
        limit: u32,
    ) -> Result<Vec<(Memory, f64)>, Fault> {
        let Some((scope, whose)) = self.memory_scopes(&whose.owner, Some(&whose.agent)).await?.pop() else {
            return Ok(Vec::new());
        };
        let Some(wanted) = wanted(scope, terms) else { return Ok(Vec::new()) };
        let newest = sqlx::query(NEWEST).bind(&wanted).bind(SEARCH_WEIGHED_MAX).fetch_optional(&self.pool).await?;
        let from: i64 = newest.map_or(Ok(0), |row| row.try_get(0))?;
        let best = sqlx::query(BEST).bind(&wanted).bind(from).bind(limit.min(PAGE_ROWS_MAX)).bind(scope);
        let rows = best.fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((memory(row, &whose)?, row.try_get(6)?))).collect()
    }

    async fn memory_scopes(&self, owner: &PrincipalId, of: Option<&AgentId>) -> Result<Vec<(i64, Whose)>, Fault> {
        let select = "SELECT n, agent FROM memory_scopes WHERE owner = ?1 AND (?2 IS NULL OR agent = ?2)";
        let query = sqlx::query(select).bind(owner.as_str()).bind(of.map(AgentId::as_str));
        let rows = query.fetch_all(&self.pool).await?;
        let scopes = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, Whose { owner: owner.clone(), agent: agent(row.try_get(1)?)? })));
        scopes.collect()
    }
}

/// Any of the terms, as a full-text query; nothing where there is none.
fn wanted(scope: i64, terms: &[String]) -> Option<String> {
    let mut wanted: Vec<String> = Vec::new();
    for term in terms.iter().filter(|term| !term.is_empty() && term.chars().all(char::is_alphanumeric)) {
        let phrase = format!("\"{}\"", scoped(scope, term));
        if !wanted.contains(&phrase) && wanted.len() < SEARCH_TERMS_MAX {
            wanted.push(phrase);
        }
    }
    (!wanted.is_empty()).then(|| wanted.join(" OR "))
}

fn memory(row: &SqliteRow, whose: &Whose) -> Result<Memory, Fault> {
    let session: Option<String> = row.try_get(3)?;
    Ok(Memory {
        id: MemoryId::from_uuid(decode::uuid(row, 1)?),
        whose: whose.clone(),
        text: row.try_get(2)?,
        session: session.map(SessionKey::from_stored),
        created_at: decode::moment(row, 4)?,
        untrusted: row.try_get(5)?,
    })
}

fn agent(stored: &str) -> Result<AgentId, Fault> {
    AgentId::parse(stored).map_err(|error| crate::StoreError::Corrupt(error.to_string()).into())
}

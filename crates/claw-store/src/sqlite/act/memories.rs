//! Memories, and the terms they are found by.

use claw_core::memory::{Memory, Whose};
use claw_core::terms::terms;
use claw_core::{MemoryId, PrincipalId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::Slot;
use crate::StoreError;
use crate::limits::EXPIRED_AT_ONCE;
use crate::sqlite::fault::Fault;
use crate::sqlite::read::memories::scoped;

/// A write about memories with somebody waiting.
pub(in crate::sqlite) enum MemoryAct {
    Add { memory: Memory, max: u32, told: Slot<bool> },
    Delete { id: MemoryId, owner: PrincipalId, told: Slot<bool> },
    Expire { before: Timestamp, told: Slot<u64> },
}

impl MemoryAct {
    pub(super) fn resolve(self, fate: Result<(), StoreError>) {
        match self {
            Self::Add { told, .. } | Self::Delete { told, .. } => told.resolve(fate),
            Self::Expire { told, .. } => told.resolve(fate),
        }
    }

    pub(super) async fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        match self {
            Self::Add { memory, max, told } => told.answer = Some(add(connection, memory, *max).await?),
            Self::Delete { id, owner, told } => told.answer = Some(delete(connection, *id, owner).await?),
            Self::Expire { before, told } => told.answer = Some(expire(connection, *before).await?),
        }
        Ok(())
    }
}

/// The number of a scope with room for one more, which it then has.
const TAKE_ROOM: &str = "INSERT INTO memory_scopes (owner, agent, memories) VALUES (?1, ?2, 1) \
                         ON CONFLICT (owner, agent) DO UPDATE SET memories = memories + 1 WHERE memories < ?3 \
                         RETURNING n";

async fn add(connection: &mut SqliteConnection, memory: &Memory, max: u32) -> Result<bool, Fault> {
    let Memory { id, whose: Whose { owner, agent }, text, session, created_at, untrusted } = memory;
    let known = sqlx::query("SELECT 1 FROM memories WHERE id = ?1").bind(id.uuid().as_bytes().as_slice());
    if known.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(true);
    }
    let room = sqlx::query(TAKE_ROOM).bind(owner.as_str()).bind(agent.as_str()).bind(max);
    let Some(row) = room.fetch_optional(&mut *connection).await? else { return Ok(false) };
    let scope: i64 = row.try_get(0)?;
    let insert = "INSERT INTO memories (id, scope, text, session, created_at, untrusted) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING n";
    let row = sqlx::query(insert)
        .bind(id.uuid().as_bytes().as_slice())
        .bind(scope)
        .bind(text)
        .bind(session.as_ref().map(|session| session.as_str()))
        .bind(created_at.millis())
        .bind(untrusted)
        .fetch_one(&mut *connection)
        .await?;
    let n: i64 = row.try_get(0)?;
    let words: Vec<String> = terms(text).iter().map(|term| scoped(scope, term)).collect();
    sqlx::query("INSERT INTO memory_terms (rowid, terms) VALUES (?1, ?2)")
        .bind(n)
        .bind(words.join(" "))
        .execute(connection)
        .await?;
    Ok(true)
}

async fn delete(connection: &mut SqliteConnection, id: MemoryId, owner: &PrincipalId) -> Result<bool, Fault> {
    let select = "SELECT m.n, m.scope FROM memories m CROSS JOIN memory_scopes s ON s.n = m.scope \
                  WHERE m.id = ?1 AND s.owner = ?2";
    let select = sqlx::query(select).bind(id.uuid().as_bytes().as_slice()).bind(owner.as_str());
    let Some(row) = select.fetch_optional(&mut *connection).await? else { return Ok(false) };
    forget(connection, row.try_get(0)?, row.try_get(1)?).await?;
    Ok(true)
}

async fn expire(connection: &mut SqliteConnection, before: Timestamp) -> Result<u64, Fault> {
    let select = "SELECT n, scope FROM memories WHERE created_at < ?1 ORDER BY created_at LIMIT ?2";
    let old = sqlx::query(select).bind(before.millis()).bind(EXPIRED_AT_ONCE).fetch_all(&mut *connection).await?;
    for row in &old {
        forget(connection, row.try_get(0)?, row.try_get(1)?).await?;
    }
    Ok(old.len() as u64)
}

async fn forget(connection: &mut SqliteConnection, n: i64, scope: i64) -> Result<(), Fault> {
    for statement in ["DELETE FROM memory_terms WHERE rowid = ?1", "DELETE FROM memories WHERE n = ?1"] {
        sqlx::query(statement).bind(n).execute(&mut *connection).await?;
    }
    sqlx::query("UPDATE memory_scopes SET memories = memories - 1 WHERE n = ?1")
        .bind(scope)
        .execute(connection)
        .await?;
    Ok(())
}

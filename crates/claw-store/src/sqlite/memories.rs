//! The verbs of memories, over the same writer and readers.

use async_trait::async_trait;
use claw_core::memory::{Memory, Whose};
use claw_core::{AgentId, MemoryId, PrincipalId, Timestamp};

use super::SqliteStore;
use super::act::{Act, MemoryAct};
use crate::{Commit, Cursor, Memories, Page, StoreError};

fn on_memories(act: MemoryAct) -> Act {
    Act::Memory(Box::new(act))
}

#[async_trait]
impl Memories for SqliteStore {
    async fn add_memory(&self, memory: Memory, max: u32) -> Commit<bool> {
        self.act(|told| on_memories(MemoryAct::Add { memory, max, told })).await
    }
    async fn delete_memory(&self, id: MemoryId, owner: PrincipalId) -> Commit<bool> {
        self.act(|told| on_memories(MemoryAct::Delete { id, owner, told })).await
    }
    async fn expire_memories(&self, before: Timestamp) -> Commit<u64> {
        self.act(|told| on_memories(MemoryAct::Expire { before, told })).await
    }
    async fn memory(&self, id: MemoryId, owner: &PrincipalId) -> Result<Option<Memory>, StoreError> {
        Ok(self.reader.memory(id, owner).await?)
    }
    async fn memories(
        &self,
        owner: &PrincipalId,
        agent: Option<&AgentId>,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Memory>, StoreError> {
        Ok(self.reader.memories(owner, agent, from, limit).await?)
    }
    async fn search_memories(
        &self,
        whose: &Whose,
        terms: &[String],
        limit: u32,
    ) -> Result<Vec<(Memory, f64)>, StoreError> {
        Ok(self.reader.search_memories(whose, terms, limit).await?)
    }
}

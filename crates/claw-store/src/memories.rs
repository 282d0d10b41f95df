//! What agents remember: the verbs and their laws.

use async_trait::async_trait;
use claw_core::memory::{Memory, Whose};
use claw_core::{AgentId, MemoryId, PrincipalId, Timestamp};

use crate::{Commit, Cursor, Page, StoreError};

/// The verbs of memories; the laws of writes are those of [`crate::Store`]. Every verb names an
/// owner, and sees and changes nothing of another one's (G13).
#[async_trait]
pub trait Memories: Send + Sync {
    /// Stores a memory; false where its agent and owner have `max` of them. One whose id is there already stays as it is.
    async fn add_memory(&self, memory: Memory, max: u32) -> Commit<bool>;

    /// Forgets one; false when the owner has none of that id.
    async fn delete_memory(&self, id: MemoryId, owner: PrincipalId) -> Commit<bool>;

    /// Forgets those made before `before`, everybody's; says how many.
    async fn expire_memories(&self, before: Timestamp) -> Commit<u64>;

    /// One memory.
    async fn memory(&self, id: MemoryId, owner: &PrincipalId) -> Result<Option<Memory>, StoreError>;

    /// An owner's memories, of one agent or of all, newest first.
    async fn memories(
        &self,
        owner: &PrincipalId,
        agent: Option<&AgentId>,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Memory>, StoreError>;

    /// Memories with any of these terms (`claw_core::terms`), best first by BM25, with their score.
    /// Of very many, the newest are weighed.
    async fn search_memories(
        &self,
        whose: &Whose,
        terms: &[String],
        limit: u32,
    ) -> Result<Vec<(Memory, f64)>, StoreError>;
}

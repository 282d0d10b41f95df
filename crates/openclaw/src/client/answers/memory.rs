//! What agents remember, as the commands show it.

use serde::Deserialize;

/// `memory.search`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FoundMemories {
    pub(crate) results: Vec<FoundMemory>,
}

/// One result.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FoundMemory {
    pub(crate) citation: String,
    pub(crate) score: f64,
    pub(crate) snippet: String,
}

/// `memory.add` and `memory.get`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OneMemory {
    pub(crate) memory: Memory,
}

/// `memory.list`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct MemoryList {
    pub(crate) memories: Vec<Memory>,
    pub(crate) next_cursor: Option<String>,
}

/// A stored memory.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Memory {
    pub(crate) id: String,
    pub(crate) agent_id: String,
    pub(crate) text: String,
    pub(crate) created_at: String,
}

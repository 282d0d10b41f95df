//! The port to what an agent is told before its conversation: files of its workspace, skills, notes.
//!
//! A section says whose words it holds, and that decides in whose name a model hears them: only
//! what the operator keeps becomes an instruction; what agents have written down, or what lies where
//! an API key works, stays something that is read (advisories 56, 78).

use std::sync::Arc;

use async_trait::async_trait;

use crate::principal::Principal;
use crate::session::AgentId;

/// Something that knows what an agent should be told.
#[async_trait]
pub trait Briefing: Send + Sync {
    /// What to tell before this run, in order; what cannot be read is left out. Asked once for each
    /// attempt, so it should cost little; blocking work leaves the async threads. Cancel-safe.
    async fn sections(&self, about: &BriefingContext) -> Vec<Section>;
}

/// Whose run is about to begin. What is told may depend on nothing else: it is remembered for a moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BriefingContext {
    /// On whose behalf.
    pub principal: Principal,
    /// The agent.
    pub agent: AgentId,
    /// Own names of the tools it may use.
    pub tools: Vec<String>,
}

/// One thing an agent is told, under a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The heading, one line.
    pub title: String,
    /// What it says, perhaps only its beginning; never a mark of having been cut.
    pub text: Arc<str>,
    /// How many bytes the whole has, where `text` is only its beginning; the model is told.
    pub whole_bytes: Option<u64>,
    /// Whose words.
    pub origin: Origin,
    /// How long it keeps its place where room is short.
    pub rank: Rank,
}

impl Section {
    /// A section that is whole.
    pub fn whole(title: impl Into<String>, text: impl Into<Arc<str>>, origin: Origin, rank: Rank) -> Self {
        Self { title: title.into(), text: text.into(), whole_bytes: None, origin, rank }
    }
}

/// Whose words a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The operator's: an instruction.
    Operator,
    /// An agent's own, or a tenant's: notes, which instruct nobody.
    Notes,
}

/// What is cut first where room is short; of the same rank, the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Nice to know.
    Low,
    /// Usual.
    Normal,
    /// What makes the agent what it is.
    High,
}

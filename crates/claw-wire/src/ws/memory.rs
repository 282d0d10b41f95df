//! What agents remember: `memory.search`, `add`, `list`, `get`, `delete`.

use claw_core::memory::{Citation, Hit, Memory as Remembered};
use claw_core::{AgentId, MemoryId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::BadRequest;

/// Results of a search unless it is told how many.
const RESULTS_DEFAULT: usize = 10;
/// Results of a search at most.
const RESULTS_MAX: usize = 100;

/// Parameters of `memory.search`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchParams {
    /// Words to look for.
    pub query: Option<String>,
    /// The default agent if absent.
    pub agent_id: Option<String>,
    /// At most 100.
    #[serde(alias = "limit")]
    pub max_results: Option<usize>,
}

impl SearchParams {
    /// The words, and how many results.
    ///
    /// # Errors
    /// No word at all.
    pub fn wanted(&self) -> Result<(&str, usize), BadRequest> {
        let query = self.query.as_deref().filter(|query| !query.trim().is_empty());
        let query = query.ok_or_else(|| BadRequest::of("query", "say what to look for"))?;
        Ok((query, self.max_results.unwrap_or(RESULTS_DEFAULT).clamp(1, RESULTS_MAX)))
    }
}

/// Parameters of `memory.add`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddParams {
    /// What to remember.
    pub text: Option<String>,
    /// The default agent if absent.
    pub agent_id: Option<String>,
}

/// Parameters of `memory.list`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    /// Every agent if absent.
    pub agent_id: Option<String>,
    /// At most 200.
    pub limit: Option<u32>,
    /// `nextCursor` of the page before.
    pub cursor: Option<String>,
}

/// Parameters of `memory.get` and `memory.delete`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct IdParams {
    /// `mem_…`.
    pub id: Option<String>,
}

impl IdParams {
    /// The id; nothing where it is none of a memory's.
    ///
    /// # Errors
    /// It is missing.
    pub fn id(&self) -> Result<(&str, Option<MemoryId>), BadRequest> {
        let text = self.id.as_deref().ok_or_else(|| BadRequest::of("id", "say which memory"))?;
        Ok((text, text.trim().parse().ok()))
    }
}

/// The agent that a parameter `agentId` names.
///
/// # Errors
/// It is no agent's name.
pub fn agent(named: Option<&str>) -> Result<Option<AgentId>, BadRequest> {
    let read = |name: &str| AgentId::parse(name).map_err(|error| BadRequest::of("agentId", error.to_string()));
    named.map(read).transpose()
}

/// A stored memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Memory {
    pub id: String,
    pub agent_id: String,
    pub text: String,
    /// The conversation it was written in; null when no run wrote it.
    pub session_key: Option<String>,
    /// ISO 8601.
    pub created_at: String,
}

impl From<&Remembered> for Memory {
    fn from(memory: &Remembered) -> Self {
        let Remembered { id, whose, text, session, created_at, untrusted: _ } = memory;
        Self {
            id: id.to_string(),
            agent_id: whose.agent.to_string(),
            text: text.clone(),
            session_key: session.as_ref().map(ToString::to_string),
            created_at: created_at.to_string(),
        }
    }
}

/// The answer to `memory.add` and `memory.get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OneMemory {
    /// As it is stored.
    pub memory: Memory,
}

/// The answer to `memory.list`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Page {
    pub memories: Vec<Memory>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

/// The answer to `memory.delete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// Which.
    pub id: String,
    /// True.
    pub deleted: bool,
}

/// The answer to `memory.search`, best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// What was found.
    pub results: Vec<Cited>,
}

/// Something that was found, with where it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Cited {
    /// `mem_…`, or a path with its lines.
    pub citation: String,
    /// `store` or `file`.
    pub source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_line: Option<usize>,
    /// By BM25, beside the best result of the same source: above 0, at most 1.
    pub score: f64,
    pub snippet: String,
}

impl From<Hit> for Cited {
    fn from(hit: Hit) -> Self {
        let Hit { citation, score, snippet, untrusted: _ } = hit;
        let mut cited = Self {
            citation: citation.to_string(),
            source: "file",
            id: None,
            created_at: None,
            path: None,
            start_line: None,
            end_line: None,
            score,
            snippet,
        };
        match citation {
            Citation::Stored { id, created_at } => {
                cited.source = "store";
                cited.id = Some(id.to_string());
                cited.created_at = Some(created_at.to_string());
            }
            Citation::Lines { path, first, last } => {
                cited.path = Some(path);
                cited.start_line = Some(first);
                cited.end_line = Some(last);
            }
        }
        cited
    }
}

//! The port to what agents remember: stored memories, and the notes in their workspaces.
//!
//! A memory belongs to one agent and whoever it works for ([`Whose`]); nobody else finds it (G13).
//! What is found is text that somebody once said: it instructs nobody (advisory 78).

use std::fmt;

use async_trait::async_trait;

use crate::principal::PrincipalId;
use crate::session::{AgentId, SessionKey};
use crate::{MemoryId, TaskId, Timestamp};

/// Longest memory, in bytes.
pub const MEMORY_BYTES_MAX: usize = 16 * 1024;

/// Whose memories.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Whose {
    /// On whose behalf the agent works.
    pub owner: PrincipalId,
    /// The agent.
    pub agent: AgentId,
}

/// A stored memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Its id.
    pub id: MemoryId,
    /// Whose it is.
    pub whose: Whose,
    /// What is remembered.
    pub text: String,
    /// The conversation it was written in; absent when no run wrote it.
    pub session: Option<SessionKey>,
    /// When.
    pub created_at: Timestamp,
    /// Whether it was written in a conversation that held strangers' words.
    pub untrusted: bool,
}

/// Where something that was found stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Citation {
    /// A stored memory.
    Stored {
        /// Its id.
        id: MemoryId,
        /// When it was written.
        created_at: Timestamp,
    },
    /// Lines of a file of the workspace.
    Lines {
        /// The file, relative to the workspace.
        path: String,
        /// The first line, from 1.
        first: usize,
        /// The last one.
        last: usize,
    },
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { id, .. } => write!(f, "{id}"),
            Self::Lines { path, first, last } => write!(f, "{path}:{first}-{last}"),
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Where it stands.
    pub citation: Citation,
    /// How well it fits, by BM25, beside the best of its place: above 0, at most 1.
    pub score: f64,
    /// The part of it that fits.
    pub snippet: String,
    /// Whether strangers' words may be in it.
    pub untrusted: bool,
}

/// Why nothing came of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// What was asked for does not fit.
    #[error("{0}")]
    Invalid(String),
    /// There is no room for another one.
    #[error("there are {max} memories already; delete some first")]
    Full {
        /// How many there may be.
        max: u32,
    },
    /// The store cannot be read or written.
    #[error("memories cannot be reached now: {0}")]
    Unavailable(String),
}

/// What an agent remembers, as its tools reach it.
#[async_trait]
pub trait Recall: Send + Sync {
    /// What fits `query` best, in stored memories and in notes, at most `max`. Any text is a query;
    /// one without a word finds nothing.
    async fn search(&self, whose: &Whose, query: &str, max: usize) -> Result<Vec<Hit>, MemoryError>;
    /// One stored memory; nothing where it is somebody else's.
    async fn get(&self, whose: &Whose, id: MemoryId) -> Result<Option<Memory>, MemoryError>;
    /// Lines of a note, from line `first`, at most `count`, and whether strangers' words may be in it; nothing where
    /// there is no such note.
    async fn lines(
        &self,
        whose: &Whose,
        path: &str,
        first: usize,
        count: usize,
    ) -> Result<Option<(String, bool)>, MemoryError>;
    /// Stores another one, written in this conversation, and with strangers' words in that or not. What is said again in the
    /// same call of a run is the same memory, so that a call that is made again after a crash stores nothing twice.
    async fn add(
        &self,
        whose: &Whose,
        text: String,
        session: Option<SessionKey>,
        untrusted: bool,
        call: Option<&(TaskId, String)>,
    ) -> Result<Memory, MemoryError>;
}

/// Notes in files, as they are searched beside the stored memories.
#[async_trait]
pub trait Notes: Send + Sync {
    /// The parts of notes that fit these terms best, at most `max`. What cannot be read is left out.
    async fn search(&self, whose: &Whose, terms: &[String], max: usize) -> Vec<Hit>;
    /// See [`Recall::lines`].
    async fn lines(&self, whose: &Whose, path: &str, first: usize, count: usize) -> Option<String>;
    /// The file that a note's path leads to, absolute, links followed; nothing where it leads nowhere.
    async fn file(&self, whose: &Whose, path: &str) -> Option<String>;
}

/// No notes at all.
#[async_trait]
impl Notes for () {
    async fn search(&self, _: &Whose, _: &[String], _: usize) -> Vec<Hit> {
        Vec::new()
    }
    async fn lines(&self, _: &Whose, _: &str, _: usize, _: usize) -> Option<String> {
        None
    }
    async fn file(&self, _: &Whose, _: &str) -> Option<String> {
        None
    }
}

/// The part of `text` around the first of `terms`, at most about `chars_max` characters.
pub fn snippet(text: &str, terms: &[String], chars_max: usize) -> String {
    let chars: Vec<char> = text.trim().chars().collect();
    if chars.len() <= chars_max {
        return chars.into_iter().collect();
    }
    let place = words(&chars).find(|(from, to)| {
        let word: String = chars.get(*from..*to).unwrap_or_default().iter().collect();
        crate::terms::terms(&word).iter().any(|term| terms.contains(term))
    });
    let from = place.map_or(0, |(from, _)| from.saturating_sub(chars_max / 3)).min(chars.len() - chars_max);
    let shown: String = chars.get(from..from + chars_max).unwrap_or_default().iter().collect();
    let (before, after) = (if from > 0 { "…" } else { "" }, if from + chars_max < chars.len() { "…" } else { "" });
    format!("{before}{}{after}", shown.trim())
}

/// Where words without spaces begin and end.
fn words(chars: &[char]) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while chars.get(from).is_some_and(|letter| letter.is_whitespace()) {
            from += 1;
        }
        let length = chars.get(from..)?.iter().take_while(|letter| !letter.is_whitespace()).count();
        let word = (from, from + length);
        from += length;
        (length > 0).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_shows_what_was_looked_for() {
        let wanted = ["needle".to_owned()];
        assert_eq!(snippet(" short ", &wanted, 10), "short");
        let long = format!("{} two Needles here {}", "hay ".repeat(50), "straw ".repeat(50));
        let shown = snippet(&long, &wanted, 60);
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains("Needles"), "{shown}");
        assert!(shown.chars().count() <= 62);
        assert!(snippet(&long, &[], 60).starts_with("hay hay"));
    }
}

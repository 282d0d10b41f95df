//! What agents remember: stored memories, and the notes in their workspaces.
//!
//! One [`Keeper`] serves the agents' tools and the doors alike. What it finds in the two places comes
//! in turns, each in its own order: their scores are of the same kind, but of different collections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use claw_core::memory::{Citation, Hit, MEMORY_BYTES_MAX, Memory, MemoryError, Notes, Recall, Whose, snippet};
use claw_core::provenance::Provenance;
use claw_core::terms::terms;
use claw_core::{AgentId, Clock, IdSource, MemoryId, Principal, Scope, SessionKey, TaskId, Timestamp};
use claw_store::{Cursor, Page, Store, StoreError};
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::engine::Engine;
use crate::limits::{MEMORIES_MAX, MEMORY_QUERY_BYTES_MAX, MEMORY_SNIPPET_CHARS_MAX, NOTED_FILES_MAX};
use crate::tasks::{page_size, require};

/// Keeps what agents remember.
pub struct Keeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    notes: RwLock<Arc<dyn Notes>>,
    /// Milliseconds; 0 is for ever.
    retention: AtomicU64,
}

impl Keeper {
    /// Over this store and these notes; what is stored is kept until somebody says how long.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>, notes: Arc<dyn Notes>) -> Self {
        Self { store, clock, ids, notes: RwLock::new(notes), retention: AtomicU64::new(0) }
    }

    /// Other notes from now on.
    pub(crate) fn replace_notes(&self, notes: Arc<dyn Notes>) {
        *self.notes.write().unwrap_or_else(PoisonError::into_inner) = notes;
    }

    /// How long stored memories are kept from now on; for ever when absent.
    pub(crate) fn keep_for(&self, retention: Option<Duration>) {
        let millis = retention.map_or(0, |kept| u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        self.retention.store(millis, Ordering::Relaxed);
    }

    /// Forgets what is too old, piece by piece.
    pub(crate) async fn expire(&self) -> Result<u64, StoreError> {
        let kept = self.retention.load(Ordering::Relaxed);
        if kept == 0 {
            return Ok(0);
        }
        let before = self.clock.now().millis().saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX));
        let mut all = 0;
        loop {
            match self.store.expire_memories(Timestamp::from_millis(before)).await.await? {
                0 => return Ok(all),
                gone => all += gone,
            }
        }
    }

    /// Whether strangers' words may be in a note; where that cannot be known, they are.
    async fn is_strangers(&self, whose: &Whose, path: &str) -> bool {
        let Some(file) = self.notes().file(whose, path).await else { return true };
        self.noted(&file).await.map_or(true, |(noted, _)| noted.contains(&file))
    }

    /// The notes, as they are searched now.
    pub fn notes(&self) -> Arc<dyn Notes> {
        Arc::clone(&self.notes.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Recall for Keeper {
    async fn search(&self, whose: &Whose, query: &str, max: usize) -> Result<Vec<Hit>, MemoryError> {
        if query.len() > MEMORY_QUERY_BYTES_MAX {
            return Err(MemoryError::Invalid(format!("must be at most {MEMORY_QUERY_BYTES_MAX} bytes")));
        }
        let wanted = terms(query);
        let limit = u32::try_from(max).unwrap_or(u32::MAX);
        let notes = self.notes();
        let stored = self.store.search_memories(whose, &wanted, limit);
        let (stored, mut noted) = futures::join!(stored, notes.search(whose, &wanted, max));
        for hit in &mut noted {
            if let Citation::Lines { path, .. } = &hit.citation {
                hit.untrusted = self.is_strangers(whose, path).await;
            }
        }
        let stored = stored.map_err(unavailable)?.into_iter().map(|(memory, score)| Hit {
            citation: Citation::Stored { id: memory.id, created_at: memory.created_at },
            score,
            snippet: snippet(&memory.text, &wanted, MEMORY_SNIPPET_CHARS_MAX),
            untrusted: memory.untrusted,
        });
        Ok(in_turns(beside_the_best(noted), beside_the_best(stored.collect()), max))
    }

    async fn get(&self, whose: &Whose, id: MemoryId) -> Result<Option<Memory>, MemoryError> {
        let found = self.store.memory(id, &whose.owner).await.map_err(unavailable)?;
        Ok(found.filter(|memory| memory.whose == *whose))
    }

    async fn lines(
        &self,
        whose: &Whose,
        path: &str,
        first: usize,
        count: usize,
    ) -> Result<Option<(String, bool)>, MemoryError> {
        let Some(lines) = self.notes().lines(whose, path, first, count).await else { return Ok(None) };
        Ok(Some((lines, self.is_strangers(whose, path).await)))
    }

    async fn add(
        &self,
        whose: &Whose,
        text: String,
        session: Option<SessionKey>,
        untrusted: bool,
        call: Option<&(TaskId, String)>,
    ) -> Result<Memory, MemoryError> {
        let text = text.trim().to_owned();
        if text.is_empty() || text.len() > MEMORY_BYTES_MAX {
            return Err(MemoryError::Invalid(format!("must be 1 to {MEMORY_BYTES_MAX} bytes")));
        }
        let id = call.map_or_else(|| MemoryId::new(&*self.ids), |call| id_of(whose, call, &text));
        let created_at = self.clock.now();
        let memory = Memory { id, whose: whose.clone(), text, session, created_at, untrusted };
        match self.store.add_memory(memory.clone(), MEMORIES_MAX).await.await.map_err(unavailable)? {
            true => Ok(memory),
            false => Err(MemoryError::Full { max: MEMORIES_MAX }),
        }
    }
}

/// Files whose words are strangers', beside the memories.
#[async_trait]
impl Provenance for Keeper {
    async fn note(&self, files: &[String]) -> Result<(), String> {
        let places = files.iter().map(|file| format!("file:{file}")).collect();
        match self.store.note_strangers(places, self.clock.now()).await.await {
            Ok(true) => Ok(()),
            Ok(false) => Err("there are too many such files".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn forget(&self, files: &[String]) -> Result<(), String> {
        let places = files.iter().map(|file| format!("file:{file}")).collect();
        self.store.forget_strangers(places).await.await.map_err(|error| error.to_string())
    }

    async fn noted(&self, path: &str) -> Result<(Vec<String>, bool), String> {
        let itself = format!("file:{path}");
        // What lies in a noted directory is noted.
        let above = std::path::Path::new(path).ancestors().map(|above| format!("file:{}", above.display()));
        let is_there = self.store.strangers_at(&above.collect::<Vec<_>>()).await;
        let below = self.store.strangers_below(&format!("{}/", itself.trim_end_matches('/')), NOTED_FILES_MAX).await;
        let (is_there, below) = (is_there.map_err(|e| e.to_string())?, below.map_err(|e| e.to_string())?);
        let is_all = below.len() < usize::try_from(NOTED_FILES_MAX).unwrap_or(usize::MAX);
        let all = is_there.then_some(itself).into_iter().chain(below);
        Ok((all.filter_map(|place| place.strip_prefix("file:").map(str::to_owned)).collect(), is_all))
    }
}

/// The id of what a call says, the same each time it is made.
fn id_of(whose: &Whose, (task, call): &(TaskId, String), text: &str) -> MemoryId {
    let mut hasher = Sha256::new();
    for part in [whose.owner.as_str(), whose.agent.as_str(), &task.to_string(), call, text] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hasher.finalize()).for_each(|(byte, digest)| *byte = digest);
    MemoryId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

fn unavailable(error: StoreError) -> MemoryError {
    MemoryError::Unavailable(error.to_string())
}

/// The best of one place counts as 1, the others as their share of it: a word that stands in every memory is
/// worth next to nothing to BM25, and of a single memory every word is such a one.
fn beside_the_best(mut hits: Vec<Hit>) -> Vec<Hit> {
    let best = hits.iter().map(|hit| hit.score).fold(0.0, f64::max);
    for hit in &mut hits {
        hit.score = if best > 0.0 { (hit.score / best).clamp(0.0, 1.0) } else { 1.0 };
    }
    hits
}

/// One of each, as long as there are some of both.
fn in_turns(first: Vec<Hit>, second: Vec<Hit>, max: usize) -> Vec<Hit> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = Vec::new();
    while all.len() < max {
        let before = all.len();
        all.extend(first.next());
        all.extend(second.next());
        if all.len() == before {
            break;
        }
    }
    all.truncate(max);
    all
}

/// What agents remember on the caller's behalf, for doors.
#[derive(Clone)]
pub struct Memories(pub(crate) Arc<Engine>);

impl Memories {
    /// What fits a query best; see [`Recall::search`].
    ///
    /// Errors: `Forbidden`, `Invalid`, `NotFound` (agent).
    pub async fn search(
        &self,
        principal: &Principal,
        agent: Option<&AgentId>,
        query: &str,
        max: usize,
    ) -> Result<Vec<Hit>, Error> {
        require(principal, Scope::Read)?;
        let whose = self.whose(principal, agent)?;
        self.0.store.settled().await?;
        self.0.keeper.search(&whose, query, max).await.map_err(|error| refused("query", error))
    }

    /// Remembers something for an agent.
    ///
    /// Errors: `Forbidden`, `Invalid`, `NotFound` (agent).
    pub async fn add(&self, principal: &Principal, agent: Option<&AgentId>, text: String) -> Result<Memory, Error> {
        require(principal, Scope::Write)?;
        let whose = self.whose(principal, agent)?;
        self.0.keeper.add(&whose, text, None, false, None).await.map_err(|error| refused("text", error))
    }

    /// The caller's memories, of one agent or of all, newest first.
    ///
    /// Errors: `Forbidden`, `NotFound` (agent).
    pub async fn list(
        &self,
        principal: &Principal,
        agent: Option<&AgentId>,
        from: Option<Cursor>,
        limit: Option<u32>,
    ) -> Result<Page<Memory>, Error> {
        require(principal, Scope::Read)?;
        let limit = page_size(limit)?;
        let agent = match agent {
            Some(agent) => Some(self.whose(principal, Some(agent))?.agent),
            None => None,
        };
        self.0.store.settled().await?;
        Ok(self.0.store.memories(&principal.id, agent.as_ref(), from, limit).await?)
    }

    /// One of the caller's memories. Errors: `Forbidden`, `NotFound`.
    pub async fn get(&self, principal: &Principal, id: MemoryId) -> Result<Memory, Error> {
        require(principal, Scope::Read)?;
        self.0.store.settled().await?;
        self.0.store.memory(id, &principal.id).await?.ok_or_else(|| absent(id))
    }

    /// Forgets one of the caller's memories. Errors: `Forbidden`, `NotFound`.
    pub async fn delete(&self, principal: &Principal, id: MemoryId) -> Result<(), Error> {
        require(principal, Scope::Write)?;
        match self.0.store.delete_memory(id, principal.id.clone()).await.await? {
            true => Ok(()),
            false => Err(absent(id)),
        }
    }

    /// The agent by its own id; the default one where none is named.
    fn whose(&self, principal: &Principal, agent: Option<&AgentId>) -> Result<Whose, Error> {
        let catalog = self.0.agent.catalog();
        let agent = agent.unwrap_or_else(|| catalog.default_agent());
        let known = catalog.agent(agent).ok_or_else(|| Error::NotFound { what: "agent", id: agent.to_string() })?;
        Ok(Whose { owner: principal.id.clone(), agent: known.id.clone() })
    }
}

fn absent(id: MemoryId) -> Error {
    Error::NotFound { what: "memory", id: id.to_string() }
}

/// The refusal of what stood in `field`.
fn refused(field: &str, error: MemoryError) -> Error {
    match error {
        MemoryError::Invalid(problem) => Error::invalid(field, problem),
        MemoryError::Full { .. } => Error::invalid(field, error.to_string()),
        MemoryError::Unavailable(_) => Error::Store(error.to_string()),
    }
}

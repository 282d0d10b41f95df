//! The files of a workspace that an agent knows without being told to read them.
//!
//! What the operator keeps is an instruction. `MEMORY.md` and the daily notes are an agent's own
//! words, and in the workspace of an API key every file is a tenant's: those are notes. What strangers'
//! words may be in is left out. Files are read off the async threads, a bounded beginning of each, and
//! again only when they have changed.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cap_std::fs::Dir;
use claw_core::briefing::{Briefing, BriefingContext, Origin, Rank, Section};
use claw_core::provenance::Provenance;
use claw_core::{Clock, Timestamp};

use crate::limits::{BRIEFING_FILE_BYTES_MAX, BRIEFING_FILES_REMEMBERED};
use crate::workspace::{FileState, Workspace, Workspaces, text_of};

/// What the operator keeps for an agent, in the order it is told.
const KEPT: [(&str, Rank); 5] = [
    ("AGENTS.md", Rank::High),
    ("SOUL.md", Rank::High),
    ("IDENTITY.md", Rank::High),
    ("USER.md", Rank::Normal),
    ("TOOLS.md", Rank::Normal),
];

/// What agents keep for themselves.
const MEMORY: &str = "MEMORY.md";
/// The directory of their daily notes.
const FOLDER: &str = "memory";

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Tells agents what stands in their workspaces.
pub struct WorkspaceFiles {
    workspaces: Arc<Workspaces>,
    clock: Arc<dyn Clock>,
    provenance: Arc<dyn Provenance>,
    seen: Arc<Mutex<Seen>>,
}

type Seen = HashMap<(PathBuf, String), Remembered>;

/// A file as it was read.
#[derive(Clone)]
struct Remembered {
    state: FileState,
    /// Nothing where it is no text.
    text: Option<Arc<str>>,
}

impl WorkspaceFiles {
    /// Over the files of these workspaces; the days are those of `clock`, in UTC. `provenance` knows which files
    /// hold strangers' words.
    pub fn new(workspaces: Arc<Workspaces>, clock: Arc<dyn Clock>, provenance: Arc<dyn Provenance>) -> Self {
        Self { workspaces, clock, provenance, seen: Arc::default() }
    }

    /// The section, or what stands for one that a stranger had a part in; where that cannot be known, one had.
    async fn vouched(&self, section: Section, file: &str) -> Section {
        if self.provenance.noted(file).await.is_ok_and(|(noted, _)| noted.iter().all(|noted| noted != file)) {
            return section;
        }
        let Section { title, text: _, whole_bytes: _, origin: _, rank } = section;
        let text = format!("[{title} is left out: strangers' words may be in it. Whoever reads it hears strangers.]");
        Section::whole(title, text, Origin::Notes, rank)
    }
}

#[async_trait]
impl Briefing for WorkspaceFiles {
    async fn sections(&self, about: &BriefingContext) -> Vec<Section> {
        let (workspaces, seen, now) = (Arc::clone(&self.workspaces), Arc::clone(&self.seen), self.clock.now());
        let (principal, agent) = (about.principal.id.clone(), about.agent.clone());
        let look = move || {
            let Some(workspace) = workspaces.look(&principal, &agent) else { return Vec::new() };
            let is_operators = principal.is_operator();
            Looking { workspace, seen: &seen, now }.sections(is_operators)
        };
        let found = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        let vouched = found.into_iter().map(|(section, file)| async move { self.vouched(section, &file).await });
        futures::future::join_all(vouched).await
    }
}

/// One look at one workspace.
struct Looking<'s> {
    workspace: Workspace,
    seen: &'s Mutex<Seen>,
    now: Timestamp,
}

impl Looking<'_> {
    /// Each with the file it stands in, absolute, links followed.
    fn sections(&self, is_operators: bool) -> Vec<(Section, String)> {
        let origin = if is_operators { Origin::Operator } else { Origin::Notes };
        let kept = KEPT.map(|(name, rank)| (name.to_owned(), origin, rank));
        let [today, yesterday] = [self.now, Timestamp::from_millis(self.now.millis() - DAY_MILLIS)].map(daily);
        let notes = [
            (MEMORY.to_owned(), Origin::Notes, Rank::Normal),
            (today, Origin::Notes, Rank::Normal),
            (yesterday, Origin::Notes, Rank::Low),
        ];
        let files = kept.into_iter().chain(notes);
        let placed = |(name, origin, rank): (String, Origin, Rank)| {
            let file = self.workspace.file_at(&name).ok()?;
            Some((self.section(name, origin, rank)?, file))
        };
        files.filter_map(placed).collect()
    }

    /// Nothing where there is no such file, or no word in it. What stands in its place and cannot be told is said.
    fn section(&self, name: String, origin: Origin, rank: Rank) -> Option<Section> {
        let there = self.workspace.dir().symlink_metadata(&name).ok()?;
        let left_out = |why: &str| {
            let text = format!("[{name} is left out: it is {why}.]");
            Some(Section::whole(name.clone(), text, Origin::Notes, rank))
        };
        let metadata = match self.workspace.dir().metadata(&name) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(metadata) if metadata.is_dir() => return left_out("a directory"),
            Ok(_) => return left_out("no plain file"),
            Err(_) if there.is_symlink() => return left_out("a link that leads out of the workspace, or nowhere"),
            Err(_) => return left_out("not to be opened"),
        };
        let state = FileState::of(&metadata);
        let place = (self.workspace.root().to_owned(), name.clone());
        let known = self.seen().get(&place).filter(|known| known.state == state).cloned();
        let (text, bytes) = match known {
            Some(known) => (known.text, state.bytes),
            None => match self.read(place.clone()) {
                Some(read) => read,
                None => return left_out("not to be read"),
            },
        };
        let Some(text) = text else { return left_out("no text") };
        let is_beginning = bytes > BRIEFING_FILE_BYTES_MAX;
        let whole_bytes = is_beginning.then_some(bytes);
        (!text.trim().is_empty()).then_some(Section { title: place.1, text, whole_bytes, origin, rank })
    }

    fn read(&self, place: (PathBuf, String)) -> Option<(Option<Arc<str>>, u64)> {
        let (file, metadata) = self.workspace.open_file(&place.1).ok()?;
        let mut bytes = Vec::new();
        file.take(BRIEFING_FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let text: Option<Arc<str>> = (!bytes.contains(&0)).then(|| text_of(&bytes).into());
        let state = FileState::of(&metadata);
        if state.is_settled(self.now) {
            let mut seen = self.seen();
            if seen.len() >= BRIEFING_FILES_REMEMBERED {
                seen.clear();
            }
            seen.insert(place, Remembered { state, text: text.clone() });
        }
        Some((text, state.bytes))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what stands at this path of a workspace configures agents, who are told of it before their conversations, or
/// commands: the workspace is their home, and what begins with a dot there is obeyed by one program or another.
pub(crate) fn configures(written: &str, workspace: &Workspace) -> bool {
    // Where it leads nowhere the tool says so itself.
    let Ok(place) = workspace.place(written) else { return false };
    let mut parts = place.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().to_ascii_lowercase()),
        Component::CurDir | Component::ParentDir | Component::RootDir | Component::Prefix(_) => None,
    });
    let first = parts.next().unwrap_or_default();
    let is_kept = KEPT.iter().map(|(name, _)| *name).chain([MEMORY]).any(|name| name.eq_ignore_ascii_case(&first));
    is_kept || first == FOLDER || first.starts_with('.')
}

/// The files of a workspace that agents are told of, links followed, by their paths from its root. Blocks on the disk.
pub(crate) fn told(dir: &Dir) -> io::Result<Vec<PathBuf>> {
    let mut names: Vec<PathBuf> = KEPT.iter().map(|(name, _)| *name).chain([MEMORY]).map(PathBuf::from).collect();
    match dir.read_dir(FOLDER) {
        Ok(notes) => {
            for note in notes {
                names.push(Path::new(FOLDER).join(note?.file_name()));
            }
        }
        // There are none.
        Err(_absent) => {}
    }
    Ok(names.iter().filter_map(|name| dir.canonicalize(name).ok()).collect())
}

/// Where the notes of a day lie.
fn daily(at: Timestamp) -> String {
    let day: String = at.to_string().chars().take(10).collect();
    format!("{FOLDER}/{day}.md")
}

#[cfg(test)]
#[path = "briefing/tests.rs"]
mod tests;

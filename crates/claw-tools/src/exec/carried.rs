//! What a command may have carried strangers' words into.
//!
//! Nobody sees what a command does with what it reads. So where strangers were heard before it, every file that is
//! another one after it is noted, as one that a tool had written: more than need be, and none too few. Where that cannot
//! be followed, the workspace as a whole counts as theirs. Where none were heard and their words only lie in the
//! workspace, that holds for the files alone that agents are told of: a command may read what nobody sees it name.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use claw_core::provenance::Provenance;
use claw_runtime::TaskScope;
use tokio::sync::Mutex;

use crate::briefing;
use crate::limits::{CARRIED_FILES_MAX, WALK_DEPTH_MAX};
use crate::workspace::FileState;

/// The plain files of a workspace, by their paths from its root.
type Files = HashMap<PathBuf, FileState>;

/// Which files are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// All.
    All,
    /// Those that agents are told of before their conversations.
    Told,
}

/// Follows what a command changes in a workspace; whoever drops it has it looked at a last time.
pub(super) struct Carried {
    look: Arc<Look>,
    scope: TaskScope,
    is_done: bool,
}

/// A workspace as it was when it was looked at last.
pub(super) struct Look {
    root: PathBuf,
    which: Which,
    before: Mutex<Files>,
    provenance: Arc<dyn Provenance>,
}

impl Carried {
    /// Looks at the files; `scope` carries out what is left to do where nobody waits for it any more.
    ///
    /// Errors: there are too many files, or they cannot be looked at.
    pub(super) async fn begin(
        root: PathBuf,
        which: Which,
        provenance: Arc<dyn Provenance>,
        scope: TaskScope,
    ) -> Result<Self, String> {
        let before = Mutex::new(look(root.clone(), which).await?);
        Ok(Self { look: Arc::new(Look { root, which, before, provenance }), scope, is_done: false })
    }

    /// What is looked at while the command runs.
    pub(super) fn look(&self) -> Arc<Look> {
        Arc::clone(&self.look)
    }

    /// The command has ended: notes what it has changed.
    pub(super) async fn end(mut self) {
        self.look.again().await;
        self.is_done = true;
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if !self.is_done {
            let look = Arc::clone(&self.look);
            drop(self.scope.spawn(move |_closing| async move { look.again().await }));
        }
    }
}

impl Look {
    /// Notes what has changed since. Cancel-safe: what was not noted is found by the next look.
    pub(super) async fn again(&self) {
        let Self { root, which, before, provenance } = self;
        let mut before = before.lock().await;
        let noted = match look(root.clone(), *which).await {
            Ok(after) => {
                let is_other = |(path, state): &(&PathBuf, &FileState)| before.get(*path) != Some(*state);
                let changed = after.iter().filter(is_other);
                let files: Vec<String> =
                    changed.map(|(path, _)| root.join(path).to_string_lossy().into_owned()).collect();
                let noted = if files.is_empty() { Ok(()) } else { provenance.note(&files).await };
                if noted.is_ok() {
                    *before = after;
                }
                noted
            }
            Err(why) => {
                tracing::warn!(
                    "{} counts as written by strangers until the operator trusts it (`openclaw tools trust`), since it cannot be followed: {why}",
                    root.display()
                );
                note_all(root, &**provenance).await
            }
        };
        if let Err(why) = noted {
            let root = root.display();
            tracing::warn!("it cannot be noted which files in {root} may hold strangers' words by a command: {why}");
        }
    }
}

/// Notes a whole workspace. Errors: that cannot be noted.
pub(super) async fn note_all(root: &Path, provenance: &dyn Provenance) -> Result<(), String> {
    provenance.note(&[root.to_string_lossy().into_owned()]).await
}

async fn look(root: PathBuf, which: Which) -> Result<Files, String> {
    let looked = tokio::task::spawn_blocking(move || match which {
        Which::All => files(&root),
        Which::Told => told(&root),
    });
    let looked = looked.await;
    looked.map_err(|died| died.to_string())?.map_err(|error| error.to_string())
}

fn told(root: &Path) -> io::Result<Files> {
    let dir = Dir::open_ambient_dir(root, ambient_authority())?;
    let there = briefing::told(&dir)?.into_iter().filter_map(|path| {
        let metadata = dir.metadata(&path).ok().filter(Metadata::is_file)?;
        Some((path, FileState::of(&metadata)))
    });
    Ok(there.collect())
}

/// Links are not followed. Blocks on the disk.
fn files(root: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    let mut waiting = vec![(Dir::open_ambient_dir(root, ambient_authority())?, PathBuf::new(), 0)];
    while let Some((dir, path, depth)) = waiting.pop() {
        for entry in dir.entries()? {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            let here = path.join(entry.file_name());
            if metadata.is_dir() && depth < WALK_DEPTH_MAX {
                // One that has gone meanwhile, or became a link, is passed over.
                waiting.extend(entry.open_dir().ok().map(|dir| (dir, here, depth + 1)));
            } else if metadata.is_file() {
                files.insert(here, FileState::of(&metadata));
            }
            if files.len() > CARRIED_FILES_MAX {
                return Err(io::Error::other(format!("there are more than {CARRIED_FILES_MAX} files")));
            }
        }
    }
    Ok(files)
}

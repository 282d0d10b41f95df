//! Whether a skill is still what the operator let in (advisory 82).
//!
//! One that is not is no longer taught, until it is installed again or somebody says that it is right as it
//! is. A folder that somebody put there by hand, or that lies in a workspace, has no record, was looked through by
//! nobody, and is not taught either until then. An installed skill's record lies in its folder; that of one in a
//! workspace beside the installed ones, since agents write what lies in a workspace and nothing else.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, MetadataExt as _};
use sha2::{Digest as _, Sha256};

use crate::contents::{Contents, is_none_of_it};
use crate::folder;
use crate::install::Origin;
use crate::limits::{DEPTH_MAX, FILES_MAX};

/// The folder of a workspace that holds skills.
pub(crate) const IN_WORKSPACE: &str = "skills";

/// Whether a skill is what somebody let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is.
    Right,
    /// It was, and is something else now.
    Changed,
    /// Nobody has let it in.
    Unpinned,
}

impl Pin {
    pub(crate) fn standing(&self) -> Standing {
        match self {
            Self::Unrecorded => Standing::Unpinned,
            Self::Intact { .. } => Standing::Right,
            Self::Changed => Standing::Changed,
        }
    }
}

/// How a folder stands to its record.
pub(crate) enum Pin {
    /// It has none.
    Unrecorded,
    /// It is that to the byte.
    Intact {
        contents: Contents,
        /// Whether the scan found something in it that was accepted: it is taught, and its words are a stranger's.
        has_findings: bool,
    },
    /// It is something else, or cannot be looked through.
    Changed,
}

/// Where the record of what somebody let in lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// In the skill's own folder.
    Inside,
    /// In a file of its own.
    Beside(PathBuf),
}

/// The directory, among the installed skills, of the records of those that lie in workspaces.
const BESIDE: &str = ".pins";

/// The record of the skill of that name in a workspace: it is of this one place, and says nothing of the same files
/// elsewhere.
pub(crate) fn in_workspace(managed: &Path, workspace: &Path, name: &str) -> PathBuf {
    let place = folder_of(workspace, name);
    let name = hex::encode(Sha256::digest(place.as_os_str().as_encoded_bytes()));
    managed.join(BESIDE).join(format!("{name}.json"))
}

/// The folder of a workspace's skill.
pub(crate) fn folder_of(workspace: &Path, name: &str) -> PathBuf {
    // However it is spelled, and by whatever link it is named: one place.
    let real = workspace.canonicalize().unwrap_or_else(|_| workspace.components().collect());
    real.join(IN_WORKSPACE).join(name)
}

impl Record {
    /// What it says; nothing if there is none.
    ///
    /// Errors: in words.
    pub(crate) fn read(&self, dir: &Dir) -> Result<Option<Origin>, String> {
        match self {
            Self::Inside => Origin::read_in(dir),
            Self::Beside(path) => Origin::read_at(path),
        }
    }
}

/// Reads the whole folder, if there is a record of it, as far as that goes: where agents write, hidden files count, too.
/// Blocks on the disk.
pub(crate) fn look(dir: &Dir, kept: &Record, record: Result<Option<Origin>, String>) -> Pin {
    let gather = match kept {
        Record::Inside => folder::gather_in,
        Record::Beside(_) => folder::gather_all,
    };
    match record {
        Ok(None) => Pin::Unrecorded,
        Ok(Some(origin)) => match gather(dir) {
            Ok(contents) if hex::encode(contents.digest()) == origin.digest => {
                Pin::Intact { contents, has_findings: origin.accepted_findings > 0 }
            }
            Ok(_) | Err(_) => Pin::Changed,
        },
        Err(_) => Pin::Changed,
    }
}

/// What a folder is known by while nothing in it changes: no file is read for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    sum: u64,
    /// Seconds of the newest change.
    pub(crate) changed: i64,
}

impl Mark {
    /// Of the folder as it is now. What cannot be looked at counts as something, too.
    pub(crate) fn of(dir: &Dir) -> Self {
        let mut mark = Marking { hasher: DefaultHasher::new(), changed: 0, left: FILES_MAX * 2 };
        mark.take(dir, 0);
        Self { sum: mark.hasher.finish(), changed: mark.changed }
    }
}

struct Marking {
    hasher: DefaultHasher,
    changed: i64,
    left: usize,
}

impl Marking {
    fn take(&mut self, dir: &Dir, depth: usize) {
        let mut entries: Vec<_> = dir.entries().into_iter().flatten().take(self.left).filter_map(Result::ok).collect();
        entries.sort_by_key(cap_std::fs::DirEntry::file_name);
        for entry in entries {
            self.left = self.left.saturating_sub(1);
            entry.file_name().hash(&mut self.hasher);
            let Ok(metadata) = entry.metadata() else { continue };
            let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
            (metadata.mode(), metadata.ino(), metadata.size(), times).hash(&mut self.hasher);
            self.changed = self.changed.max(metadata.ctime());
            // As far as the digest goes, and no further: what it leaves out may not use up the room.
            let is_none_of_it = entry.file_name().to_str().is_some_and(is_none_of_it);
            if metadata.is_dir()
                && !is_none_of_it
                && depth < DEPTH_MAX
                && let Ok(inside) = entry.open_dir()
            {
                self.take(&inside, depth + 1);
            }
        }
    }
}

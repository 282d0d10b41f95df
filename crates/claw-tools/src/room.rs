//! How much may lie in the workspaces of whoever is not the operator (G9, G13).
//!
//! A room is all that one API key's agents have written, a directory for each of them. What lies there is measured
//! when it is first needed and after every command; in between the file tools add up what they write. A file counts
//! by its length, or by its blocks where those are more, and everything counts at least a block: neither holes nor
//! empty files are free, and there are never more of them to count than fit.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt as _};
use claw_core::PrincipalId;

use crate::limits::ROOMS_REMEMBERED;
use crate::workspace::Workspaces;

/// What the smallest thing takes.
const BLOCK: u64 = 4096;
/// Bytes of one of the blocks that file systems count in.
const COUNTED_BLOCK: u64 = 512;

/// The rooms of everybody. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Rooms {
    /// Of each; 0 is no limit.
    bytes_max: u64,
    known: Arc<Mutex<HashMap<PathBuf, Arc<Room>>>>,
}

impl Rooms {
    /// Of so many bytes each; 0 is no limit.
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max, known: Arc::default() }
    }

    /// The room of `principal`; nothing where it is not bounded.
    pub(crate) fn of(&self, workspaces: &Workspaces, principal: &PrincipalId) -> Option<Arc<Room>> {
        if self.bytes_max == 0 || principal.is_operator() {
            return None;
        }
        let path = workspaces.room(principal)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = known.get(&path) {
            return Some(Arc::clone(room));
        }
        if known.len() >= ROOMS_REMEMBERED {
            // Whoever uses one keeps it; the others are measured anew.
            known.retain(|_, room| Arc::strong_count(room) > 1);
        }
        let room = Arc::new(Room { path: path.clone(), bytes_max: self.bytes_max, used: Mutex::default() });
        known.insert(path, Arc::clone(&room));
        Some(room)
    }
}

/// All that one principal's agents have written.
#[derive(Debug)]
pub(crate) struct Room {
    path: PathBuf,
    bytes_max: u64,
    /// What lies there; nothing where something may have changed it.
    used: Mutex<Option<u64>>,
}

impl Room {
    /// Sets aside what a change takes, or says why it cannot be. Blocks on the disk.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), String> {
        let mut used = self.lock();
        let now = match *used {
            Some(used) => used,
            None => self.measured(self.bytes_max)?.used,
        };
        if bytes > 0 && now.saturating_add(bytes) > self.bytes_max {
            return Err(self.full(now));
        }
        // What is more than there is room for was not counted to its end.
        *used = (now <= self.bytes_max).then_some(now + bytes);
        Ok(())
    }

    /// What is no longer there.
    pub(crate) fn give_back(&self, bytes: u64) {
        let mut used = self.lock();
        *used = used.map(|now| now.saturating_sub(bytes));
    }

    /// Something has happened that nobody has added up.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    /// How large a file may be that a command writes: what is left, on top of the largest that is there, which may be
    /// the one that grows; none where the room is full, so that it can still delete. Blocks on the disk.
    ///
    /// Errors: there is so much more than allowed that no command is to run, or nobody can tell how much.
    pub(crate) fn file_bytes_max(&self) -> Result<u64, String> {
        let too_much = self.bytes_max.saturating_add(self.bytes_max / 8);
        let Measured { used, largest } = self.measured(too_much)?;
        if used > too_much {
            return Err(format!("{}; a patch with `*** Delete File: <path>` makes room for commands", self.full(used)));
        }
        let left = self.bytes_max.saturating_sub(used);
        Ok(if left == 0 { 0 } else { left.saturating_add(largest).min(self.bytes_max) })
    }

    /// How much room there is yet. Blocks on the disk.
    ///
    /// One that was full when the command began, which can then write into no file, may hold a little more: what the file
    /// system itself takes for what lies there, and what it takes to delete it.
    ///
    /// Errors: why a command has to end: what lies there now is too much.
    pub(crate) fn left(&self, was_full: bool) -> Result<u64, String> {
        let max = self.bytes_max.saturating_add(if was_full { self.bytes_max / 8 } else { 0 });
        let used = self.measured(max)?.used;
        max.checked_sub(used).ok_or_else(|| self.full(used))
    }

    fn measured(&self, enough: u64) -> Result<Measured, String> {
        measure(&self.path, enough).map_err(|error| format!("the workspace cannot be measured: {error}"))
    }

    fn full(&self, used: u64) -> String {
        let (used, max) = (used.min(self.bytes_max).div_ceil(1 << 20), self.bytes_max >> 20);
        format!("the workspace is full ({used} of {max} MB); delete what is not needed any more, or write less")
    }

    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What something of so many bytes takes.
pub(crate) const fn taken(bytes: u64) -> u64 {
    let blocks = bytes.div_ceil(BLOCK);
    if blocks == 0 { BLOCK } else { blocks.saturating_mul(BLOCK) }
}

fn taken_by(metadata: &Metadata) -> u64 {
    let bytes = if metadata.is_dir() { 0 } else { metadata.len() };
    taken(bytes.max(metadata.blocks().saturating_mul(COUNTED_BLOCK)))
}

/// What lies in a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Measured {
    used: u64,
    /// The length of the longest file.
    largest: u64,
}

/// What lies below `path`, or something more than `enough`; links are not followed. A file of several names counts
/// once.
fn measure(path: &Path, enough: u64) -> io::Result<Measured> {
    let mut sum = Measured::default();
    let root = match Dir::open_ambient_dir(path, ambient_authority()) {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(sum),
        Err(error) => return Err(error),
    };
    let mut seen = HashSet::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(directory) = waiting.pop() {
        for entry in entries(&root, &directory)? {
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // It has gone meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if metadata.is_dir() {
                waiting.push(directory.join(entry.file_name()));
            } else if metadata.nlink() > 1 && !seen.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
            sum.used = sum.used.saturating_add(taken_by(&metadata));
            if metadata.is_file() {
                sum.largest = sum.largest.max(metadata.len());
            }
            if sum.used > enough {
                return Ok(sum);
            }
        }
    }
    Ok(sum)
}

/// What stands in a directory; nothing where it has gone meanwhile.
fn entries(root: &Dir, directory: &Path) -> io::Result<Vec<DirEntry>> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    match root.read_dir(here) {
        Ok(found) => found.collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn room(bytes_max: u64) -> (tempfile::TempDir, Room) {
        let home = tempfile::tempdir().unwrap();
        let room = Room { path: home.path().join("key"), bytes_max, used: Mutex::default() };
        std::fs::create_dir(&room.path).unwrap();
        (home, room)
    }

    #[test]
    fn everything_takes_at_least_a_block_and_a_file_of_two_names_counts_once() {
        let (_home, room) = room(MB);
        assert_eq!(measure(&room.path, MB).unwrap(), Measured::default());
        let at = |name: &str| room.path.join(name);
        std::fs::create_dir(at("d")).unwrap();
        std::fs::write(at("d/empty"), "").unwrap();
        std::fs::write(at("d/five"), vec![b'x'; 5_000]).unwrap();
        std::fs::hard_link(at("d/five"), at("again")).unwrap();
        std::os::unix::fs::symlink("/", at("link")).unwrap();
        let Measured { used, largest } = measure(&room.path, MB).unwrap();
        assert!((5 * BLOCK..=7 * BLOCK).contains(&used), "a directory, two files, a link: {used}");
        assert_eq!(largest, 5_000);
        assert_eq!(
            room.file_bytes_max(),
            Ok(MB - used + 5_000),
            "the rest, on top of the file that may be the one to grow"
        );
        assert_eq!(room.left(false), Ok(MB - used));
        assert_eq!(measure(Path::new("/nowhere/at/all"), MB).unwrap(), Measured::default());
    }

    #[test]
    fn a_hole_is_not_free_and_counting_ends_where_it_is_too_much() {
        let (_home, room) = room(MB);
        std::fs::File::create(room.path.join("hole")).unwrap().set_len(1 << 40).unwrap();
        assert!(measure(&room.path, MB).unwrap().used > MB);
        assert_eq!([false, true].map(|was_full| room.left(was_full)), [(); 2].map(|()| Err(room.full(2 * MB))));
        assert_eq!(room.reserve(1).unwrap_err(), room.full(2 * MB));
        assert_eq!(room.reserve(0), Ok(()), "what takes no more is let through");
        assert!(room.file_bytes_max().unwrap_err().contains("Delete File"));
        std::fs::remove_file(room.path.join("hole")).unwrap();
        assert_eq!(room.reserve(MB), Ok(()), "what was too much to count is counted anew");
        assert_eq!(room.file_bytes_max(), Ok(MB), "it was only set aside");
    }

    #[test]
    fn what_is_set_aside_is_counted_until_it_is_given_back() {
        let (_home, room) = room(MB);
        room.reserve(MB / 2).unwrap();
        assert!(room.reserve(MB / 2 + 1).unwrap_err().starts_with("the workspace is full (1 of 1 MB)"));
        room.give_back(1);
        room.reserve(MB / 2 + 1).unwrap();
        room.forget();
        room.reserve(MB).unwrap();
    }
}

//! Directories of skills: what is in them, and what is remembered of it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use cap_std::fs::{Dir, MetadataExt as _};
use claw_core::Timestamp;
use claw_core::skill::Broken;

use crate::limits::{BROKEN_TOLD_MAX, CHANGE_SHOWS_AFTER, DIRECTORIES_MAX, ENTRIES_MAX, SKILL_BYTES_MAX, SKILLS_MAX};
use crate::manifest::{self, Manifest};
use crate::pin::{self, IN_WORKSPACE, Mark, Pin, Record, Standing};
use crate::{bundled, folder};

/// Where a skill's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this program, under its name.
    Bundled(&'static str),
    /// On the disk: a directory that the operator named, a path in it that no link leads out of, and what the operator let in
    /// there.
    Folder { root: PathBuf, inside: String, record: Record },
}

impl Place {
    /// Its folder and its `SKILL.md`, as they are told.
    pub(super) fn shown(&self, shows_root: bool) -> (String, String) {
        let base = match self {
            Self::Bundled(name) => format!("bundled:{name}"),
            Self::Folder { root, inside, .. } if shows_root => root.join(inside).display().to_string(),
            Self::Folder { inside, .. } => inside.clone(),
        };
        let file = format!("{base}/{}", manifest::FILE);
        (base, file)
    }
}

/// What a directory holds.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) skills: Vec<(Place, Arc<Manifest>, Standing)>,
    pub(super) broken: Vec<Broken>,
}

/// What a `SKILL.md` is known by while it does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn is_settled(&self, now: Timestamp) -> bool {
        is_settled(self.changed.0, now)
    }
}

/// Whether a further change would show: one within the file system's own step may not.
fn is_settled(changed_seconds: i64, now: Timestamp) -> bool {
    now.since(Timestamp::from_millis(changed_seconds.saturating_mul(1_000))) > CHANGE_SHOWS_AFTER
}

type Read = Result<Arc<Manifest>, Arc<[String]>>;

/// What was read of one directory, by the names of the folders in it.
type Known = HashMap<String, (Stamp, Read)>;

/// What was read before.
#[derive(Default)]
pub(super) struct Seen {
    /// By directory and folder in it.
    known: Mutex<HashMap<PathBuf, Known>>,
    /// How they stand to what the operator let in, by directory and name.
    pins: Mutex<HashMap<PathBuf, HashMap<String, Pinned>>>,
}

/// What is remembered of a skill that was held against its record.
#[derive(Debug, Clone)]
struct Pinned {
    /// How its folder was, if a change since then would show.
    mark: Option<Mark>,
    /// The digest it was held against.
    wanted: Option<String>,
    standing: Standing,
    /// What it says of itself in the very bytes that were let in.
    manifest: Option<Arc<Manifest>>,
}

impl Pinned {
    fn unseen(standing: Standing) -> Self {
        Self { mark: None, wanted: None, standing, manifest: None }
    }
}

impl Seen {
    /// The skills of a workspace; `managed` is where it is recorded which the operator let in.
    pub(super) fn workspace(&self, root: &Path, managed: &Path, shows_root: bool, now: Timestamp) -> Directory {
        let record = |name: &str| Record::Beside(pin::in_workspace(managed, root, name));
        let directory = self.directory((root, IN_WORKSPACE), &record, shows_root, now);
        self.hold(root, directory, now)
    }

    /// The skills that were installed.
    pub(super) fn managed(&self, root: &Path, now: Timestamp) -> Directory {
        let directory = self.directory((root, ""), &|_| Record::Inside, true, now);
        self.hold(root, directory, now)
    }

    /// Holds each against its record.
    fn hold(&self, root: &Path, mut directory: Directory, now: Timestamp) -> Directory {
        let before = self.pins().get(root).cloned().unwrap_or_default();
        let mut pins = HashMap::with_capacity(directory.skills.len());
        let mut unpinned = 0;
        for (place, manifest, standing) in &mut directory.skills {
            let then = before.get(&manifest.name);
            // One that is gone by now is not taught either.
            let pinned = held(place, then, now).unwrap_or(Pinned::unseen(Standing::Changed));
            *standing = pinned.standing;
            if then.is_none_or(|then| then.standing != *standing) {
                match *standing {
                    Standing::Right => {}
                    Standing::Changed => warn_of_change(&manifest.name),
                    Standing::Unpinned => unpinned += 1,
                }
            }
            let name = manifest.name.clone();
            if let Some(told) = &pinned.manifest {
                *manifest = Arc::clone(told);
            }
            pins.insert(name, pinned);
        }
        if unpinned > 0 {
            // One line, however many an agent puts there.
            tracing::warn!(
                unpinned,
                "{unpinned} skills in {} were let in by nobody: they are not taught, see `openclaw skills list`",
                root.display()
            );
        }
        let mut seen = self.pins();
        if seen.len() >= DIRECTORIES_MAX && !seen.contains_key(root) {
            seen.clear();
        }
        seen.insert(root.to_owned(), pins);
        directory
    }

    fn pins(&self) -> MutexGuard<'_, HashMap<PathBuf, HashMap<String, Pinned>>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(
        &self,
        (root, inside): (&Path, &str),
        record: &dyn Fn(&str) -> Record,
        shows_root: bool,
        now: Timestamp,
    ) -> Directory {
        let dir = match open_directory(root, inside) {
            Ok(Some(dir)) => dir,
            Ok(None) => return Directory::default(),
            Err(error) => {
                let path = root.join(inside).display().to_string();
                let problems = vec![format!("the directory cannot be read: {error}")];
                return Directory { skills: Vec::new(), broken: vec![Broken { path, problems }] };
            }
        };
        let (found, mut broken) = list(&dir);
        let remembered = self.remembered(root);
        let mut known = HashMap::with_capacity(found.len());
        let mut directory = Directory::default();
        let mut is_news = remembered.len() != found.len();
        for (name, stamp) in found {
            let read = match remembered.get(&name).filter(|(then, _)| *then == stamp) {
                Some((_, read)) => read.clone(),
                None => {
                    is_news = true;
                    read_skill(&dir, &name)
                }
            };
            let place = if inside.is_empty() { name.clone() } else { format!("{inside}/{name}") };
            let place = Place::Folder { root: root.to_owned(), inside: place, record: record(&name) };
            match &read {
                // Nobody has looked yet.
                Ok(manifest) => directory.skills.push((place, Arc::clone(manifest), Standing::Unpinned)),
                Err(problems) => broken.push((name.clone(), problems.to_vec())),
            }
            if stamp.is_settled(now) {
                known.insert(name, (stamp, read));
            }
        }
        for (name, problems) in broken {
            let path = if shows_root { root.join(inside).join(&name).display().to_string() } else { name };
            directory.broken.push(Broken { path, problems });
        }
        if is_news {
            self.remember(root, known);
            tell(&directory);
        }
        directory
    }

    fn remembered(&self, root: &Path) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(root).cloned().unwrap_or_default()
    }

    fn remember(&self, root: &Path, known: Known) {
        let mut seen = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= DIRECTORIES_MAX && !seen.contains_key(root) {
            seen.clear();
        }
        seen.insert(root.to_owned(), known);
    }
}

/// Reads no file of a folder that nobody has let in, or in which nothing has changed.
fn held(place: &Place, before: Option<&Pinned>, now: Timestamp) -> Option<Pinned> {
    let Place::Folder { root, inside, record } = place else { return None };
    let dir = open_skill(root, inside).ok().flatten()?;
    let (kept, record) = (record, record.read(&dir));
    let wanted = record.as_ref().ok().and_then(|origin| Some(origin.as_ref()?.digest.clone()));
    if matches!(record, Ok(None)) {
        return Some(Pinned::unseen(Standing::Unpinned));
    }
    // Taken before anything is read, so that what changes meanwhile is another state.
    let mark = Mark::of(&dir);
    match before {
        Some(before) if before.mark == Some(mark) && before.wanted == wanted => return Some(before.clone()),
        Some(_) | None => {}
    }
    let pin = pin::look(&dir, kept, record);
    let manifest = match &pin {
        // What was listed may have been another file: only these bytes were let in.
        Pin::Intact { contents, .. } => {
            let manifest = contents.get(manifest::FILE).and_then(|bytes| manifest::parse(bytes).ok())?;
            Some(Arc::new(Some(manifest).filter(|manifest| inside.rsplit('/').next() == Some(&manifest.name))?))
        }
        Pin::Unrecorded | Pin::Changed => None,
    };
    Some(Pinned { mark: is_settled(mark.changed, now).then_some(mark), wanted, standing: pin.standing(), manifest })
}

fn warn_of_change(name: &str) {
    tracing::warn!("the skill {name} is not what was let in: it is not taught, see `openclaw skills info {name}`");
}

/// Tells of some, however many an agent makes.
fn tell(directory: &Directory) {
    for Broken { path, problems } in directory.broken.iter().take(BROKEN_TOLD_MAX) {
        let first = problems.first().map(String::as_str).unwrap_or_default();
        tracing::warn!(problems = problems.len(), "{path} is no skill: {first}");
    }
}

/// The skills of this program; read once.
pub(super) fn bundled() -> impl Iterator<Item = (Place, Arc<Manifest>)> {
    static READ: LazyLock<Vec<(&'static str, Arc<Manifest>)>> = LazyLock::new(|| {
        let files = bundled::names().filter_map(|name| {
            let (_, text) = bundled::files(name).find(|(path, _)| *path == manifest::FILE)?;
            Some((name, Arc::new(manifest::parse(text.as_bytes()).ok()?)))
        });
        files.collect()
    });
    READ.iter().map(|(name, manifest)| (Place::Bundled(name), Arc::clone(manifest)))
}

/// Opens a skill's folder; nothing where there is none.
pub(crate) fn open_skill(root: &Path, inside: &str) -> io::Result<Option<Dir>> {
    open_directory(root, inside)
}

fn open_directory(root: &Path, inside: &str) -> io::Result<Option<Dir>> {
    match folder::open(root)? {
        Some(dir) if inside.is_empty() => Ok(Some(dir)),
        Some(dir) => folder::open_inside(&dir, inside),
        None => Ok(None),
    }
}

/// A folder that cannot be read, and why.
type Unread = (String, Vec<String>);

/// The folders that have a `SKILL.md`, by name, and those of which nothing can be known.
fn list(dir: &Dir) -> (Vec<(String, Stamp)>, Vec<Unread>) {
    let (mut found, mut broken) = (Vec::new(), Vec::new());
    let entries = dir.entries().into_iter().flatten().take(ENTRIES_MAX).filter_map(Result::ok);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        match dir.metadata(format!("{name}/{}", manifest::FILE)) {
            Ok(metadata) => {
                let stamp = Stamp {
                    inode: metadata.ino(),
                    bytes: metadata.size(),
                    written: (metadata.mtime(), metadata.mtime_nsec()),
                    changed: (metadata.ctime(), metadata.ctime_nsec()),
                };
                found.push((name, stamp));
            }
            // A file beside the folders, or a folder of something else.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => broken.push((name, vec![format!("{} cannot be read: {error}", manifest::FILE)])),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, _) in found.drain(SKILLS_MAX.min(found.len())..) {
        broken.push((name, vec![format!("a directory holds at most {SKILLS_MAX} skills")]));
    }
    broken.sort();
    (found, broken)
}

fn read_skill(dir: &Dir, name: &str) -> Read {
    let file = |dir: &Dir| folder::read(dir, manifest::FILE, SKILL_BYTES_MAX);
    let bytes = dir.open_dir(name).and_then(|dir| file(&dir));
    let bytes = bytes.map_err(|error| Arc::from([format!("{} cannot be read: {error}", manifest::FILE)]))?;
    let manifest = manifest::parse(&bytes)
        .map_err(|problems| -> Arc<[String]> { problems.iter().map(ToString::to_string).collect::<Vec<_>>().into() })?;
    if manifest.name != name {
        let (found, folder) = (&manifest.name, name);
        let problem = format!("{}: name: found {found:?}, allowed: the name of its folder, {folder:?}", manifest::FILE);
        return Err(Arc::from([problem]));
    }
    Ok(Arc::new(manifest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_just_changed_is_read_again() {
        let stamp = Stamp { inode: 1, bytes: 1, written: (0, 0), changed: (100, 999_999_999) };
        let settled = |millis| stamp.is_settled(Timestamp::from_millis(millis));
        // A clock that was put back makes nothing settled.
        assert_eq!([50_000, 100_999, 101_000, 101_001].map(settled), [false, false, false, true]);
    }
}

//! The directory an agent works in, reached through a handle that no path leads out of.
//!
//! `..`, absolute paths and symbolic links are resolved by the kernel under the handle
//! (`openat2`, `RESOLVE_BENEATH`), so there is no moment between check and use (advisories 49, 51).
//! A file with a second name is not written to: its other name may lie outside (52). Whatever is
//! neither a file nor a directory is not opened: a pipe would never answer.

use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use claw_core::tool::{ToolContext, ToolError};
use claw_core::{AgentId, PrincipalId, Timestamp};

use crate::limits::{CHANGE_SHOWS_AFTER, FILE_BYTES_MAX, PATH_BYTES_MAX};
use crate::room::{Room, Rooms, taken};

/// A repository's own directory. Whoever writes there has every command of git's run what they like.
const GIT: &str = ".git";

/// `O_NONBLOCK`, so that opening a pipe that took a file's place returns.
#[cfg(target_os = "linux")]
pub(crate) const NONBLOCK: i32 = 0o4000;
#[cfg(not(target_os = "linux"))]
pub(crate) const NONBLOCK: i32 = 0x0004;

/// Which directory is whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspaces {
    /// Of every agent that has none of its own; absolute.
    pub default: PathBuf,
    /// Of single agents; absolute.
    pub agents: Vec<(AgentId, PathBuf)>,
    /// Where API keys have theirs, one each and apart from the operator's; absolute (G13).
    pub api_keys: PathBuf,
}

impl Workspaces {
    /// The directory of the run that calls.
    ///
    /// Errors: [`ToolError::Failed`] – the principal's id is no name of a directory.
    pub(crate) fn path(&self, context: &ToolContext) -> Result<PathBuf, ToolError> {
        let absent = || ToolError::Failed("there is no workspace for this caller".into());
        self.of(&context.agent, &context.principal.id).ok_or_else(absent)
    }

    /// The directory of an agent that works on somebody's behalf; nothing when the principal's id is no
    /// name of a directory.
    pub fn of(&self, agent: &AgentId, principal: &PrincipalId) -> Option<PathBuf> {
        if !principal.is_operator() {
            return Some(self.room(principal)?.join(agent.as_str()));
        }
        let own = self.agents.iter().find(|(known, _)| known == agent).map(|(_, path)| path);
        Some(own.unwrap_or(&self.default).clone())
    }

    /// Where all agents work on behalf of somebody who is not the operator; nothing when the principal's id is
    /// no name of a directory.
    pub(crate) fn room(&self, principal: &PrincipalId) -> Option<PathBuf> {
        let name = principal.as_str();
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') && !name.is_empty();
        is_name.then(|| self.api_keys.join(name))
    }

    /// Opens an agent's directory as it is; nothing where there is none. Blocks on the disk.
    pub(crate) fn look(&self, principal: &PrincipalId, agent: &AgentId) -> Option<Workspace> {
        let root = self.of(agent, principal)?;
        let dir = Dir::open_ambient_dir(&root, ambient_authority()).ok()?;
        Some(Workspace { root, dir, room: None, wanted: Wanted::default() })
    }

    /// Opens it, made if it is not there. Blocks on the disk.
    pub(crate) fn open(&self, context: &ToolContext, rooms: &Rooms) -> Result<Workspace, ToolError> {
        let root = self.path(context)?;
        let opened = make_private(&root).and_then(|()| Dir::open_ambient_dir(&root, ambient_authority()));
        let dir = opened.map_err(|error| ToolError::Failed(format!("the workspace cannot be opened: {error}")))?;
        Ok(Workspace { root, dir, room: rooms.of(self, &context.principal.id), wanted: Wanted::default() })
    }
}

fn make_private(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root)
}

/// Whether somebody still waits for what is done on a thread that nobody can stop from outside.
#[derive(Debug, Clone)]
pub(crate) struct Wanted(Arc<AtomicBool>);

impl Default for Wanted {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Wanted {
    /// As long as this is held.
    pub(crate) fn guard(&self) -> WhileWanted {
        WhileWanted(self.clone())
    }
}

/// Whoever drops it does not wait any more.
pub(crate) struct WhileWanted(Wanted);

impl Drop for WhileWanted {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

/// An open workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    dir: Dir,
    /// Where there is a limit to what may lie in it.
    room: Option<Arc<Room>>,
    wanted: Wanted,
}

impl Workspace {
    /// The same, as long as somebody waits.
    pub(crate) fn while_wanted(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// Errors: nobody waits any more, so nothing more is to be done.
    pub(crate) fn require_wanted(&self) -> Result<(), ToolError> {
        match self.wanted.0.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err(ToolError::Failed("nobody waits for it any more".into())),
        }
    }

    /// The room it lies in, where that is bounded.
    pub(crate) fn room(&self) -> Option<&Arc<Room>> {
        self.room.as_ref()
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The handle everything goes through.
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// What the model wrote as a path under the handle. An absolute path into the workspace is
    /// taken for the relative one it means; the kernel has the last word about the rest.
    pub(crate) fn relative(&self, written: &str) -> Result<PathBuf, ToolError> {
        if written.is_empty() || written.len() > PATH_BYTES_MAX || written.contains('\0') {
            return Err(ToolError::Arguments(format!("path: must be 1 to {PATH_BYTES_MAX} bytes without NUL")));
        }
        let path = Path::new(written);
        let path = if path.is_absolute() { path.strip_prefix(&self.root).map_err(|_| outside(written))? } else { path };
        // Told early, so that no directory is made on the way; links make it only a first look.
        let mut depth = 0_i32;
        for part in path.components() {
            depth += match part {
                Component::Normal(_) => 1,
                Component::ParentDir => -1,
                Component::CurDir | Component::RootDir | Component::Prefix(_) => 0,
            };
            if depth < 0 {
                return Err(outside(written));
            }
        }
        // `a/.` and `a//b` are spelled out of it, `..` is the kernel's to judge.
        let plain: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
        Ok(if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain })
    }

    /// Where a path leads from the root: links are followed as far as there is something.
    pub(crate) fn place(&self, written: &str) -> Result<PathBuf, ToolError> {
        let mut place = PathBuf::new();
        for part in self.relative(written)?.components() {
            match part {
                Component::Normal(name) => {
                    let next = place.join(name);
                    place = self.dir.canonicalize(&next).unwrap_or(next);
                }
                Component::ParentDir => drop(place.pop()),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        Ok(place)
    }

    /// The same, absolute: what strangers' words in it are noted by.
    pub(crate) fn file_at(&self, written: &str) -> Result<String, ToolError> {
        Ok(self.root.join(self.place(written)?).to_string_lossy().into_owned())
    }

    /// Opens a plain file to read.
    pub(crate) fn open_file(&self, written: &str) -> Result<(File, Metadata), ToolError> {
        let path = self.relative(written)?;
        let failed = |error: io::Error| explain("read", written, &error);
        plain_file(&self.dir.metadata(&path).map_err(failed)?, "read", written)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(NONBLOCK);
        let file = self.dir.open_with(&path, &options).map_err(failed)?;
        // Looked at again: what was judged may have been changed for something else.
        let metadata = file.metadata().map_err(failed)?;
        plain_file(&metadata, "read", written)?;
        Ok((file, metadata))
    }

    /// The whole text of a file of at most [`FILE_BYTES_MAX`].
    pub(crate) fn read_text(&self, written: &str) -> Result<String, ToolError> {
        let (file, metadata) = self.open_file(written)?;
        let too_large = || ToolError::Failed(format!("{written} is larger than {FILE_BYTES_MAX} bytes"));
        if metadata.len() > FILE_BYTES_MAX {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| explain("read", written, &error))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(too_large());
        }
        String::from_utf8(bytes)
            .ok()
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| ToolError::Failed(format!("{written} is a binary file ({} bytes)", metadata.len())))
    }

    /// Puts `bytes` in the place of a file, whole or not at all, making its directory.
    ///
    /// The new file is written beside the old one and renamed over it: readers see one or the
    /// other, and whatever the old name led to is left alone. Returns whether it is a new file.
    pub(crate) fn replace(&self, written: &str, bytes: &[u8]) -> Result<bool, ToolError> {
        self.require_wanted()?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(ToolError::Failed(format!("cannot write {written}: more than {FILE_BYTES_MAX} bytes")));
        }
        let less = self.set_aside(written, bytes.len() as u64)?;
        let put = self.put(written, bytes);
        match (&put, &self.room) {
            (Ok(_), _) => self.give_back(less),
            // It may have got as far as the directories.
            (Err(_), Some(room)) => room.forget(),
            (Err(_), None) => {}
        }
        put
    }

    /// Sets aside what a file of so many bytes takes more than what stands in its place; how much less it takes.
    fn set_aside(&self, written: &str, bytes: u64) -> Result<u64, ToolError> {
        let Some(room) = &self.room else { return Ok(0) };
        let path = self.relative(written)?;
        let made = path.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty());
        let made = made.filter(|dir| self.dir.symlink_metadata(dir).is_err()).count() as u64;
        let old = self.dir.symlink_metadata(&path).map_or(0, |old| taken(old.len()));
        let new = taken(bytes) + made * taken(0);
        let reserved = room.reserve(new.saturating_sub(old));
        reserved.map_err(|why| ToolError::Failed(format!("cannot write {written}: {why}")))?;
        Ok(old.saturating_sub(new))
    }

    fn give_back(&self, bytes: u64) {
        if let Some(room) = &self.room {
            room.give_back(bytes);
        }
    }

    fn put(&self, written: &str, bytes: &[u8]) -> Result<bool, ToolError> {
        let (parent, name) = self.parent(written, true)?;
        let failed = |error: io::Error| explain("write", written, &error);
        let old = self.judge_target(&parent, &name, written)?;
        let beside = format!(".openclaw-{:016x}.tmp", fastrand::u64(..));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = parent.open_with(&beside, &options).map_err(failed)?;
        let mut fill = || -> io::Result<()> {
            file.write_all(bytes)?;
            if let Some(old) = &old {
                file.set_permissions(old.permissions())?;
            }
            file.sync_all()?;
            parent.rename(&beside, &parent, &name)
        };
        fill().map_err(|error| {
            let _already_told = parent.remove_file(&beside);
            failed(error)
        })?;
        Ok(old.is_none())
    }

    /// Takes a file away.
    pub(crate) fn remove(&self, written: &str) -> Result<(), ToolError> {
        self.require_wanted()?;
        let (parent, name) = self.parent(written, false)?;
        let failed = |error: io::Error| explain("delete", written, &error);
        let old = parent.symlink_metadata(&name).map_err(failed)?;
        plain_file(&old, "delete", written)?;
        parent.remove_file(&name).map_err(failed)?;
        if old.nlink() == 1 {
            self.give_back(taken(old.len()));
        }
        Ok(())
    }

    fn parent(&self, written: &str, make: bool) -> Result<(Dir, PathBuf), ToolError> {
        let path = self.relative(written)?;
        let failed = |error: io::Error| explain("write", written, &error);
        let Some(name) = path.file_name().filter(|_| !written.ends_with('/')) else {
            return Err(ToolError::Arguments(format!("path: {written} names no file")));
        };
        if self.place(written)?.iter().any(|part| part.eq_ignore_ascii_case(GIT)) {
            let why = "git's own files say what git runs; a command of git's has to change them";
            return Err(ToolError::Failed(format!("cannot write {written}: {why}")));
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if make {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            self.dir.create_dir_with(parent, &builder).map_err(failed)?;
        }
        Ok((self.dir.open_dir(parent).map_err(failed)?, PathBuf::from(name)))
    }

    /// What stands where a file is to be put; an error if it is not to be touched.
    fn judge_target(&self, parent: &Dir, name: &Path, written: &str) -> Result<Option<Metadata>, ToolError> {
        let old = match parent.symlink_metadata(name) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(explain("write", written, &error)),
        };
        plain_file(&old, "write", written)?;
        if old.nlink() > 1 {
            let why = "it has a second name (hard link), which may lie outside the workspace";
            return Err(ToolError::Failed(format!("cannot write {written}: {why}")));
        }
        Ok(Some(old))
    }
}

/// What tells a file from a changed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    inode: u64,
    pub(crate) bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a further change would show: one within the file system's own step may not.
    pub(crate) fn is_settled(&self, now: Timestamp) -> bool {
        let at = Timestamp::from_millis(self.changed.0.saturating_mul(1000));
        now.since(at) > CHANGE_SHOWS_AFTER
    }
}

/// The text of the beginning of a file: a letter that was cut in the middle is left away, and bytes
/// that are no text are shown as such.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let end = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Ok(_) | Err(_) => bytes.len(),
    };
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    text.trim_start_matches('\u{feff}').to_owned()
}

fn plain_file(metadata: &Metadata, verb: &str, written: &str) -> Result<(), ToolError> {
    let what = match metadata.file_type() {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "it is a directory",
        kind if kind.is_symlink() => "it is a symbolic link; name the file it leads to",
        _ => "it is no plain file",
    };
    Err(ToolError::Failed(format!("cannot {verb} {written}: {what}")))
}

fn outside(written: &str) -> ToolError {
    ToolError::Failed(format!("{written} lies outside the workspace; give a path inside it, relative to its root"))
}

/// An I/O error in words for a model.
pub(crate) fn explain(verb: &str, written: &str, error: &io::Error) -> ToolError {
    // The guard's own refusal carries no number of the system's.
    let is_escape = error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none();
    if is_escape {
        return outside(written);
    }
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "a part of the path is no directory".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => error.to_string(),
    };
    ToolError::Failed(format!("cannot {verb} {written}: {why}"))
}

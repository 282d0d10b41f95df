//! The files of one skill, in memory: what a folder or an archive gives before anything is written.
//!
//! Everything from outside passes through `Gatherer`, which judges names and counts bytes; so
//! there is one place that knows what a path may look like, and an archive cannot name a file that
//! a folder could not hold (advisory 54). Hidden files (`.git`, `.DS_Store`) are judged and counted
//! like the others, and then left out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::limits::{DEPTH_MAX, FILE_BYTES_MAX, FILE_NAME_BYTES_MAX, FILES_MAX, PATH_BYTES_MAX, TOTAL_BYTES_MAX};
use crate::manifest;

/// The files of one skill by their path, which is relative, plain and in slashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    files: BTreeMap<String, Vec<u8>>,
}

/// Why files are not taken.
#[derive(Debug, thiserror::Error)]
pub enum BadContents {
    /// A path is none.
    #[error("{path:?} is no path for a file of a skill: {why}")]
    Path {
        /// As it was written.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two entries would be one file, here or on a disk that does not tell cases apart.
    #[error("{path:?} is there twice, or once as a file and once as a directory")]
    Twice {
        /// The second of them.
        path: String,
    },
    /// What is neither a file nor a directory.
    #[error("{path:?} is {kind}; a skill has plain files and directories only")]
    Kind {
        /// The entry.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// More than a skill may have.
    #[error("there is more than a skill may have: {0}")]
    TooMuch(String),
    /// It cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// What.
        path: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// No `SKILL.md`.
    #[error("there is no {} in it", manifest::FILE)]
    NoManifest,
}

impl Contents {
    /// One file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// All files, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// SHA-256 over paths, lengths and bytes: the same files give the same digest, whatever brought
    /// them here.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for (path, bytes) in self.iter() {
            hasher.update((path.len() as u64).to_be_bytes());
            hasher.update(path);
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        }
        hasher.finalize().into()
    }

    /// All bytes together.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// The skill itself, where it lies in a directory of its own as archives often have it.
    ///
    /// Errors: [`BadContents::NoManifest`].
    pub(crate) fn rooted(mut self) -> Result<Self, BadContents> {
        if self.files.contains_key(manifest::FILE) {
            return Ok(self);
        }
        let tops: BTreeSet<&str> = self.files.keys().filter_map(|path| path.split('/').next()).collect();
        let top = match (tops.first(), tops.len()) {
            (Some(top), 1) => format!("{top}/"),
            _ => return Err(BadContents::NoManifest),
        };
        let inside = |(path, bytes): (String, Vec<u8>)| Some((path.strip_prefix(&top)?.to_owned(), bytes));
        self.files = std::mem::take(&mut self.files).into_iter().filter_map(inside).collect();
        if self.files.contains_key(manifest::FILE) { Ok(self) } else { Err(BadContents::NoManifest) }
    }
}

/// Takes entries one by one, and refuses.
#[derive(Debug, Default)]
pub(crate) struct Gatherer {
    files: BTreeMap<String, Vec<u8>>,
    /// Paths in lower case: true a file, false a directory.
    seen: BTreeMap<String, bool>,
    entries: usize,
    bytes: u64,
    /// Whether hidden files are taken, too.
    keeps_hidden: bool,
}

impl Gatherer {
    /// One that takes hidden files, too: where others write, a script may read what nobody sees.
    pub(crate) fn of_all() -> Self {
        Self { keeps_hidden: true, ..Self::default() }
    }

    /// Whether nothing of a directory of this name is taken.
    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        is_none_of_it(name) || !self.keeps_hidden && name.starts_with('.')
    }

    /// A directory; nothing is made of it but a place that no file may have.
    pub(crate) fn directory(&mut self, written: &str) -> Result<(), BadContents> {
        let Some(path) = plain(written)? else { return Ok(()) };
        self.count()?;
        self.place(&path, false)
    }

    /// A file. Reads one byte more than is allowed, and no further.
    pub(crate) fn file(&mut self, written: &str, content: &mut dyn Read) -> Result<(), BadContents> {
        let path =
            plain(written)?.ok_or_else(|| BadContents::Path { path: cut(written), why: "it names the root itself" })?;
        self.count()?;
        self.place(&path, true)?;
        let room = FILE_BYTES_MAX.min(TOTAL_BYTES_MAX - self.bytes);
        let mut bytes = Vec::new();
        let unreadable = |source| BadContents::Unreadable { path: cut(&path), source };
        content.take(room + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > room {
            let text = format!("a file has at most {FILE_BYTES_MAX} bytes and all together {TOTAL_BYTES_MAX}");
            return Err(BadContents::TooMuch(format!("{:?}; {text}", cut(&path))));
        }
        self.bytes += bytes.len() as u64;
        if !path.split('/').any(|part| self.leaves_out(part)) {
            self.files.insert(path, bytes);
        }
        Ok(())
    }

    pub(crate) fn done(self) -> Contents {
        Contents { files: self.files }
    }

    fn count(&mut self) -> Result<(), BadContents> {
        self.entries += 1;
        if self.entries > FILES_MAX {
            return Err(BadContents::TooMuch(format!("it has at most {FILES_MAX} files and directories")));
        }
        Ok(())
    }

    fn place(&mut self, path: &str, is_file: bool) -> Result<(), BadContents> {
        let twice = || BadContents::Twice { path: cut(path) };
        let folded = path.to_lowercase();
        for (at, _) in folded.match_indices('/') {
            let above = folded.get(..at).unwrap_or_default();
            if *self.seen.entry(above.to_owned()).or_insert(false) {
                return Err(twice());
            }
        }
        match self.seen.insert(folded, is_file) {
            // A directory may be named by its files first, or twice.
            None => Ok(()),
            Some(false) if !is_file => Ok(()),
            Some(_) => Err(twice()),
        }
    }
}

/// The plain form of a path; nothing where it names the root.
///
/// Refuses whatever could mean another place on any system: what is absolute, goes up, has a drive
/// or a stream, ends in what Windows drops, or cannot be seen.
pub(crate) fn plain(written: &str) -> Result<Option<String>, BadContents> {
    let refuse = |why| Err(BadContents::Path { path: cut(written), why });
    if written.len() > PATH_BYTES_MAX {
        return refuse("it is too long");
    }
    if written.starts_with('/') {
        return refuse("it is absolute");
    }
    if written.contains(['\\', ':']) {
        return refuse("it has a backslash or a colon");
    }
    if written.chars().any(|c| c.is_control() || crate::scan::is_unseen(c)) {
        return refuse("it has characters that are not seen");
    }
    let mut parts = Vec::new();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => return refuse("it goes up"),
            _ if part.len() > FILE_NAME_BYTES_MAX => return refuse("a name in it is too long"),
            _ if part.ends_with(['.', ' ']) || part.starts_with(' ') => {
                return refuse("a name in it ends in a dot, or begins or ends in a space");
            }
            _ => parts.push(part),
        }
    }
    if parts.len() > DEPTH_MAX {
        return refuse("it is too deep");
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// What others keep in a folder for themselves, and no script of it reads: a repository's own directory, and what archives
/// bring from a Mac. (Compiled scripts are none of it: an interpreter runs them in the place of what was looked at.)
pub(crate) fn is_none_of_it(name: &str) -> bool {
    [".git", "__MACOSX"].contains(&name)
}

fn cut(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
impl Contents {
    /// Files of a test.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Self { files: files.collect() }
    }
}

//! Where a skill came from, and what it was then.

use std::io::{self, Write as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use serde::{Deserialize, Serialize};

use crate::folder;
use crate::limits::ORIGIN_BYTES_MAX;

/// The name of the record, inside the skill's folder. It is hidden, and nothing hidden is installed.
pub(super) const FILE: &str = ".openclaw-origin.json";

/// The form of the record.
const VERSION: u32 = 1;

/// Where the files are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub enum From {
    /// A folder of this machine.
    Folder {
        /// Its path.
        path: String,
    },
    /// An archive of this machine.
    Archive {
        /// Its path.
        path: String,
        /// SHA-256 of the archive, in hexadecimal.
        sha256: String,
    },
    /// An archive from the network.
    Url {
        /// Its address, without what may be secret in it.
        url: String,
        /// SHA-256 of the archive, in hexadecimal: the one that was asked for.
        sha256: String,
    },
}

/// What is recorded of a skill that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    version: u32,
    /// Where the files are from.
    pub from: From,
    /// SHA-256 over the files, in hexadecimal.
    pub digest: String,
    /// When, as ISO-8601.
    pub installed_at: String,
    /// How many findings somebody accepted.
    pub accepted_findings: usize,
    /// When somebody said that it is right as it is now, as ISO-8601; since then it is not what came from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_at: Option<String>,
}

impl Origin {
    pub(super) fn new(from: From, digest: &str, installed_at: String, accepted_findings: usize) -> Self {
        let digest = digest.to_owned();
        Self { version: VERSION, from, digest, installed_at, accepted_findings, pinned_at: None }
    }

    /// The same skill with other files, which somebody has looked at.
    pub(super) fn pinned(self, digest: &str, at: String, accepted_findings: usize) -> Self {
        Self { digest: digest.to_owned(), pinned_at: Some(at), accepted_findings, ..self }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a record is plain JSON")
    }

    /// Puts this record in the place of the one in a skill's folder, in one step.
    pub(super) fn replace(&self, path: &Path) -> io::Result<()> {
        self.replace_in(path, FILE)
    }

    /// Puts this record in the place of that file in a directory, in one step.
    pub(super) fn replace_in(&self, path: &Path, name: &str) -> io::Result<()> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        let beside = format!("{name}.new");
        let _none_left = dir.remove_file(&beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = dir.open_with(&beside, &options)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        dir.rename(&beside, &dir, name)?;
        std::fs::File::open(path)?.sync_all()
    }

    /// The record of the skill in this folder; nothing if there is none.
    ///
    /// Errors: in words.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        match folder::open(path).map_err(|error| error.to_string())? {
            Some(dir) => Self::read_in(&dir),
            None => Ok(None),
        }
    }

    /// The record of the skill in this open folder; nothing if there is none.
    ///
    /// Errors: in words.
    pub(crate) fn read_in(dir: &Dir) -> Result<Option<Self>, String> {
        Self::read_file(dir, FILE)
    }

    /// The record in a file of its own; nothing if there is none.
    ///
    /// Errors: in words.
    pub(crate) fn read_at(path: &Path) -> Result<Option<Self>, String> {
        let (Some(above), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Ok(None);
        };
        match folder::open(above).map_err(|error| error.to_string())? {
            Some(dir) => Self::read_file(&dir, name),
            None => Ok(None),
        }
    }

    fn read_file(dir: &Dir, name: &str) -> Result<Option<Self>, String> {
        let bytes = match folder::read(dir, name, ORIGIN_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let origin: Self = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if origin.version == VERSION { Ok(Some(origin)) } else { Err(format!("it has the version {}", origin.version)) }
    }
}

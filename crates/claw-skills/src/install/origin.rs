//! Where a skill came from, and what it was then.

use std::io;
use std::path::Path;

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
}

impl Origin {
    pub(super) fn new(from: From, digest: &str, installed_at: String, accepted_findings: usize) -> Self {
        Self { version: VERSION, from, digest: digest.to_owned(), installed_at, accepted_findings }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a record is plain JSON")
    }

    /// The record of the skill in this folder; nothing if there is none.
    ///
    /// Errors: in words.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let Some(dir) = folder::open(path).map_err(|error| error.to_string())? else { return Ok(None) };
        let bytes = match folder::read(&dir, FILE, ORIGIN_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let origin: Self = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if origin.version == VERSION { Ok(Some(origin)) } else { Err(format!("it has the version {}", origin.version)) }
    }
}

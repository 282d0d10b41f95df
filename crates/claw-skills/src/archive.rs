//! Archives, unpacked in memory: `.zip`, `.tar.gz`, `.tar`.
//!
//! Nothing is written before everything was judged, and what is unpacked is counted as it comes,
//! whatever the archive says of itself: a bomb is noticed at the first byte too many (advisory 45).
//! Which kind it is, its first bytes tell and not its name.

mod directory;
mod pax;

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;
use tar::EntryType;
use zip::result::ZipError;

use crate::contents::{BadContents, Contents, Gatherer};
use crate::limits::{ARCHIVE_BYTES_MAX, ARCHIVE_ENTRIES_MAX, TOTAL_BYTES_MAX};

/// What a tar may have beside the bytes of its files: headers, padding.
const TAR_BYTES_MAX: u64 = TOTAL_BYTES_MAX + 2 * 1024 * 1024;

/// Bits of a mode that say what an entry is, and two of their values.
const KIND: u32 = 0o170_000;
const IS_FILE: u32 = 0o100_000;
const IS_DIRECTORY: u32 = 0o040_000;

/// Why an archive is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum BadArchive {
    /// Its first bytes are those of none.
    #[error("it is no .zip, .tar.gz or .tar")]
    Unknown,
    /// It is larger than any skill's.
    #[error("it is larger than {ARCHIVE_BYTES_MAX} bytes")]
    TooLarge,
    /// It has more entries than any skill's.
    #[error("it has more than {ARCHIVE_ENTRIES_MAX} entries")]
    TooMany,
    /// Nobody could look inside.
    #[error("{0:?} is locked with a password: what cannot be looked into is not installed")]
    Locked(String),
    /// It is damaged, or of a kind nobody unpacks.
    #[error("it cannot be unpacked: {0}")]
    Broken(String),
    /// What is inside may not be.
    #[error(transparent)]
    Contents(#[from] BadContents),
}

/// Unpacks an archive. Never panics, whatever the bytes.
///
/// Errors: see [`BadArchive`].
pub fn unpack(bytes: &[u8]) -> Result<Contents, BadArchive> {
    if bytes.len() > ARCHIVE_BYTES_MAX {
        return Err(BadArchive::TooLarge);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return unzip(bytes);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return untar(|| MultiGzDecoder::new(bytes));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return untar(|| bytes);
    }
    Err(BadArchive::Unknown)
}

fn unzip(bytes: &[u8]) -> Result<Contents, BadArchive> {
    let broken = |error: ZipError| BadArchive::Broken(error.to_string());
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > ARCHIVE_ENTRIES_MAX {
        return Err(BadArchive::TooMany);
    }
    let mut gatherer = Gatherer::default();
    for index in 0..archive.len() {
        let raw = archive.by_index_raw(index).map_err(broken)?;
        let name = std::str::from_utf8(raw.name_raw()).map_err(|_| BadContents::Path {
            path: String::from_utf8_lossy(raw.name_raw()).into_owned(),
            why: "it is no UTF-8",
        })?;
        let (name, mode, is_locked) = (name.to_owned(), raw.unix_mode().unwrap_or(0) & KIND, raw.encrypted());
        let is_directory = mode == IS_DIRECTORY || name.ends_with('/');
        if is_locked {
            return Err(BadArchive::Locked(name));
        }
        if !matches!(mode, 0 | IS_FILE | IS_DIRECTORY) {
            return Err(BadContents::Kind { path: name, kind: "a link, a device or a pipe" }.into());
        }
        drop(raw);
        if is_directory {
            gatherer.directory(&name)?;
        } else {
            gatherer.file(&name, &mut archive.by_index(index).map_err(broken)?)?;
        }
    }
    directory::check(bytes).map_err(|why| BadArchive::Broken(why.to_owned()))?;
    Ok(gatherer.done())
}

/// Reads it twice: once for what is in it, and once for whether its extended headers left any doubt of that.
fn untar<R: Read>(source: impl Fn() -> R) -> Result<Contents, BadArchive> {
    // The library reads long names whole: the limit stands before it.
    let bounded = || Bounded { source: source(), left: TAR_BYTES_MAX, has_ended: false };
    let mut archive = tar::Archive::new(bounded());
    let broken = |error: io::Error| BadArchive::Broken(error.to_string());
    let (mut gatherer, mut entries) = (Gatherer::default(), 0);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        entries += 1;
        if entries > ARCHIVE_ENTRIES_MAX {
            return Err(BadArchive::TooMany);
        }
        let bytes = entry.path_bytes().into_owned();
        let name = String::from_utf8(bytes).map_err(|bad| BadContents::Path {
            path: String::from_utf8_lossy(bad.as_bytes()).into_owned(),
            why: "it is no UTF-8",
        })?;
        let kind = match entry.header().entry_type() {
            EntryType::Regular => {
                gatherer.file(&name, &mut entry)?;
                continue;
            }
            EntryType::Directory => {
                gatherer.directory(&name)?;
                continue;
            }
            // Says something of the archive, and is no entry.
            EntryType::XGlobalHeader => continue,
            EntryType::Symlink => "a symbolic link",
            EntryType::Link => "a hard link",
            EntryType::Char | EntryType::Block => "a device",
            EntryType::Fifo => "a pipe",
            _ => "of a kind that no skill needs",
        };
        return Err(BadContents::Kind { path: name, kind }.into());
    }
    if entries == 0 {
        return Err(BadArchive::Broken("it is empty".to_owned()));
    }
    let mut rest = archive.into_inner();
    // A tar says where it ends; one that was cut between two files just stops.
    if rest.has_ended {
        return Err(BadArchive::Broken("it ends before its end".to_owned()));
    }
    // What is packed is checked by a sum behind it, which nobody has read yet.
    io::copy(&mut rest, &mut io::sink()).map_err(broken)?;
    pax::check(bounded())?;
    Ok(gatherer.done())
}

/// Fails at the first byte too many, and knows whether the last one was read.
struct Bounded<R> {
    source: R,
    left: u64,
    has_ended: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.has_ended |= read == 0 && !buffer.is_empty();
        let too_much = || io::Error::other(format!("it unpacks to more than {TAR_BYTES_MAX} bytes"));
        self.left = self.left.checked_sub(read as u64).ok_or_else(too_much)?;
        Ok(read)
    }
}

#[cfg(test)]
#[path = "archive/tests.rs"]
mod tests;

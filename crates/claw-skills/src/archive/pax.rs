//! The extended headers of a tar, held to their rules.
//!
//! A reader that skips what it cannot make out goes by the short header instead: another name, another
//! length, and so another archive than the next reader sees. So what is not plainly right is refused, and
//! what would count for all entries at once.

use std::collections::BTreeSet;
use std::io::{self, Read};

use tar::EntryType;

use super::BadArchive;
use crate::limits::EXTENSION_BYTES_MAX;

/// Looks through every header of the archive.
///
/// Errors: [`BadArchive::Broken`].
pub(super) fn check(source: impl Read) -> Result<(), BadArchive> {
    let broken = |error: io::Error| BadArchive::Broken(error.to_string());
    let mut archive = tar::Archive::new(source);
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let is_for_all = match entry.header().entry_type() {
            EntryType::XHeader => false,
            EntryType::XGlobalHeader => true,
            _ => continue,
        };
        let mut bytes = Vec::new();
        (&mut entry).take(EXTENSION_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(broken)?;
        judge(&bytes, is_for_all).map_err(|why| BadArchive::Broken(format!("an extended header in it {why}")))?;
    }
    Ok(())
}

fn judge(bytes: &[u8], is_for_all: bool) -> Result<(), &'static str> {
    if bytes.len() as u64 > EXTENSION_BYTES_MAX {
        return Err("is too long");
    }
    let (mut rest, mut seen) = (bytes, BTreeSet::new());
    while !rest.is_empty() {
        let (key, behind) = record(rest).ok_or("is malformed")?;
        rest = behind;
        if !seen.insert(key) {
            return Err("says something twice");
        }
        match key {
            "path" | "linkpath" if is_for_all => return Err("names every entry at once"),
            // What no skill needs: the short header has room for lengths up to 8 GB.
            "size" => return Err("gives another length"),
            key if key.starts_with("GNU.sparse") => return Err("is of a file with holes"),
            _ => {}
        }
    }
    Ok(())
}

/// The key of the first record, `<length> <key>=<value>\n`, and what is behind it; nothing if it is none.
fn record(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let digits = bytes.get(..space).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (whole, behind) = bytes.split_at_checked(length)?;
    let text = std::str::from_utf8(whole.get(space + 1..)?).ok()?.strip_suffix('\n')?;
    let (key, _value) = text.split_once('=')?;
    // One line each: what splits at line ends must see the same.
    (!key.is_empty() && !text.contains(['\n', '\0'])).then_some((key, behind))
}

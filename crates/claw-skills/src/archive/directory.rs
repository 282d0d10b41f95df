//! The directory of a zip, held against what it lists.
//!
//! A zip names each file twice, before its bytes and in the directory at its end, and says where both stand; a reader
//! may believe either. An archive that two readers could understand differently is refused: names that differ or come
//! twice, and bytes that nothing accounts for, before the first file or behind the end.

use std::collections::BTreeSet;

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const RECORD: &[u8] = b"PK\x01\x02";
const RECORD_BYTES: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_BYTES: usize = 30;

/// Errors: why it is not to be trusted.
pub(super) fn check(bytes: &[u8]) -> Result<(), &'static str> {
    let broken = "its directory does not fit it";
    let end = end(bytes).ok_or("there is more behind its end, or no end")?;
    let field = |at: usize| number(bytes, end + at, 2);
    let (disks, count) = (field(4).zip(field(6)).zip(field(8)), field(10).ok_or(broken)?);
    let (length, start) = number(bytes, end + 12, 4).zip(number(bytes, end + 16, 4)).ok_or(broken)?;
    // Larger ones keep their numbers elsewhere; no skill is that large.
    if disks != Some(((0, 0), count)) || start.checked_add(length) != Some(end) {
        return Err(broken);
    }
    let (mut at, mut names, mut first) = (start, BTreeSet::new(), end);
    for _ in 0..count {
        let (name, local, behind) = record(bytes, at).ok_or(broken)?;
        if local_name(bytes, local) != Some(name) {
            return Err("a file has another name before its bytes than in the directory");
        }
        if !names.insert(name) {
            return Err("a name is there twice");
        }
        (at, first) = (behind, first.min(local));
    }
    match (at == end, first == 0 || count == 0 && start == 0) {
        (false, _) => Err(broken),
        (true, false) => Err("there is something before its first file"),
        (true, true) => Ok(()),
    }
}

/// Where the end record stands: it and its comment are the last of all.
fn end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let fits = |at: &usize| {
        bytes.get(*at..).is_some_and(|rest| rest.starts_with(END)) && number(bytes, at + 20, 2) == Some(last - at)
    };
    (first..=last).rev().find(fits)
}

/// The name in a record, where its file begins, and where the next record stands.
fn record(bytes: &[u8], at: usize) -> Option<(&[u8], usize, usize)> {
    bytes.get(at..)?.strip_prefix(RECORD)?;
    let [name, extra, comment] = [28, 30, 32].map(|field| number(bytes, at + field, 2));
    let (name, start) = (name?, at + RECORD_BYTES);
    let behind = start.checked_add(name)?.checked_add(extra?)?.checked_add(comment?)?;
    Some((bytes.get(start..start + name)?, number(bytes, at + 42, 4)?, behind))
}

fn local_name(bytes: &[u8], at: usize) -> Option<&[u8]> {
    bytes.get(at..)?.strip_prefix(LOCAL)?;
    let (length, start) = (number(bytes, at + 26, 2)?, at.checked_add(LOCAL_BYTES)?);
    bytes.get(start..start.checked_add(length)?)
}

/// A little-endian number of so many bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::Header;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;
use crate::limits::FILES_MAX;

const SKILL: &str = "---\nname: one\ndescription: D\n---\nText\n";

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        // Fast: it is this half of a test that takes long.
        let options = match bytes.len() {
            0 => SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
            _ => SimpleFileOptions::default().compression_level(Some(1)),
        };
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A tar whose names are written as they are, whatever they are.
fn tarred(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o777);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn why(bytes: &[u8]) -> String {
    unpack(bytes).unwrap_err().to_string()
}

#[test]
fn every_kind_of_archive_gives_the_same_files() {
    let expected = Contents::of(&[("SKILL.md", SKILL), ("references/x.md", "x")]);
    let zip = zipped(&[("SKILL.md", SKILL.as_bytes()), ("references/x.md", b"x")]);
    let tar = tarred(&[
        ("./", EntryType::Directory, b""),
        ("./SKILL.md", EntryType::Regular, SKILL.as_bytes()),
        ("references/", EntryType::Directory, b""),
        ("references/x.md", EntryType::Regular, b"x"),
        (".git/config", EntryType::Regular, b"hidden things are left out"),
    ]);
    for bytes in [zip, gzipped(&tar), tar] {
        assert_eq!(unpack(&bytes).unwrap(), expected);
    }
    let inside = zipped(&[("one-main/SKILL.md", SKILL.as_bytes()), ("one-main/references/x.md", b"x")]);
    assert_eq!(unpack(&inside).unwrap().rooted().unwrap(), expected);
    let two = zipped(&[("a/SKILL.md", b""), ("b/SKILL.md", b"")]);
    assert!(matches!(unpack(&two).unwrap().rooted(), Err(BadContents::NoManifest)));
}

/// Zip-slip, links, devices, cases, and names that mean something on another system.
#[test]
fn adv_54_an_archive_names_only_plain_files_below_it() {
    let names = [
        "/etc/passwd",
        "../up",
        "a/../../up",
        "a/..",
        "..",
        "C:/x",
        "c:x",
        "a\\..\\x",
        "\\\\host\\x",
        "a\u{202e}b",
        "a\u{1b}b",
        "file.",
        "dir /x",
        "a/b/c/d/e/f/g/h/i",
    ];
    for name in names {
        let refused = why(&zipped(&[(name, b"x")]));
        assert!(refused.contains("is no path for a file of a skill"), "{name:?}: {refused}");
        let refused = why(&gzipped(&tarred(&[(name, EntryType::Regular, b"x")])));
        assert!(refused.contains("is no path for a file of a skill"), "{name:?}: {refused}");
    }
    assert!(why(&zipped(&[(&"x".repeat(600), b"x")])).contains("too long"));
    let kinds = [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::Continuous, "of a kind that no skill needs"),
    ];
    for (kind, what) in kinds {
        let refused = why(&tarred(&[("skills", kind, b""), ("skills/x", EntryType::Regular, b"x")]));
        assert!(refused.contains(what), "{kind:?}: {refused}");
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc", SimpleFileOptions::default()).unwrap();
    writer.start_file("link/passwd", SimpleFileOptions::default()).unwrap();
    assert!(why(&writer.finish().unwrap().into_inner()).contains("a link, a device or a pipe"));

    let twice = "is there twice, or once as a file and once as a directory";
    for names in [["SKILL.md", "skill.MD"], ["a", "a/b"], ["A/x", "a"], ["a/b", "A"]] {
        let entries = names.map(|name| (name, EntryType::Regular, b"x".as_slice()));
        assert!(why(&tarred(&entries)).contains(twice), "{names:?}");
        assert!(why(&zipped(&names.map(|name| (name, b"x".as_slice())))).contains(twice), "{names:?}");
    }
    assert!(why(&tarred(&[("a", EntryType::Regular, b"1"), ("a", EntryType::Regular, b"2")])).contains(twice));
}

#[test]
fn adv_54_a_hundred_thousand_entries_are_refused() {
    let names: Vec<String> = (0..=FILES_MAX).map(|n| n.to_string()).collect();
    let few: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    assert!(why(&zipped(&few)).contains("it has at most 500 files and directories"));
    let names: Vec<String> = (0..100_000).map(|n| format!("{n:x}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    let zip = zipped(&many);
    assert!(matches!(unpack(&zip), Err(BadArchive::TooMany | BadArchive::TooLarge)));
    let some = names.iter().take(5_000);
    let entries: Vec<_> = some.map(|name| (name.as_str(), EntryType::Regular, b"".as_slice())).collect();
    assert!(matches!(unpack(&gzipped(&tarred(&entries))), Err(BadArchive::Contents(BadContents::TooMuch(_)))));
}

#[test]
fn adv_45_a_bomb_is_noticed_at_the_first_byte_too_many() {
    let zeros = vec![0; 12 * 1024 * 1024];
    let bomb = zipped(&[("SKILL.md", SKILL.as_bytes()), ("x.txt", &zeros)]);
    assert!(bomb.len() < 128 * 1024, "it is a bomb: {} bytes", bomb.len());
    assert!(why(&bomb).contains("there is more than a skill may have"));
    let tar = gzipped(&tarred(&[("x.txt", EntryType::Regular, &zeros)]));
    assert!(why(&tar).contains("there is more than a skill may have"));
    // A name that is itself the bomb.
    let name = gzipped(&tarred(&[("././@LongLink", EntryType::GNULongName, &zeros)]));
    assert!(why(&name).contains("unpacks to more than"), "{}", why(&name));
    // Many files that are each small enough.
    let part = vec![b'x'; 1024 * 1024];
    let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), part.as_slice())).collect();
    assert!(why(&zipped(&parts)).contains("all together"));
    // An archive in an archive is not unpacked at all: it stays one file, which the scan reports.
    let nested = zipped(&[("SKILL.md", SKILL.as_bytes()), ("42.zip", &bomb)]);
    assert_eq!(unpack(&nested).unwrap().get("42.zip"), Some(bomb.as_slice()));
    assert!(matches!(unpack(&vec![b'P'; ARCHIVE_BYTES_MAX + 1]), Err(BadArchive::TooLarge)));
}

#[test]
fn a_locked_archive_is_refused_because_nobody_can_look_inside() {
    let mut zip = zipped(&[("SKILL.md", SKILL.as_bytes())]);
    // The flag in the entry's header and in the directory at the end.
    zip[6] |= 1;
    let end = zip.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    zip[end + 8] |= 1;
    assert!(why(&zip).contains("is locked with a password"));
}

/// Cut anywhere, changed anywhere: an error, or what was meant; never a part.
#[test]
fn a_damaged_archive_is_refused_and_never_half_unpacked() {
    let files = [("SKILL.md", SKILL.as_bytes()), ("references/x.md", &b"0123456789".repeat(40)[..])];
    let zip = zipped(&files);
    let tar = tarred(&files.map(|(name, bytes)| (name, EntryType::Regular, bytes)));
    let packed = gzipped(&tar);
    let expected = unpack(&zip).unwrap();
    for whole in [zip, packed.clone(), tar] {
        for end in 0..whole.len() {
            if let Ok(contents) = unpack(&whole[..end]) {
                assert_eq!(contents, expected, "cut at {end}");
            }
        }
    }
    // One bit changed anywhere: the sum behind it does not fit any more.
    for at in 0..packed.len() {
        let mut damaged = packed.clone();
        damaged[at] ^= 1;
        if let Ok(contents) = unpack(&damaged) {
            assert_eq!(contents, expected, "changed at {at}");
        }
    }
    for bytes in [b"".as_slice(), b"PK", b"\x1f\x8b", b"Rar!\x1a\x07", b"7z\xbc\xaf'\x1c", b"<html>", SKILL.as_bytes()]
    {
        assert!(unpack(bytes).is_err(), "{bytes:?}");
    }
}

/// A header of a tar's own kind before the entry that it renames.
fn renamed(kind: EntryType, words: &[u8]) -> Vec<u8> {
    let mut tar = tarred(&[("x", kind, words)]);
    // Without the end, which the next one brings along.
    tar.truncate(tar.len() - 1024);
    tar.extend(tarred(&[("SKILL.md", EntryType::Regular, SKILL.as_bytes())]));
    tar
}

/// What one reader skips, the next one obeys: an extended header is right, or its archive is refused.
#[test]
fn an_extended_header_that_is_not_plainly_right_is_refused() {
    let fine: [&[u8]; 4] = [b"14 comment=ok\n", b"19 mtime=1700000.5\n", b"17 path=SKILL.md\n14 comment=ok\n", b""];
    for words in fine {
        let text = String::from_utf8_lossy(words).into_owned();
        assert!(unpack(&renamed(EntryType::XHeader, words)).is_ok(), "{text:?}");
    }
    assert!(unpack(&renamed(EntryType::XGlobalHeader, b"14 comment=ok\n")).is_ok(), "as git writes it");
    let malformed: [&[u8]; 13] = [
        b"99 path=SKILL.md\n",
        b"16 path=SKILL.md\n",
        b"path=SKILL.md\n",
        b"17 path=SKILL.md",
        b"17 path=SKILL.mdx",
        b"+17 path=SKILL.md\n",
        b"17path=SKILL.mdxx\n",
        b"12 SKILL.md\n",
        b"5 =x\n",
        b"\n17 path=SKILL.md\n",
        b"14 comment=ok\n\0\0",
        b"21 comment=a\n9 path=\n",
        b"18446744073709551615 path=x\n",
    ];
    for words in malformed {
        let refused = why(&renamed(EntryType::XHeader, words));
        assert!(refused.ends_with("an extended header in it is malformed"), "{words:?}: {refused}");
    }
    let others: [(EntryType, &[u8], &str); 5] = [
        (EntryType::XHeader, b"17 path=SKILL.md\n13 path=x.md\n", "says something twice"),
        (EntryType::XHeader, b"9 size=5\n", "gives another length"),
        (EntryType::XHeader, b"22 GNU.sparse.major=1\n", "is of a file with holes"),
        (EntryType::XGlobalHeader, b"13 path=x.md\n", "names every entry at once"),
        (EntryType::XGlobalHeader, b"9 size=5\n", "gives another length"),
    ];
    for (kind, words, expected) in others {
        let refused = why(&renamed(kind, words));
        assert!(refused.ends_with(expected), "{words:?}: {refused}");
        assert!(why(&gzipped(&renamed(kind, words))).ends_with(expected));
    }
    assert!(unpack(&renamed(EntryType::XHeader, b"12 path=a\xffb\n")).is_err());
    let long = format!("{:05} comment={}\n", 70_015, "x".repeat(70_000));
    assert_eq!(long.len(), 70_015);
    assert!(why(&renamed(EntryType::XHeader, long.as_bytes())).ends_with("is too long"));
}

/// What two readers could understand differently is refused: which names count, and which of several zips it is.
#[test]
fn a_zip_that_says_two_things_is_refused() {
    let skill = ("SKILL.md", SKILL.as_bytes());
    let (zip, other) = (zipped(&[skill, ("one.md", b"1"), ("two.md", b"2")]), zipped(&[skill]));
    assert!(unpack(&zip).is_ok());
    let mut commented = ZipWriter::new(Cursor::new(Vec::new()));
    commented.set_comment("a commit").unwrap();
    commented.start_file("SKILL.md", SimpleFileOptions::default()).unwrap();
    commented.write_all(SKILL.as_bytes()).unwrap();
    assert!(unpack(&commented.finish().unwrap().into_inner()).is_ok());
    let renamed = |from: &[u8], to: &[u8], everywhere: bool| {
        let mut zip = zip.clone();
        while let Some(at) = zip.windows(from.len()).position(|at| at == from) {
            zip[at..at + to.len()].copy_from_slice(to);
            if !everywhere {
                break;
            }
        }
        zip
    };
    let table = [
        (renamed(b"two.md", b"one.md", true), "a name is there twice"),
        (renamed(b"two.md", b"six.md", false), "another name before its bytes"),
        ([zip.clone(), b"more".to_vec()].concat(), "there is more behind its end"),
        ([zip.clone(), other.clone()].concat(), "its directory does not fit it"),
        ([zip.clone(), other[..other.len() - 22].to_vec()].concat(), "behind its end"),
    ];
    for (number, (bytes, expected)) in table.into_iter().enumerate() {
        assert!(why(&bytes).contains(expected), "{number}: {}", why(&bytes));
    }
}

/// A name that is no text, in a tar and in a zip; a file whose sum is another's.
fn damaged_by_hand() -> [Vec<u8>; 3] {
    let skill = ("SKILL.md", SKILL.as_bytes());
    let main = ("SKILL.md", EntryType::Regular, SKILL.as_bytes());
    let mut no_utf8 = tarred(&[main, ("a?b.md", EntryType::Regular, b"x")]);
    let at = no_utf8.windows(6).position(|at| at == b"a?b.md").unwrap();
    no_utf8[at + 1] = 0xff;
    // The header's sum again, as it would be written.
    let sum: u32 = no_utf8[at..at + 512]
        .iter()
        .enumerate()
        .map(|(n, byte)| u32::from(if (148..156).contains(&n) { b' ' } else { *byte }))
        .sum();
    no_utf8[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut zip_no_utf8 = zipped(&[skill, ("a?b.md", b"x")]);
    while let Some(at) = zip_no_utf8.windows(6).position(|at| at == b"a?b.md") {
        zip_no_utf8[at + 1] = 0xff;
    }
    let mut wrong_sum = zipped(&[skill]);
    let central = wrong_sum.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    (wrong_sum[14], wrong_sum[central + 16]) = (wrong_sum[14] ^ 1, wrong_sum[central + 16] ^ 1);
    [no_utf8, zip_no_utf8, wrong_sum]
}

/// Issue 4: corrupted skills and archives. Each is refused, and nothing is left of it.
#[test]
fn no_broken_archive_leaves_anything_behind() {
    use crate::install::{From, Managed, Order};
    use crate::scan::SCANNER;

    let skill = ("SKILL.md", SKILL.as_bytes());
    let main = ("SKILL.md", EntryType::Regular, SKILL.as_bytes());
    let zeros = vec![0; 12 * 1024 * 1024];
    let (zip, tar) = (zipped(&[skill, ("a/b.md", b"x")]), tarred(&[main, ("a/b.md", EntryType::Regular, b"x")]));
    let nested = zipped(&[skill, ("inner.zip", &zipped(&[skill]))]);
    let names: Vec<String> = (0..FILES_MAX).map(|n| format!("{n}.md")).collect();
    let mut crowd = vec![skill];
    crowd.extend(names.iter().map(|name| (name.as_str(), b"".as_slice())));
    let [no_utf8, zip_no_utf8, wrong_sum] = damaged_by_hand();
    let too_large = {
        let mut tar = tar.clone();
        tar[124..136].copy_from_slice(b"77777777777\0");
        tar
    };
    let mut table: Vec<(String, Vec<u8>)> = [
        ("a bomb in a zip", zipped(&[skill, ("x.md", &zeros)])),
        ("a bomb in a tar", gzipped(&tarred(&[main, ("x.md", EntryType::Regular, &zeros)]))),
        ("a bomb in a bomb", gzipped(&gzipped(&zeros))),
        ("a link", gzipped(&tarred(&[main, ("x.md", EntryType::Symlink, b"")]))),
        ("a hard link", tarred(&[main, ("x.md", EntryType::Link, b"")])),
        ("an absolute path", zipped(&[skill, ("/etc/x.md", b"x")])),
        ("a path that goes up", tarred(&[main, ("a/../../x.md", EntryType::Regular, b"x")])),
        ("a path that goes up by another header", renamed(EntryType::XHeader, b"19 path=../up/x.md\n")),
        ("a path that goes up by a long name", renamed(EntryType::GNULongName, b"../../up.md\0")),
        ("a name twice", tarred(&[main, main])),
        ("a name in another case", zipped(&[skill, ("skill.md", b"x")])),
        ("a name that is no text in a tar", no_utf8),
        ("a name that is no text in a zip", zip_no_utf8),
        ("too many files", zipped(&crowd)),
        ("an archive in it, which nobody looks into", nested),
        ("a wrong sum", wrong_sum),
        ("a size beyond its end", too_large),
        ("a sparse file", tarred(&[main, ("x.md", EntryType::GNUSparse, b"")])),
        ("no skill", zipped(&[("README.md", b"x")])),
        ("nothing", zipped(&[])),
        ("nothing in a tar", tarred(&[])),
        ("text", b"PK is what a zip begins with".to_vec()),
        ("words behind a packed tar", [gzipped(&tar), b"and more".to_vec()].concat()),
    ]
    .map(|(what, bytes)| (what.to_owned(), bytes))
    .into();
    for (kind, whole) in [("zip", &zip), ("tar.gz", &gzipped(&tar)), ("tar", &tar)] {
        // With the first half of its end a tar is whole.
        let last = if kind == "tar" { whole.len() - 1024 } else { whole.len() - 1 };
        let places = (0..=32).map(|n| last * n / 32);
        table.extend(places.map(|end| (format!("a {kind} cut at {end}"), whole[..end].to_vec())));
    }
    let directory = tempfile::tempdir().unwrap();
    let managed = Managed::at(&directory.path().join("skills"));
    let install = |bytes: &[u8]| -> Result<(), String> {
        let contents = unpack(bytes).map_err(|error| error.to_string())?;
        let (from, at) = (From::Archive { path: "/x".into(), sha256: String::new() }, "2026-11-21T00:00:00Z".into());
        let order = Order { contents, from, at, accepts_findings: false, replaces: true };
        managed.install(order, &SCANNER).map(drop).map_err(|error| error.to_string())
    };
    for (what, bytes) in &table {
        assert!(install(bytes).is_err(), "{what}");
    }
    let left = || std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left(), 0, "not even the directory");
    // And the same ones whole.
    for whole in [zip, gzipped(&tar), tar] {
        install(&whole).unwrap();
    }
}

proptest! {
    #[test]
    fn no_change_of_an_archive_makes_it_panic(at in any::<proptest::sample::Index>(), byte in any::<u8>(), kind in 0..3_usize) {
        let tar = tarred(&[("SKILL.md", EntryType::Regular, SKILL.as_bytes()), ("a/b", EntryType::Regular, b"x")]);
        let kinds = [zipped(&[("SKILL.md", SKILL.as_bytes()), ("a/b", b"x")]), gzipped(&tar), tar];
        let mut bytes = kinds[kind].clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _whatever = unpack(&bytes);
    }

    #[test]
    fn no_path_leads_out(path in "[a./\\\\: ~\u{e9}-]{0,40}") {
        if let Ok(Some(plain)) = crate::contents::plain(&path) {
            prop_assert!(plain.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            prop_assert!(!plain.starts_with('/') && !plain.contains('\\') && !plain.contains(':'));
        }
    }
}

//! The written limits of skills.

use std::time::Duration;

/// Longest name, in bytes (agentskills.io).
pub const NAME_BYTES_MAX: usize = 64;

/// Longest description, in characters (agentskills.io).
pub const DESCRIPTION_CHARS_MAX: usize = 1_024;

/// Longest `compatibility`, in characters (agentskills.io).
pub const COMPATIBILITY_CHARS_MAX: usize = 500;

/// Longest of any other text in the head, in characters.
pub const TEXT_CHARS_MAX: usize = 1_024;

/// Longest list in the head: binaries, variables, keys, ways to install.
pub const LIST_MAX: usize = 64;

/// Largest head of a `SKILL.md`, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How deep the YAML of a head may be.
pub const YAML_DEPTH_MAX: usize = 16;

/// Values the YAML of a head may have.
pub const YAML_NODES_MAX: usize = 4_096;

/// Problems that are told of one head.
pub const PROBLEMS_MAX: usize = 20;

/// Largest `SKILL.md`, in bytes.
pub const SKILL_BYTES_MAX: u64 = 512 * 1024;

/// Largest file of a skill, in bytes.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// All files of a skill together, in bytes.
pub const TOTAL_BYTES_MAX: u64 = 6 * 1024 * 1024;

/// Files of a skill.
pub const FILES_MAX: usize = 500;

/// How deep a skill's directories may be.
pub const DEPTH_MAX: usize = 8;

/// Longest path inside a skill, in bytes.
pub const PATH_BYTES_MAX: usize = 512;

/// Longest name of a file, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// Skills one directory may hold; what is beyond, in the order of names, is not looked at.
pub const SKILLS_MAX: usize = 200;

/// Entries one directory of skills may have before it is not looked at further.
pub const ENTRIES_MAX: usize = 1_000;

/// Folders that hold no skill, of which the log tells when it is news.
pub const BROKEN_TOLD_MAX: usize = 10;

/// A file that was changed later than this before it was read may be changed again without a trace.
pub const CHANGE_SHOWS_AFTER: Duration = Duration::from_secs(1);

/// Directories whose skills are remembered; one more, and all are forgotten.
pub const DIRECTORIES_MAX: usize = 64;

/// Largest extended header of a tar, in bytes.
pub const EXTENSION_BYTES_MAX: u64 = 64 * 1024;

/// Largest archive, in bytes.
pub const ARCHIVE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Entries of an archive.
pub const ARCHIVE_ENTRIES_MAX: usize = 2_000;

/// Longest value of a variable that commands are given for a skill, in bytes.
pub const VARIABLE_BYTES_MAX: usize = 32 * 1024;

/// What the index of skills may take of a model's context, in bytes.
pub const INDEX_BYTES_MAX: usize = 12 * 1024;

/// What one skill may say of itself in the index, in characters.
pub const INDEX_DESCRIPTION_CHARS_MAX: usize = 400;

/// What one call of the tool shows at most, in bytes.
pub const SHOWN_BYTES_MAX: usize = 56 * 1024;

/// Files of a skill that its text is followed by.
pub const FILES_SHOWN_MAX: usize = 50;

/// How long a scan may take.
pub const SCAN_MAX: Duration = Duration::from_secs(10);

/// Findings that are told of one skill.
pub const FINDINGS_MAX: usize = 100;

/// Largest compiled rule of the scan, in bytes.
pub const RULE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest record of where a skill came from, in bytes.
pub const ORIGIN_BYTES_MAX: u64 = 16 * 1024;

//! The written limits of the tools.

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;

/// Largest file that is read as a whole, searched, edited or written, in bytes.
pub const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// What one call of a tool shows at most, in bytes; a turn cuts at 64 KiB, and this leaves room for a note.
pub const SHOWN_BYTES_MAX: usize = 60 * 1024;

/// Lines one `read` shows unless it is told how many.
pub const LINES_DEFAULT: usize = 2_000;

/// Longest line shown whole, in bytes.
pub const LINE_BYTES_MAX: usize = 2_000;

/// Bytes at the start of a file that tell whether it is text.
pub const PROBE_BYTES: usize = 8 * 1024;

/// Entries a directory listing shows.
pub const ENTRIES_MAX: usize = 1_000;

/// Entries a search looks at before it gives up.
pub const WALK_ENTRIES_MAX: usize = 100_000;

/// How deep a search goes.
pub const WALK_DEPTH_MAX: usize = 64;

/// Matches a search shows unless it is told how many.
pub const MATCHES_DEFAULT: usize = 200;

/// Largest compiled pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// Files one patch may change.
pub const PATCH_FILES_MAX: usize = 200;

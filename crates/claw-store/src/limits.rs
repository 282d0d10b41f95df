//! The written limits of the store.

use std::time::Duration;

/// So many writes may wait for the writer; the next verb waits until there is room.
pub(crate) const WRITES_WAITING_MAX: usize = 8192;
/// So many bytes of JSON may wait with them, in KiB; the next verb waits until there is room.
pub(crate) const KIBIBYTES_WAITING_MAX: u32 = 64 * 1024;
/// What is longer becomes JSON only when it is its turn to be written.
pub(crate) const HELD_BYTES: usize = 16 * 1024;
/// One statement takes so many bytes of long rows, or a single row.
pub(crate) const STATEMENT_BYTES_MAX: usize = 256 * 1024;
/// Turns and messages of more bytes are written in pieces.
pub(crate) const LONG_BYTES: usize = 256 * 1024;
/// So many pieces wait to be written; what makes them waits with the next.
pub(crate) const PIECES_WAITING_MAX: usize = 2;
/// So long a piece is.
pub(crate) const PIECE_BYTES: usize = 128 * 1024;
/// So many writes share one commit.
pub(crate) const BATCH_MAX: usize = 512;
/// Writes that keep nobody wait so long for company before they are committed: long enough for most
/// short runs to begin and end in one commit, which writes their rows once.
pub(crate) const LINGER: Duration = Duration::from_millis(20);
/// So many of the tasks that keep a session busy are named.
pub(crate) const BUSY_SHOWN_MAX: usize = 16;
/// So many sessions are looked at for one page of those that fit a search; the next page goes on there.
pub(crate) const SEARCHED_MAX: u32 = 4000;
/// So many rows of a deleted session are erased by one transaction.
pub(crate) const ERASED_AT_ONCE: i64 = 1000;
/// So many rows at most come back from one read.
pub(crate) const PAGE_ROWS_MAX: u32 = 1000;
/// So many tasks of a dead process are dealt with at a time.
pub(crate) const RECOVERED_AT_ONCE: u32 = 256;
/// So many expired rows are deleted by one statement.
pub(crate) const EXPIRED_AT_ONCE: i64 = 1000;
/// The write-ahead log is checkpointed when it has so many pages of 4 KiB.
pub(crate) const LOG_PAGES_MAX: i64 = 4000;
/// The file of the write-ahead log is cut back to so many bytes after a checkpoint.
pub(crate) const LOG_BYTES_KEPT: u64 = 32 * 1024 * 1024;
/// Checking the pages of the database at the start may take so long; a large one is checked in part.
pub(crate) const CHECK_MILLIS_MAX: u64 = 50;
/// Waiting longer than this for another process's lock is a fault; ours never wait for each other.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// So many entries of the audit log are looked at for one page of those that fit; the next page goes on there.
pub(crate) const AUDIT_SEARCHED_MAX: i64 = 20_000;
/// So many terms of one search are looked for.
pub(crate) const SEARCH_TERMS_MAX: usize = 32;
/// Files that may be noted as holding strangers' words.
pub(crate) const STRANGERS_PLACES_MAX: i64 = 50_000;

/// Answers with strangers' words in them that are noted; then the oldest are forgotten.
pub(crate) const STRANGERS_ANSWERS_MAX: i64 = 100_000;

/// So many memories with one of its terms are weighed, the newest.
pub(crate) const SEARCH_WEIGHED_MAX: i64 = 4000;

/// Rows of the audit log that are taken away in one transaction.
pub(crate) const AUDIT_PRUNED_AT_ONCE: i64 = 10_000;

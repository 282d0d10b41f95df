//! The written limits of the tools.

use std::time::Duration;

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

/// Longest command, in bytes.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// How long a command may take unless it or the configuration says otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_mins(2);

/// How long any command may take, in the background too, unless the configuration says otherwise.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(30);

/// What a call of `exec` may take beside its command's time, to start and end it.
pub const CALL_BESIDE: Duration = Duration::from_mins(1);

/// Bytes of a command's output kept from its beginning, and as many from its end.
pub const OUTPUT_HALF_BYTES: usize = 24 * 1024;

/// Bytes read from a pipe at once.
pub const PIPE_BYTES: usize = 16 * 1024;

/// How long the rest of the output is waited for after the end.
pub const LAST_WORDS: Duration = Duration::from_millis(500);

/// Commands in the background at once, of one principal.
pub const BACKGROUND_MAX: usize = 32;

/// And of everybody.
pub const BACKGROUND_ALL_MAX: usize = 256;

/// How long a poll waits for an end unless it is told otherwise.
pub const POLL_WAIT: Duration = Duration::from_secs(5);

/// And at most.
pub const POLL_WAIT_MAX: Duration = Duration::from_mins(2);

/// Largest file a command may write, in bytes.
pub const COMMAND_FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Rooms of API keys whose contents are remembered; one that nobody uses is measured anew.
pub const ROOMS_REMEMBERED: usize = 1024;

/// It is looked at how much a command has written there at least this often,
pub const ROOM_LOOK_MAX: Duration = Duration::from_secs(1);

/// and, where hardly any room is left, this often.
pub const ROOM_LOOK_MIN: Duration = Duration::from_millis(20);

/// Bytes that commands are believed to write in a second.
pub const WRITTEN_A_SECOND: u64 = 2 << 30;

/// Files of a workspace that are held against what they were before a command, where strangers' words are heard.
pub const CARRIED_FILES_MAX: usize = 50_000;

/// Files a command may have open.
pub const COMMAND_FILES_MAX: u64 = 1024;

/// Processes of one command; where the user is not root, threads count, too.
pub const COMMAND_PROCESSES_MAX: u64 = 512;

/// Threads of one command.
pub const COMMAND_THREADS_MAX: u64 = 4096;

/// Bytes of memory a command may use unless the operator says otherwise.
pub const COMMAND_MEMORY_BYTES: u64 = 4 << 30;

/// Bytes written to a command at once.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// How long writing to a command may take.
pub const INPUT_WAIT: Duration = Duration::from_secs(5);

/// Lines of its log shown unless it is said how many.
pub const LOG_LINES_DEFAULT: usize = 200;

/// Rows and columns of a command's terminal.
pub const TERMINAL_SIZE: (u16, u16) = (30, 120);

/// How long `exec` waits before a command goes on in the background, at most.
pub const YIELD_MAX: Duration = Duration::from_mins(2);

/// Bytes fetched of a page.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Files that a command names and whose bytes an approval is bound to, and largest one of them.
pub const BOUND_FILES_MAX: usize = 64;

/// Directory entries that are held against the patterns in a command.
pub const BOUND_ENTRIES_MAX: usize = 10_000;

/// Bytes of all files of the workspace that an approval is bound to; a command that names more is not asked for.
pub const BOUND_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What an agent is told of one file of its workspace, in bytes.
pub const BRIEFING_FILE_BYTES_MAX: u64 = 20 * 1024;

/// Files of all workspaces that are remembered as they were read.
pub const BRIEFING_FILES_REMEMBERED: usize = 1024;

/// A file that was changed later than this before it was read may be changed again without a trace.
pub const CHANGE_SHOWS_AFTER: Duration = Duration::from_secs(1);

/// Longest question to a search service, in bytes; Brave takes no more.
pub const QUERY_BYTES_MAX: usize = 400;

/// Results of a search shown at most.
pub const FOUND_MAX: usize = 20;

/// What is shown of one result's snippet, in bytes.
pub const FOUND_BYTES_MAX: usize = 1_000;

/// Largest answer of a search service, in bytes.
pub const SEARCH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What is searched of one note, in bytes.
pub const NOTE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Folders within the folder of notes that are looked into.
pub const NOTE_DEPTH_MAX: usize = 8;

/// What may lie there, to be looked at.
pub const NOTE_ENTRIES_MAX: usize = 20_000;

/// Notes that are searched, and remembered as passages.
pub const NOTE_FILES_MAX: usize = 1_000;

/// What is searched of all notes of a workspace, in bytes.
pub const NOTES_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Lines of a note that make a passage.
pub const PASSAGE_LINES_MAX: usize = 12;

/// Bytes of a note that make a passage.
pub const PASSAGE_BYTES_MAX: usize = 1_500;

/// What is shown of something that was found, in characters.
pub const SNIPPET_CHARS_MAX: usize = 400;

/// Results of a search of memories unless it is told how many.
pub const HITS_DEFAULT: usize = 8;

/// Results of a search of memories at most.
pub const HITS_MAX: usize = 50;

//! Written limits of what clients may send.

/// Deepest nesting of a JSON text.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most tools a client may bring to one request.
pub const TOOLS_MAX: usize = 128;
/// Most answers to one chat completion.
pub const CHOICES_MAX: usize = 8;
/// Longest name of a client's tool, in bytes.
pub const TOOL_NAME_BYTES_MAX: usize = 64;
/// Most texts that end the output.
pub const STOPS_MAX: usize = 4;
/// Longest idempotency key, in characters (G4).
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Longest id of a WebSocket request, in bytes of its JSON.
pub const FRAME_ID_BYTES_MAX: usize = 256;
/// Most headers a callback may ask for.
pub const CALLBACK_HEADERS_MAX: usize = 32;
/// Longest address of a callback, in bytes.
pub const CALLBACK_URL_BYTES_MAX: usize = 2048;
/// Most attempts a task may ask for.
pub const ATTEMPTS_MAX: u32 = 20;
/// Longest delay before a task starts, in seconds: a year.
pub const DELAY_SECONDS_MAX: u64 = 366 * 24 * 3600;
/// Most rows of one page, and how many there are when nothing is said.
pub const PAGE_MAX: u32 = 200;
/// Rows of a page when nothing is said.
pub const PAGE_DEFAULT: u32 = 50;
/// Most texts in one request for embeddings.
pub const EMBEDDING_INPUTS_MAX: usize = 2048;
/// Longest vector that can be asked for.
pub const EMBEDDING_DIMENSIONS_MAX: u32 = 65_536;
/// Longest name a hook gives itself, in characters.
pub const HOOK_NAME_CHARS_MAX: usize = 80;
/// Longest time a hook may give its run, in seconds: a week.
pub const HOOK_TIMEOUT_SECONDS_MAX: f64 = 604_800.0;
/// Jobs in a page of `cron.list`.
pub const CRON_PAGE_MAX: u64 = 200;
/// Longest key of a prompt's cache, and name of a user for safety's sake, in characters.
pub const LABEL_CHARS_MAX: usize = 64;
/// Most entries of a response's metadata.
pub const METADATA_MAX: usize = 16;
/// Longest key of such an entry, in characters.
pub const METADATA_KEY_CHARS_MAX: usize = 64;
/// Longest value of such an entry, in characters.
pub const METADATA_VALUE_CHARS_MAX: usize = 512;

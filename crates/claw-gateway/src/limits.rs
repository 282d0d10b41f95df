//! Written limits of the doors, and what happens when one is reached.

use std::time::Duration;

/// Largest HTTP body; larger is 413 (C43).
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// A body has arrived by then, or the answer is 408.
pub const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// A request's head has arrived by then, or the connection closes.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Largest request head; hyper answers 431 beyond.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a synchronous caller waits (C44, K18).
pub const WAIT: Duration = Duration::from_secs(300);
/// Open connections; more wait in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Sockets that are not authenticated yet; more are 503.
pub const HANDSHAKES_MAX: usize = 4096;
/// A socket is authenticated by then, or it closes with 1000.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(15);
/// All bytes a socket may send before it is authenticated; more closes it with 1009.
pub const INTAKE_BYTES_MAX: usize = 64 * 1024;
/// Largest frame after that; larger closes the socket with 1009.
pub const FRAME_BYTES_MAX: usize = 25 * 1024 * 1024;
/// Read buffer of a socket: the library's own 128 KiB would be most of an idle socket's memory, and it
/// clears the buffer each time it looks whether something came. What is larger comes in several reads.
pub const SOCKET_BUFFER_BYTES: usize = 1024;
/// Bytes gathered on their way out of a socket; more wait in its outbox.
pub const OUTFLOW_BYTES_MAX: usize = 16 * 1024;
/// Room for them that an idle socket keeps.
pub const OUTFLOW_BYTES_KEPT: usize = 1024;
/// Frames waiting to be sent on one socket; deltas are left out beyond half, 1013 at the end.
pub const OUTBOX_FRAMES_MAX: usize = 2048;
/// The same in bytes.
pub const OUTBOX_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Calls in progress on one socket; more are answered with `UNAVAILABLE`.
pub const CALLS_MAX: usize = 1024;
/// How often a `tick` is sent (B8).
pub const TICK_INTERVAL: Duration = Duration::from_secs(15);
/// How often a silent event stream shows that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often an open stream or socket makes sure that its credential still counts (G12).
pub const RECHECK: Duration = Duration::from_millis(800);
/// Texts of a run are gathered this long before another `agent` event, the first goes at once.
pub const AGENT_EVENT_INTERVAL: Duration = Duration::from_millis(40);
/// The same for `chat` events, whose text is cumulative.
pub const CHAT_EVENT_INTERVAL: Duration = Duration::from_millis(150);
/// `health` shows what was seen at most this long ago, unless it is asked to probe.
pub const HEALTH_FRESH: Duration = Duration::from_secs(1);
/// Longest wait for a fresh look while there is an older one to show.
pub const HEALTH_WAIT: Duration = Duration::from_millis(250);
/// Parameters nobody reads that are told in the log, each once; then no more.
pub const UNKNOWN_FIELDS_MAX: usize = 256;
/// How much of such a parameter's path is told.
pub const UNKNOWN_FIELD_CHARS_MAX: usize = 80;
/// Conversations that `status` shows as the last ones.
pub const RECENT_MAX: u32 = 10;
/// Characters at the beginning of a complaint about what was sent; longer ones lose their middle.
pub const COMPLAINT_CHARS_MAX: usize = 2_000;
/// And at its end.
pub const COMPLAINT_END_CHARS: usize = 500;
/// Messages of a conversation in one answer when nothing is said.
pub const MESSAGES_DEFAULT: u32 = 200;
/// And at most.
pub const MESSAGES_MAX: u32 = 1000;
/// Conversations in one `sessions.preview`.
pub const PREVIEW_KEYS_MAX: usize = 64;
/// Messages of each when nothing is said.
pub const PREVIEW_ITEMS_DEFAULT: u32 = 12;
/// And at most.
pub const PREVIEW_ITEMS_MAX: u32 = 50;
/// Characters of a message in a preview when nothing is said.
pub const PREVIEW_CHARS: usize = 240;
/// And at most.
pub const PREVIEW_CHARS_MAX: usize = 2000;
/// Characters of a title that is taken from the first message.
pub const TITLE_CHARS: usize = 60;
/// Days of usage when nothing is said.
pub const USAGE_DAYS_DEFAULT: u32 = 30;
/// Longest wait of `agent.wait`.
pub const AGENT_WAIT_MAX: Duration = Duration::from_secs(3600);
/// Wait of `agent.wait` when nothing is said.
pub const AGENT_WAIT_DEFAULT: Duration = Duration::from_secs(30);
/// Addresses whose failed logins are remembered; the longest untouched is forgotten.
pub const LOCKOUT_ENTRIES_MAX: usize = 16_384;
/// Wrong credentials within [`LOCKOUT_WINDOW`] that lock an address out.
pub const LOCKOUT_FAILURES_MAX: u32 = 10;
/// The window.
pub const LOCKOUT_WINDOW: Duration = Duration::from_secs(60);
/// How long an address is locked out.
pub const LOCKOUT: Duration = Duration::from_secs(5 * 60);
/// After this a stopping gateway stops waiting for open connections by itself.
pub const DRAIN: Duration = Duration::from_secs(30);
/// How far a device's clock may be from ours when it signs.
pub const DEVICE_CLOCK_SKEW_MAX: Duration = Duration::from_secs(10 * 60);
/// Characters that are kept of each word a device says of itself.
pub const DEVICE_WORD_CHARS_MAX: usize = 80;
/// News for everybody that a slow listener may be behind; the oldest is skipped beyond.
pub const SHARED_MAX: usize = 1024;
/// Bytes of `presence` or `health` per second that all listeners together are sent.
pub const SHARED_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;
/// Sockets shown in `presence`: the latest.
pub const PRESENCE_SHOWN_MAX: usize = 100;
/// Texts of `system-event` shown in `presence`; the oldest is forgotten beyond.
pub const PRESENCE_NOTES_MAX: usize = 20;
/// Changes of presence are gathered this long.
pub const PRESENCE_PAUSE: Duration = Duration::from_millis(250);
/// Texts kept for the main conversation's next turn; the oldest is forgotten beyond.
pub const SYSTEM_EVENTS_MAX: usize = 20;
/// Characters of a hook's run that the main conversation is told.
pub const HOOK_SUMMARY_CHARS_MAX: usize = 2000;
/// Tasks at once that a start looks at for ends of hooks' runs that nobody has told.
pub const HOOK_ENDS_PAGE: u32 = 200;
/// An end that was not told within this is told no more; the key of a turn that told one is known a little longer.
pub const HOOK_END_TOLD_WITHIN: Duration = Duration::from_hours(23);
/// Largest body of a hook unless the configuration says otherwise.
pub const HOOK_BODY_BYTES: usize = 256 * 1024;
/// How often health is looked at when nobody asks.
pub const HEALTH_EVERY: Duration = Duration::from_secs(5);
/// Conversations one socket can have in view; the first is forgotten beyond.
pub const VIEWED_MAX: usize = 64;
/// Frames that wait on a socket of `/v1/responses` while a response is made; more are refused.
pub const CREATES_WAITING_MAX: usize = 16;
/// Items that one request may name instead of sending them.
pub const REFERENCES_MAX: usize = 64;
/// Responses that such a socket can continue although they are not stored; the oldest is forgotten beyond.
pub const SOCKET_RESPONSES_MAX: usize = 16;
/// How long such a socket may be open.
pub const RESPONSES_SOCKET_AGE_MAX: Duration = Duration::from_secs(3600);
/// How long nothing may leave such a socket that has something to say, until it is closed with 1013.
pub const STALLED_MAX: Duration = Duration::from_secs(60);
/// Items of a response's input in one answer when nothing is said.
pub const INPUT_ITEMS_DEFAULT: usize = 20;
/// And at most.
pub const INPUT_ITEMS_MAX: usize = 100;
/// How long the cancelling of a response waits for its run to end.
pub const CANCEL_WAIT: Duration = Duration::from_secs(5);
/// Reads of the log at once; more wait.
pub const LOG_READS_MAX: usize = 2;
/// How much of what a tool has said stands in one of its updates, from its end, in bytes.
pub const PARTIAL_BYTES_MAX: usize = 8 * 1024;

/// When to come back after a 429 or 503 of which nobody knows how long it lasts.
pub const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// The longest wait after which OpenAI's SDKs ask again by themselves.
pub const RETRY_BY_ITSELF_MAX: Duration = Duration::from_mins(1);

//! The written limits of the agent.

use std::time::Duration;

/// Rounds of model and tools in one run, unless the configuration says otherwise.
pub const ROUNDS_DEFAULT: u32 = 200;

/// What the tools of one run may answer in all, in bytes.
pub const RUN_RESULTS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What others said meanwhile and one run takes up; the rest waits for its turn.
pub const STEERED_MAX: u32 = 64;

/// Tool calls in one round.
pub const CALLS_PER_ROUND_MAX: usize = 64;

/// Questions one task may ask; calls beyond that are denied.
pub const APPROVALS_PER_TASK_MAX: usize = 64;

/// How long one call of a tool may take unless the configuration or the tool itself says otherwise.
pub const TOOL_TIME_DEFAULT: Duration = Duration::from_mins(5);

/// What is shown of a text that does not fit its argument, in characters.
pub const MISFIT_CHARS_MAX: usize = 40;

/// So often the same call may have the same result before the model is told that it repeats itself.
pub const REPEATS_TOLD: u32 = 3;

/// So often, and the model is asked for its answer: it is caught in a loop.
pub const REPEATS_MAX: u32 = 6;

/// What is shown of a tool's answer that has to be short, in bytes.
pub const ANSWER_SHORT_BYTES: usize = 1_800;

/// And of one that has to be shorter still.
pub const ANSWER_SHORT_BYTES_MIN: usize = 240;

/// What is shown of the arguments of a call that is left out, in bytes.
pub const CALL_LINE_BYTES: usize = 120;

/// Messages of history a model is shown.
pub const HISTORY_MESSAGES_MAX: u32 = 200;

/// What a briefing shows at most of all its sections, in bytes.
pub const BRIEFING_BYTES_MAX: usize = 64 * 1024;

/// A section of which less would be shown is left out.
pub const SECTION_BYTES_MIN: usize = 200;

/// How long a briefing is waited for.
pub const BRIEFING_WAIT: Duration = Duration::from_secs(2);

/// Tokens of a model's window that are left to its answer, unless the caller names a number; an
/// eighth of a small one.
pub const ANSWER_TOKENS_RESERVED: u32 = 8_192;

/// A conversation whose messages fill so much of a model's window is to be retold in fewer words.
pub const CROWDED_PERCENT: u64 = 60;

/// So is one that shows a model so many messages, before the oldest fall away.
pub const CROWDED_MESSAGES: usize = 150;

/// What a model's window is taken for where it is not known, in tokens.
pub const WINDOW_TOKENS_ASSUMED: u32 = 100_000;

/// Models asked for one summary.
pub const RETELL_CANDIDATES_MAX: usize = 2;

/// What is handed over for one summary, in bytes.
pub const RETOLD_BYTES_MAX: usize = 128 * 1024;

/// What is handed over of one message, in bytes.
pub const RETOLD_MESSAGE_BYTES_MAX: usize = 2_000;

/// Longest summary, in bytes; a longer one is none.
pub const SUMMARY_BYTES_MAX: usize = 16 * 1024;

/// What a model is told of that.
pub const SUMMARY_TOKENS_MAX: u32 = 2_048;

/// Longest answer of one run, in bytes.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest tool result kept, in bytes.
pub const TOOL_RESULT_BYTES_MAX: usize = 64 * 1024;

/// Events are stored at the latest this long after they were shown.
pub const FLUSH_AFTER: Duration = Duration::from_millis(250);

/// Pages of all runs leave together on this beat, so that many streams share one commit.
pub const FLUSH_BEAT: Duration = Duration::from_millis(50);

/// Events are stored at the latest when so many wait.
pub const FLUSH_EVENTS: usize = 256;

/// Stored events a live run keeps in memory for readers that are a little behind.
pub const TAIL_EVENTS_MAX: usize = 512;

/// Events read from the store at once.
pub const READ_EVENTS: u32 = 512;

/// How long a finish that the disk refused waits before it is tried again.
pub const FINISH_RETRY: Duration = Duration::from_secs(2);

/// How often a caller on the line is kept waiting for a finish that the disk refuses.
pub const FINISH_TRIES_ATTACHED: u32 = 3;

/// The longest wait a provider may ask of a caller on the line.
pub const ATTACHED_RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// How many keys and models one question is put to again in a later pass.
pub const ASKED_AGAIN_MAX: usize = 8;

/// A question is put to nobody again once it is this old.
pub const ASKED_AGAIN_WITHIN: Duration = Duration::from_mins(3);

/// How many addresses of one question are looked at or fetched at once.
pub const MEDIA_AT_ONCE_MAX: usize = 4;

/// What is fetched for one question in place of addresses, and kept for its run, in bytes.
pub const MEDIA_BYTES_MAX: usize = 20 * 1024 * 1024;

/// How long that may take.
pub const MEDIA_TIME_MAX: Duration = Duration::from_secs(30);

/// Failures in a row after which a source is left alone.
pub const FAILURES_TO_OPEN: u32 = 5;

/// Failures further apart than this do not belong together.
pub const FAILURES_WINDOW: Duration = Duration::from_mins(1);

/// A source that fails is left alone at least this long, and the first time at most twice this long.
pub const BREAKER_OPEN_MIN: Duration = Duration::from_secs(1);

/// What comes on top at most, however often it has failed.
pub const BREAKER_OPEN_MAX: Duration = Duration::from_mins(1);

/// How long a key or a model that was refused is left alone where another can serve.
pub const REFUSED_FOR_MIN: Duration = Duration::from_secs(30);

/// A probe that takes longer than this no longer keeps others from probing.
pub const PROBE_AFTER: Duration = Duration::from_mins(1);

/// What a busy executor is left alone for when it does not say how long.
pub const EXECUTOR_WAIT_DEFAULT: Duration = Duration::from_secs(1);

/// How long one run at most waits of itself, that is turned away again and again while others are taken.
pub const EXECUTOR_WAIT_OWN_MAX: Duration = Duration::from_mins(1);

/// Of how many runs that were turned away a gate remembers it.
pub const TURNED_AWAY_MAX: usize = 1_000;

/// And at least, whatever it says.
pub const EXECUTOR_WAIT_MIN: Duration = Duration::from_millis(100);

/// A gate becomes wider by one after so many runs for each of its places were taken in a row.
pub const TAKEN_TO_WIDEN: usize = 4;

/// How long a first-generation gateway lets a run take, unless the configuration knows better.
pub const EXECUTOR_RUN_LIMIT: Duration = Duration::from_mins(10);

/// An end without a reason that comes so long after that, or sooner, was the limit's.
pub const RUN_LIMIT_GRACE: Duration = Duration::from_mins(1);

/// How often one run is told to go on, unless the configuration says otherwise.
pub const CONTINUATIONS: u32 = 3;

/// A run that breaks off after this has probably met the ten minutes of the gateway that had it.
pub const EXECUTOR_RUN_USUAL: Duration = Duration::from_secs(590);

/// What is kept of the words another gateway fails with, in bytes.
pub const FAILURE_BYTES_MAX: usize = 16 * 1024;

/// Breakers remembered at once; beyond them further failures are not.
pub const BREAKERS_MAX: usize = 1024;

/// What a tool says while it works is shown at most this often.
pub const LIVE_OUTPUT_EVERY: Duration = Duration::from_millis(200);

/// The longest piece of it, in bytes; what came before its end since the last one is left out.
pub const LIVE_PIECE_BYTES_MAX: usize = 8 * 1024;

/// What is told of what a call had said when its time was over, in bytes: the end of it.
pub const PARTIAL_OUTPUT_BYTES_MAX: usize = 24 * 1024;

/// What is shown of one call before its result, in bytes.
pub const LIVE_OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Runs that may pass a message on, each to the next conversation.
pub const HOPS_MAX: u8 = 3;

/// How long `sessions_send` waits for an answer unless it is told otherwise.
pub const SEND_WAIT_DEFAULT: Duration = Duration::from_secs(30);

/// And at most.
pub const SEND_WAIT_MAX: Duration = Duration::from_mins(2);

/// Conversations `sessions_list` shows.
pub const LISTED_MAX: u32 = 200;

/// And unless it is told how many.
pub const LISTED_DEFAULT: u32 = 50;

/// Messages `sessions_history` shows.
pub const TOLD_MAX: u32 = 200;

/// And unless it is told how many.
pub const TOLD_DEFAULT: u32 = 20;

/// What is shown of one message of another conversation, in bytes.
pub const TOLD_BYTES_MAX: usize = 4 * 1024;

/// How long what an agent is told before a run counts as new: a file that is saved is known so soon.
pub const BRIEFING_FRESH: Duration = Duration::from_secs(1);

/// Agents and askers whose tools and briefings are remembered at once.
pub const EQUIPMENTS_MAX: usize = 256;

/// Answers in what a caller brings that are looked up, from the last one on.
pub const ANSWERS_KNOWN_AGAIN_MAX: usize = 1_000;

//! What goes into the store's verbs and comes out of them.

mod session;

pub use session::*;

use std::ops::Range;
use std::sync::Arc;

use claw_core::message::Message;
use claw_core::provider::Usage;
use claw_core::run::{JournalEntry, Sequenced};
use claw_core::task::{Outcome, StateName};
use claw_core::{
    ApiKeyId, ApprovalId, Callback, Lane, OnCrash, PlanName, Principal, Priority, Scopes, SessionId, Task, TaskId,
    Timestamp, Turn,
};

/// At most this many events of a run may be shown before they are stored. A new attempt's numbers
/// start this far beyond the last stored one, so that no number is ever used twice.
pub const UNSTORED_EVENTS_MAX: u64 = 4096;

/// A task to accept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Chosen by the caller of the verb.
    pub id: TaskId,
    /// The session's id if it has to be made.
    pub session_id: SessionId,
    /// On whose behalf.
    pub principal: Principal,
    /// What is asked, with the session's key.
    pub turn: Turn,
    /// Its tier.
    pub lane: Lane,
    /// Its order in the tier.
    pub priority: Priority,
    /// A run id chosen by the client.
    pub label: Option<String>,
    /// After a crash.
    pub on_crash: OnCrash,
    /// How many attempts may fail.
    pub attempts_max: u32,
    /// Whom to tell.
    pub callback: Option<Callback>,
    /// Makes the submit idempotent (G4).
    pub idempotency: Option<Idempotency>,
    /// Whether the session's run may take it up and answer it, too.
    pub steers: bool,
    /// Whether and how it begins.
    pub begin: Begin,
    /// Now.
    pub at: Timestamp,
}

/// Whether a submitted task waits for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Waits for its ticket, not before this moment.
    Queued {
        /// Not to be started earlier.
        not_before: Timestamp,
        /// Whether a synchronous caller waits for it.
        attached: bool,
    },
    /// Is running already as attempt 1, for a caller on the line, in a session of its own. The
    /// input is appended to the session.
    Attached,
}

/// A client's promise that two requests are one (G4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// At most 255 characters; per principal; for 24 hours.
    pub key: String,
    /// SHA-256 of the request, to tell a repeat from a reuse.
    pub digest: [u8; 32],
}

/// What became of a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It is a new task.
    Created {
        /// Whether it is the first waiting one of its session, so that a ticket is due.
        is_head: bool,
        /// Its session.
        session: SessionId,
    },
    /// The same request was accepted before.
    Replayed {
        /// The task it made.
        id: TaskId,
    },
    /// The key was used for another request.
    KeyReused {
        /// The task it made.
        id: TaskId,
    },
    /// The session belongs to another principal (answer as if absent to whoever does not see it, G13).
    Foreign,
}

/// What became of a start.
#[derive(Debug, Clone, PartialEq)]
pub enum Started {
    /// The worker has it.
    Won(Box<StartedRun>),
    /// The ticket was stale: the task is in this state, or at another attempt.
    Stale(StateName),
    /// Another run of the session is going on, or comes first.
    SessionBusy,
    /// There is no such task.
    Absent,
}

/// What a worker needs to run a task.
#[derive(Debug, Clone, PartialEq)]
pub struct StartedRun {
    /// The task, `Running`, its attempt raised.
    pub task: Task,
    /// The number before the attempt's first event.
    pub seq: u64,
    /// Tool steps of earlier attempts, oldest first.
    pub journal: Vec<JournalEntry>,
    /// The approval that the last attempt waited for: this one goes on where that one stood.
    pub resumes: Option<ApprovalId>,
    /// Whether strangers' words are in the conversation.
    pub untrusted: bool,
}

/// One attempt's end.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// Which task.
    pub id: TaskId,
    /// The attempt that ends; an older one changes nothing (G2).
    pub attempt: u32,
    /// What it came to.
    pub outcome: Outcome,
    /// What it adds to the session's history.
    pub messages: Vec<Message>,
    /// Tasks that this attempt took up, oldest first; only a completed one answers them.
    pub steered: Vec<Steered>,
    /// Events not stored yet, the terminal one last.
    pub events: Vec<Arc<Sequenced>>,
    /// Tokens it used.
    pub usage: Usage,
    /// `<provider>/<model>`.
    pub model: String,
    /// Whether approvals of the task may be open.
    pub has_asked: bool,
    /// Now.
    pub at: Timestamp,
}

/// A task that an attempt took up, and where its words stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steered {
    /// Which.
    pub id: TaskId,
    /// Its part of [`Finish::messages`].
    pub messages: Range<usize>,
}

/// What a task said that an attempt has just taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenUp {
    /// Which.
    pub id: TaskId,
    /// What it said.
    pub input: Vec<Message>,
}

/// A task that ended because the run that took it up completed.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// Which.
    pub id: TaskId,
    /// The terminal event, as stored.
    pub event: Sequenced,
    /// Whether somebody is to be told at an address.
    pub has_callback: bool,
}

/// What became of a finish.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Whether it counted; false for an attempt that had lost its task.
    pub accepted: bool,
    /// The session's next waiting task, whose ticket is due now: this one itself when it is to be
    /// tried again.
    pub next: Option<DueTicket>,
    /// Tasks that ended with it.
    pub answered: Vec<Answered>,
}

/// A waiting task that is the first of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueTicket {
    /// The task.
    pub id: TaskId,
    /// How often it was started; the ticket carries it.
    pub attempt: u32,
    /// Its tier.
    pub lane: Lane,
    /// Its order in the tier.
    pub priority: Priority,
    /// Not to be started earlier.
    pub not_before: Timestamp,
}

/// What became of a cancel.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It waited and is cancelled now.
    Done {
        /// The terminal event, as stored.
        event: Box<Sequenced>,
        /// The session's next waiting task.
        next: Option<DueTicket>,
    },
    /// It runs; the wish is recorded, its worker has to be told.
    Asked,
    /// A run took it up and is about to answer it; it can only be cancelled together with that run.
    TakenUp {
        /// That run's task.
        by: TaskId,
    },
    /// It had ended before.
    Ended(StateName),
    /// There is no such task, or not for this caller.
    Absent,
}

/// What became of a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// It waits again.
    Queued {
        /// Its ticket, when it is the first of its session.
        ticket: Option<DueTicket>,
    },
    /// Only failed and cancelled tasks can be retried; it is in this state.
    NotEnded(StateName),
    /// Its session was deleted, and with it what was asked.
    Gone,
    /// There is no such task, or not for this caller.
    Absent,
}

/// What recovery found after the process that ran them had died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Waiting again.
    pub requeued: u64,
    /// Failed: a step that must not be repeated had been cut off (G3).
    pub interrupted: u64,
    /// Failed: workers died over it three times (G6).
    pub poisoned: u64,
    /// Failed: the caller on the line is gone with the process, and nothing was promised.
    pub abandoned: u64,
    /// Cancelled: that had been asked for.
    pub cancelled: u64,
}

/// Which tasks to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    /// Only those in this state.
    pub state: Option<StateName>,
    /// Only those of this session.
    pub session: Option<SessionId>,
    /// Only those that have come into their state since this moment.
    pub since: Option<Timestamp>,
}

/// One page of a list by keyset.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page starts; absent on the last.
    pub next: Option<Cursor>,
}

/// A place in a list; opaque outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub i64);

/// One attempt of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// From 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
    /// How: `completed`, `failed`, `cancelled`, `retrying`, `yielded`, `parked`, `died`; absent while it runs.
    pub outcome: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// `<provider>/<model>`.
    pub model: Option<String>,
    /// Tokens used.
    pub usage: Usage,
}

/// How many tasks there are in each state, kept by counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Waiting.
    pub queued: u64,
    /// Running.
    pub running: u64,
    /// Ended well.
    pub completed: u64,
    /// Ended badly.
    pub failed: u64,
    /// Stopped.
    pub cancelled: u64,
    /// Sessions.
    pub sessions: u64,
}

/// An API key as stored: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// A name for people.
    pub name: String,
    /// SHA-256 of the whole key.
    pub digest: [u8; 32],
    /// What it may do.
    pub scopes: Scopes,
    /// What it may have generated (K19).
    pub plan: PlanName,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A callback that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Stable over all attempts.
    pub id: i64,
    /// The task that ended.
    pub task: TaskId,
    /// Where to.
    pub callback: Callback,
    /// How often it was tried.
    pub attempt: u32,
}

/// What an attempt to deliver came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The receiver took it.
    Delivered,
    /// To be tried again then.
    RetryAt(Timestamp),
    /// Given up.
    Dead,
}

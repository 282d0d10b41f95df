//! What goes into the verbs of conversations and comes out of them.

use std::collections::BTreeMap;

use claw_core::message::{JsonText, Message};
use claw_core::provider::Usage;
use claw_core::{AgentId, PrincipalId, SessionId, SessionKey, TaskId, Timestamp, Visibility};
use serde::{Deserialize, Serialize};

use crate::Cursor;

/// A conversation as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id; a reset gives it another.
    pub id: SessionId,
    /// Its canonical key.
    pub key: SessionKey,
    /// Whose it is.
    pub owner: PrincipalId,
    /// Who answers in it.
    pub agent: AgentId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something last happened.
    pub updated_at: Timestamp,
    /// When it was last reset.
    pub reset_at: Option<Timestamp>,
    /// How many messages it has since its last reset.
    pub message_count: u64,
    /// The number of its last message; 0 when it never had one.
    pub last_seq: u64,
    /// How many of them a model is still shown.
    pub context_count: u64,
    /// Tokens used by its runs since its last reset.
    pub usage: Usage,
    /// `<provider>/<model>` of its last run.
    pub model: Option<String>,
    /// A name for people.
    pub label: Option<String>,
    /// What its runs use unless they name their own.
    pub profile: Profile,
    /// Whether strangers' words have entered it since its last beginning.
    pub untrusted: bool,
}

/// What the runs of a session use unless they name their own, and what clients keep with it.
/// Stored; version 1.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// `<provider>/<model>`, or a bare name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How much the model should reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// How much of a run a client wants to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbose: Option<String>,
    /// Anything of the clients' own; not looked into.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, JsonText>,
}

impl Profile {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// It has no value any more.
    Clear,
    /// It has this value now.
    Set(T),
}

impl<T: Clone + PartialEq> Change<T> {
    /// Changes `place`; says whether that made a difference.
    pub(crate) fn apply(&self, place: &mut Option<T>) -> bool {
        let wanted = match self {
            Self::Keep => return false,
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        };
        let differs = *place != wanted;
        *place = wanted;
        differs
    }
}

/// A wish to change a session's settings, or to make a session with them.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionChange {
    /// Which.
    pub key: SessionKey,
    /// Who may see it; others are absent.
    pub visibility: Visibility,
    /// The id and owner with which it is made if there is none; it has to exist when absent.
    pub make: Option<(SessionId, PrincipalId)>,
    /// A name for people.
    pub label: Change<String>,
    /// See [`Profile::model`].
    pub model: Change<String>,
    /// See [`Profile::thinking`].
    pub thinking: Change<String>,
    /// See [`Profile::verbose`].
    pub verbose: Change<String>,
    /// Entries of [`Profile::metadata`]; the others stay.
    pub metadata: BTreeMap<String, Change<JsonText>>,
    /// Now.
    pub at: Timestamp,
}

/// What became of a [`SessionChange`].
#[derive(Debug, Clone, PartialEq)]
pub enum SessionChanged {
    /// It has these settings now.
    Done {
        /// As it is now.
        session: Box<Session>,
        /// Whether it was made.
        is_new: bool,
    },
    /// There is none, or not for this caller.
    Absent,
}

/// What is done to a session that rests.
#[derive(Debug, Clone, PartialEq)]
pub enum Rework {
    /// Its history begins anew, under this id.
    Reset(SessionId),
    /// A model is shown the last so many messages only.
    Compact(u64),
    /// This is said in it, by no run.
    Inject(Box<Message>),
    /// It is no more.
    Delete,
}

/// What became of a [`Rework`].
#[derive(Debug, Clone, PartialEq)]
pub enum Reworked {
    /// It happened.
    Done {
        /// As it is after it; as it was before, if it was deleted.
        session: Box<Session>,
        /// Whether that made a difference.
        is_changed: bool,
    },
    /// These tasks of it wait or run, the running one first; perhaps there are more.
    Busy(Vec<TaskId>),
    /// There is none, or not for this caller.
    Absent,
}

/// A summary of the older part of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSummary {
    /// The session's id when the history was read.
    pub session: SessionId,
    /// Its key.
    pub key: SessionKey,
    /// The number of the last message that it stands for.
    pub upto: u64,
    /// What it says.
    pub text: String,
    /// What it cost.
    pub usage: Usage,
    /// `<provider>/<model>` that wrote it.
    pub model: String,
    /// Now.
    pub at: Timestamp,
}

/// Which sessions to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFilter {
    /// Only those of this agent.
    pub agent: Option<AgentId>,
    /// Only those with this label.
    pub label: Option<String>,
    /// Only those whose key or label contains this, whatever the case.
    pub search: Option<String>,
    /// Only those in which something happened since.
    pub active_since: Option<Timestamp>,
}

/// Where a page of sessions begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageStart {
    /// At a place that an earlier page ended with.
    Cursor(Cursor),
    /// Behind so many.
    Offset(u32),
}

/// One page of sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionPage {
    /// The rows, last changed first.
    pub items: Vec<Session>,
    /// Where the next page starts; absent on the last.
    pub next: Option<Cursor>,
    /// How many there are on all pages, where that is known without looking at each.
    pub total: Option<u64>,
}

/// A message with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMessage {
    /// Rises by one with each message of the session; begins at 1, and behind the last one after a reset.
    pub seq: u64,
    /// What was said.
    pub message: Message,
    /// By which run; absent when none said it.
    pub task: Option<TaskId>,
    /// When.
    pub at: Timestamp,
}

/// The ends of a session's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Ends {
    /// Of which session.
    pub key: SessionKey,
    /// What it began with.
    pub first: Option<Message>,
    /// What was said last.
    pub last: Option<Message>,
}

/// What the runs of a session used with one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelUsed {
    /// The session.
    pub session: SessionKey,
    /// `<provider>/<model>`; empty when an attempt ended before it had one.
    pub model: String,
    /// Their tokens.
    pub usage: Usage,
}

/// What was used on one day with one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDay {
    /// Days since 1970-01-01, UTC.
    pub day: i64,
    /// `<provider>/<model>`; empty when an attempt ended before it had one.
    pub model: String,
    /// Attempts that ended.
    pub runs: u64,
    /// Their tokens.
    pub usage: Usage,
}

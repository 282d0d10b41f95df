//! The durable state machine around a piece of work.
//!
//! A state carries its data and is left by consuming it, so that a finished task cannot start
//! and a late worker cannot finish what another one took over.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::message::{Thoughts, ToolCall};
use crate::principal::Principal;
use crate::provider::{FinishReason, Usage};
use crate::run::JournalEntry;
use crate::text::Text;
use crate::time::Timestamp;
use crate::turn::Turn;
use crate::{Approval, ApprovalId, SessionId, TaskId};

/// One of the three queue tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Somebody waits for it.
    Interactive,
    /// The usual background work.
    Standard,
    /// Work that may hold a worker for hours.
    Long,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Lane; 3] = [Lane::Interactive, Lane::Standard, Lane::Long];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Standard => "standard",
            Self::Long => "long",
        }
    }
    /// The lane of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }
}

/// Order within a lane: 0 last, 9 first, 5 unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(u8);

impl Priority {
    /// The usual one.
    pub const NORMAL: Self = Self(5);
    /// The highest.
    pub const MAX: u8 = 9;

    /// `None` above 9.
    pub const fn new(value: u8) -> Option<Self> {
        if value <= Self::MAX { Some(Self(value)) } else { None }
    }
    /// 0 to 9.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::NORMAL
    }
}

/// What to do when a worker died during a step that must not be repeated (G3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCrash {
    /// End as failed, reason `interrupted`.
    #[default]
    Fail,
    /// Repeat the step.
    Retry,
}

/// A piece of work as its owner sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Whose it is, and with which permissions it runs, also after a restart.
    pub principal: Principal,
    /// The conversation it belongs to; the runs of one go one at a time.
    pub session: SessionId,
    /// What is asked.
    pub turn: Turn,
    /// Its tier.
    pub lane: Lane,
    /// Its order in the tier.
    pub priority: Priority,
    /// A run id chosen by the client (its idempotency key), shown instead of ours.
    pub label: Option<String>,
    /// After a crash.
    pub on_crash: OnCrash,
    /// Whether a caller waits on the line and nothing was promised beyond that.
    pub attached: bool,
    /// Whom to tell when it ended.
    pub callback: Option<Callback>,
    /// How often it was started.
    pub attempt: u32,
    /// How many attempts failed since it was submitted or retried by hand.
    pub failures: u32,
    /// How many attempts may fail before it does.
    pub attempts_max: u32,
    /// How many workers died over it.
    pub crashes: u32,
    /// In percent.
    pub progress: u8,
    /// The approval that it waits for, where it waits for one.
    pub waits_for: Option<ApprovalId>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it first started.
    pub started_at: Option<Timestamp>,
    /// Where it stands.
    pub state: TaskState,
}

impl Task {
    /// The run id its client knows: the client's own, else `run_…`.
    pub fn run_id(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.id.as_run())
    }
}

/// An address that hears of a task's end (D20).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Where to POST.
    pub url: String,
    /// Headers to send along, as the caller gave them.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskState {
    /// Waits for a worker.
    Queued {
        /// Not to be started earlier.
        not_before: Timestamp,
    },
    /// A worker has it.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It worked.
    Completed {
        /// What came of it.
        output: Output,
        /// When.
        at: Timestamp,
    },
    /// It did not.
    Failed {
        /// Why.
        failure: Failure,
        /// When.
        at: Timestamp,
    },
    /// Somebody stopped it.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// The name of a state, for filters and indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// [`TaskState::Queued`].
    Queued,
    /// [`TaskState::Running`].
    Running,
    /// [`TaskState::Completed`].
    Completed,
    /// [`TaskState::Failed`].
    Failed,
    /// [`TaskState::Cancelled`].
    Cancelled,
}

impl StateName {
    /// All of them, in the order of life.
    pub const ALL: [StateName; 5] = [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
    /// Whether nothing follows.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A step that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {from} task cannot {verb}")]
pub struct InvalidTransition {
    /// Where it stands.
    pub from: StateName,
    /// What was tried: `start`, `finish`, `cancel`, `retry`, `requeue`.
    pub verb: &'static str,
}

impl TaskState {
    /// Its name.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Queued { .. } => StateName::Queued,
            Self::Running { .. } => StateName::Running,
            Self::Completed { .. } => StateName::Completed,
            Self::Failed { .. } => StateName::Failed,
            Self::Cancelled { .. } => StateName::Cancelled,
        }
    }
    /// When it ended, if it did.
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Queued { .. } | Self::Running { .. } => None,
            Self::Completed { at, .. } | Self::Failed { at, .. } | Self::Cancelled { at } => Some(*at),
        }
    }
    /// Queued → Running.
    pub fn start(self, since: Timestamp) -> Result<Self, InvalidTransition> {
        match self {
            Self::Queued { .. } => Ok(Self::Running { since }),
            Self::Running { .. } | Self::Completed { .. } | Self::Failed { .. } | Self::Cancelled { .. } => {
                Err(InvalidTransition { from: self.name(), verb: "start" })
            }
        }
    }
    /// Running → the outcome's state.
    pub fn finish(self, outcome: Outcome, at: Timestamp) -> Result<Self, InvalidTransition> {
        match (self, outcome) {
            (Self::Running { .. }, Outcome::Completed(output)) => Ok(Self::Completed { output, at }),
            (Self::Running { .. }, Outcome::Failed { failure, .. }) => Ok(Self::Failed { failure, at }),
            (Self::Running { .. }, Outcome::Cancelled { .. }) => Ok(Self::Cancelled { at }),
            (Self::Running { .. }, Outcome::Retry { not_before, .. }) => Ok(Self::Queued { not_before }),
            (Self::Running { .. }, Outcome::Yielded { not_before, .. }) => Ok(Self::Queued { not_before }),
            (Self::Running { .. }, Outcome::Parked { approval, .. }) => {
                Ok(Self::Queued { not_before: approval.expires_at })
            }
            (state, _) => Err(InvalidTransition { from: state.name(), verb: "finish" }),
        }
    }
    /// Queued | Running → Cancelled.
    pub fn cancel(self, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self {
            Self::Queued { .. } | Self::Running { .. } => Ok(Self::Cancelled { at }),
            Self::Completed { .. } | Self::Failed { .. } | Self::Cancelled { .. } => {
                Err(InvalidTransition { from: self.name(), verb: "cancel" })
            }
        }
    }
    /// Failed | Cancelled → Queued.
    pub fn retry(self, not_before: Timestamp) -> Result<Self, InvalidTransition> {
        match self {
            Self::Failed { .. } | Self::Cancelled { .. } => Ok(Self::Queued { not_before }),
            Self::Queued { .. } | Self::Running { .. } | Self::Completed { .. } => {
                Err(InvalidTransition { from: self.name(), verb: "retry" })
            }
        }
    }
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It worked.
    Completed(Output),
    /// It failed for good.
    Failed {
        /// Why.
        failure: Failure,
        /// What the model had said by then.
        partial: String,
    },
    /// It failed and is to be tried again.
    Retry {
        /// Why.
        failure: Failure,
        /// When.
        not_before: Timestamp,
    },
    /// The gateway stops, or there is no room where the run is to go: the task waits again, and
    /// neither failed nor crashed.
    Yielded {
        /// Not to be started earlier.
        not_before: Timestamp,
        /// Why there is no room, where somebody says so.
        why: Option<Failure>,
    },
    /// Somebody has to allow a call first: the task waits without a worker, and has not failed.
    Parked {
        /// The question.
        approval: Box<Approval>,
        /// The calls of the round that were not made.
        planned: Vec<JournalEntry>,
    },
    /// It was stopped.
    Cancelled {
        /// What the model had said by then.
        partial: String,
    },
}

/// What a run produced. Stored as the task's result; version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The answer.
    pub text: Text,
    /// Where in it, in bytes, the model began to refuse, where its provider tells that apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_from: Option<usize>,
    /// What was said before tools of ours were called, in order; the answer came after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asides: Vec<String>,
    /// What was reasoned, in order, where the turn asks for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasoned: Vec<Reasoned>,
    /// Calls of the caller's own tools, for the caller to run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish: FinishReason,
    /// Tokens used, all rounds together.
    pub usage: Usage,
    /// `<provider>/<model>` that answered.
    pub model: String,
    /// The task whose run took this one up and answered it; that one used the tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<TaskId>,
}

/// What a model reasoned before it said or called something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasoned {
    /// How many of the asides stand before it.
    pub behind: usize,
    /// Its words; empty where they are not told or not kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What its provider wants back with what follows; the last one's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thoughts: Option<Box<Thoughts>>,
}

impl Output {
    /// What was said, and with what words the model refused to say more.
    pub fn said(&self) -> (&str, Option<&str>) {
        let parts = self.refused_from.and_then(|from| self.text.split_at_checked(from));
        parts.map_or((&self.text, None), |(said, refused)| (said, Some(refused)))
    }
    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let asides: usize = self.asides.iter().map(String::len).sum();
        let reasoned = self.reasoned.iter().map(|reasoned| {
            reasoned.text.len() + reasoned.thoughts.as_ref().map_or(0, |thoughts| thoughts.payload.as_str().len())
        });
        self.text.len() + asides + reasoned.sum::<usize>()
    }
}

/// Why a run failed. Stored; version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub reason: FailureReason,
    /// For people: what happened to what.
    pub message: String,
    /// When the provider asked to be tried again, in milliseconds from the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Whether the same request may succeed later, and repeats nothing that was done elsewhere already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_transient: bool,
}

impl Failure {
    /// A failure that asking again does not mend.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after_ms: None, is_transient: false }
    }
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// The model's provider failed.
    Provider,
    /// The model's provider refused because too much was asked of it.
    RateLimited,
    /// No configured provider has the model.
    UnknownModel,
    /// The request cannot be served.
    Request,
    /// A worker died during a step that must not be repeated (G3).
    Interrupted,
    /// Workers died over it three times (G6).
    Poisoned,
    /// A written limit was reached (rounds of tool calls).
    Limit,
    /// Our own fault.
    Internal,
}

impl FailureReason {
    /// Its name on every wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::RateLimited => "rate_limited",
            Self::UnknownModel => "unknown_model",
            Self::Request => "request",
            Self::Interrupted => "interrupted",
            Self::Poisoned => "poisoned",
            Self::Limit => "limit",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
#[path = "task/tests.rs"]
mod tests;

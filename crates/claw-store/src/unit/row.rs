//! The rows, as they lie in memory between load and write.

use std::sync::Arc;

use claw_core::provider::Usage;
use claw_core::run::JournalEntry;
use claw_core::task::StateName;
use claw_core::{
    AgentId, ApprovalId, Callback, Lane, OnCrash, Principal, PrincipalId, Priority, SessionId, SessionKey, Task,
    TaskId, TaskState, Timestamp, Turn,
};

use super::Line;
use crate::body::Body;
use crate::{DueTicket, Profile, Session, StoreError};

/// The largest number inside a task or session: of an event, a message, an attempt.
pub(crate) const PLACE_NUMBER_MAX: u64 = (1 << 31) - 1;
/// The largest number of a task or session.
pub(crate) const PLACE_OWNER_MAX: i64 = (1 << 32) - 1;

/// Where entry `number` of the task or session `owner` lies.
///
/// # Errors
/// One of them is beyond what 63 bits hold; four billion tasks of two billion events each fit.
pub(crate) fn place(owner: i64, number: u64) -> Result<i64, StoreError> {
    if !(0..=PLACE_OWNER_MAX).contains(&owner) || number > PLACE_NUMBER_MAX {
        return Err(StoreError::Unavailable(format!("no place for number {number} of row {owner}")));
    }
    Ok((owner << 31) | i64::try_from(number).unwrap_or(i64::MAX))
}

/// A waiting task's mark: its session's run may take it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steer {
    /// Nobody has.
    Free,
    /// The attempt of this place has; when that attempt no longer runs, nobody has.
    Taken(i64),
}

impl Steer {
    /// As stored; the place of a task and attempt is never 0.
    pub(crate) const fn stored(self) -> i64 {
        match self {
            Self::Free => 0,
            Self::Taken(place) => place,
        }
    }
    /// From what was stored.
    pub(crate) const fn from_stored(number: i64) -> Self {
        if number == 0 { Self::Free } else { Self::Taken(number) }
    }
}

/// A task without its turn.
#[derive(Debug, Clone)]
pub(crate) struct TaskRow {
    pub(crate) n: i64,
    pub(crate) id: TaskId,
    pub(crate) session: i64,
    pub(crate) principal: Principal,
    pub(crate) lane: Lane,
    pub(crate) priority: Priority,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) on_crash: OnCrash,
    /// As JSON.
    pub(crate) callback: Option<Arc<str>>,
    pub(crate) attached: bool,
    pub(crate) attempt: u32,
    pub(crate) failures: u32,
    pub(crate) attempts_max: u32,
    pub(crate) crashes: u32,
    pub(crate) progress: u8,
    pub(crate) cancel_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) state: StateName,
    /// Not before, since, or the end, as the state says.
    pub(crate) state_at: Timestamp,
    /// The output or the failure as JSON; only known when it was written in this batch.
    pub(crate) result: Option<Arc<str>>,
    /// The last stored event's number, when known.
    pub(crate) last_seq: Option<u64>,
    /// What is asked, when known.
    pub(crate) turn: Option<Arc<Turn>>,
    /// Whether the turn is worth keeping until the task starts.
    pub(crate) turn_is_small: bool,
    /// Present when it may be taken up.
    pub(crate) steer: Option<Steer>,
    /// The approval it waits for.
    pub(crate) parked: Option<ApprovalId>,
}

impl TaskRow {
    /// The task's ticket.
    pub(crate) fn ticket(&self) -> DueTicket {
        DueTicket {
            id: self.id,
            attempt: self.attempt,
            lane: self.lane,
            priority: self.priority,
            not_before: self.state_at,
        }
    }

    /// After it was written: a turn is kept only until its task starts, and only a small one.
    pub(crate) fn written(&mut self) {
        if self.state != StateName::Queued || !self.turn_is_small {
            self.turn = None;
        }
    }

    /// The task as its worker gets it, running.
    pub(crate) fn running(&self, session: SessionId, turn: Turn, callback: Option<Callback>) -> Task {
        Task {
            id: self.id,
            principal: self.principal.clone(),
            session,
            turn,
            lane: self.lane,
            priority: self.priority,
            label: self.label.as_deref().map(str::to_owned),
            on_crash: self.on_crash,
            attached: self.attached,
            callback,
            attempt: self.attempt,
            failures: self.failures,
            attempts_max: self.attempts_max,
            crashes: self.crashes,
            progress: self.progress,
            created_at: self.created_at,
            started_at: self.started_at,
            waits_for: self.parked,
            state: TaskState::Running { since: self.state_at },
        }
    }
}

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    pub(crate) n: i64,
    pub(crate) id: SessionId,
    pub(crate) key: SessionKey,
    pub(crate) owner: PrincipalId,
    pub(crate) agent: AgentId,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) changed: i64,
    pub(crate) message_count: u64,
    pub(crate) usage: Usage,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) label: Option<String>,
    /// What its runs use; absent when nothing was chosen.
    pub(crate) profile: Option<Arc<Profile>>,
    /// Messages up to this number were said before the last reset.
    pub(crate) history_after: u64,
    /// Messages up to this number are not shown to a model.
    pub(crate) context_after: u64,
    pub(crate) reset_at: Option<Timestamp>,
    /// Whether strangers' words have entered it since then.
    pub(crate) untrusted: bool,
    /// Who waits and runs in it, when known.
    pub(crate) line: Option<Line>,
}

impl SessionRow {
    /// The session as listed.
    pub(crate) fn shown(&self) -> Session {
        Session {
            id: self.id,
            key: self.key.clone(),
            owner: self.owner.clone(),
            agent: self.agent.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            reset_at: self.reset_at,
            message_count: self.message_count.saturating_sub(self.history_after),
            last_seq: self.message_count,
            context_count: self.message_count.saturating_sub(self.context_after),
            usage: self.usage,
            model: self.model.as_deref().map(str::to_owned),
            label: self.label.clone(),
            profile: self.profile.as_deref().cloned().unwrap_or_default(),
            untrusted: self.untrusted,
        }
    }
}

/// A session that was deleted, as its ended tasks remember it.
#[derive(Debug, Clone)]
pub(crate) struct DeletedRow {
    pub(crate) n: i64,
    pub(crate) id: SessionId,
    pub(crate) key: SessionKey,
    pub(crate) agent: AgentId,
    pub(crate) at: Timestamp,
}

/// One append of events.
#[derive(Debug, Clone)]
pub(crate) struct EventPage {
    /// The task and the last event's number.
    pub(crate) place: i64,
    pub(crate) body: Body,
}

/// One entry of a history.
#[derive(Debug, Clone)]
pub(crate) struct MessageRow {
    /// The session and the message's number.
    pub(crate) place: i64,
    pub(crate) task: i64,
    pub(crate) at: Timestamp,
    pub(crate) body: Body,
}

/// An attempt that ended.
#[derive(Debug, Clone)]
pub(crate) struct RunRow {
    /// The task and the attempt.
    pub(crate) place: i64,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) outcome: &'static str,
    pub(crate) error: Option<Arc<str>>,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) usage: Usage,
}

/// A used idempotency key.
#[derive(Debug, Clone)]
pub(crate) struct KeyRow {
    pub(crate) owner: PrincipalId,
    pub(crate) key: Arc<str>,
    /// The task's number.
    pub(crate) task: i64,
    pub(crate) task_id: TaskId,
    pub(crate) digest: [u8; 32],
    pub(crate) at: Timestamp,
}

/// A journaled tool step.
#[derive(Debug, Clone)]
pub(crate) struct JournalRow {
    /// From 1, within the task.
    pub(crate) number: u64,
    pub(crate) entry: JournalEntry,
}

/// A callback to deliver.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryRow {
    /// The task and its last event's number.
    pub(crate) place: i64,
    pub(crate) task: i64,
    pub(crate) callback: Arc<str>,
    pub(crate) at: Timestamp,
}

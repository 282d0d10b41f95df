//! The unit of work: the rows that a batch of writes touches, in memory.
//!
//! A backend loads what the batch [`Wanted`], the verbs change it here in their order, the
//! backend writes the difference with a few statements however many verbs there were, and
//! commits. So the laws of the verbs are written once, know no SQL, and cost no round trip each.
//!
//! After a commit the rows of tasks that have not ended stay as a cache: one process writes, so
//! nobody else can have changed them. After a failed commit the whole unit is thrown away.

mod change;
mod line;
mod row;
mod wanted;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use claw_core::audit::Entry;
use claw_core::provider::Usage;
use claw_core::{AgentId, Approval, ApprovalId, PrincipalId, SessionId, SessionKey, TaskId, Timestamp};

pub(crate) use line::Line;
pub(crate) use row::{
    DeletedRow, DeliveryRow, EventPage, JournalRow, KeyRow, MessageRow, PLACE_NUMBER_MAX, PLACE_OWNER_MAX, RunRow,
    SessionRow, Steer, TaskRow, place,
};
pub(crate) use wanted::Wanted;

use crate::body::Body;
use crate::{Counts, StoreError};

/// The next number of each kind, and how many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The next task's number.
    pub(crate) next_task: i64,
    /// The next session's number.
    pub(crate) next_session: i64,
    /// The next change's number, by which sessions are listed.
    pub(crate) next_change: i64,
    /// How many there are in each state.
    pub(crate) counts: Counts,
}

/// Rows in memory, and what has to be written.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    /// Numbers and counters, as they will be after the commit.
    pub(crate) totals: Totals,
    tasks: HashMap<TaskId, TaskRow>,
    sessions: HashMap<i64, SessionRow>,
    session_numbers: HashMap<SessionKey, i64>,
    keys: HashMap<(PrincipalId, Arc<str>), KeyRow>,
    journals: HashMap<TaskId, Vec<JournalRow>>,
    approvals: HashMap<TaskId, Vec<Approval>>,
    turns_loaded: Vec<TaskId>,
    /// What the batch adds and changes.
    pub(crate) difference: Difference,
}

/// What a batch adds and changes, in the order in which it happened.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Sessions to insert.
    pub(crate) sessions_new: Vec<i64>,
    /// Sessions to update.
    pub(crate) sessions_changed: HashSet<i64>,
    /// Tasks to insert.
    pub(crate) tasks_new: Vec<TaskId>,
    /// Tasks to update.
    pub(crate) tasks_changed: HashSet<TaskId>,
    /// Their turns, by the task's number.
    pub(crate) inputs: Vec<(i64, Body)>,
    /// Pages of events.
    pub(crate) events: Vec<EventPage>,
    /// Entries of histories.
    pub(crate) messages: Vec<MessageRow>,
    /// Attempts that ended.
    pub(crate) runs: Vec<RunRow>,
    /// Idempotency keys.
    pub(crate) keys: Vec<KeyRow>,
    /// Journal entries, new and answered.
    pub(crate) journal: Vec<(i64, Body)>,
    /// Callbacks to deliver.
    pub(crate) deliveries: Vec<DeliveryRow>,
    /// Sessions whose settings, id or marks changed; the rare part of a session's row.
    pub(crate) sessions_reshaped: HashSet<i64>,
    /// What stands for the older part of sessions: number, last message, text.
    pub(crate) summaries: Vec<(i64, u64, Arc<str>)>,
    /// Sessions to delete.
    pub(crate) sessions_deleted: Vec<DeletedRow>,
    /// How many sessions more each owner has with each agent.
    pub(crate) session_counts: HashMap<(PrincipalId, AgentId), i64>,
    /// What was used beyond what is stored: runs and tokens by day, owner and model.
    pub(crate) usage_days: HashMap<(i64, PrincipalId, Arc<str>), (i64, Usage)>,
    /// Tasks whose mark was set or changed; the rare part of a task's row.
    pub(crate) tasks_steered: HashSet<TaskId>,
    /// Tasks that began or ended to wait for an approval.
    pub(crate) tasks_parked: HashSet<TaskId>,
    /// Approvals that were asked for, decided or used; the last one of an id counts.
    pub(crate) approvals: Vec<Approval>,
    /// Entries of the audit log.
    pub(crate) audit: Vec<Entry>,
    /// Whether the counters moved.
    pub(crate) counts: bool,
}

impl Difference {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            sessions_new,
            sessions_changed,
            tasks_new,
            tasks_changed,
            inputs,
            events,
            messages,
            runs,
            keys,
            journal,
            deliveries,
            sessions_reshaped,
            summaries,
            sessions_deleted,
            session_counts,
            usage_days,
            tasks_steered,
            tasks_parked,
            approvals,
            audit,
            counts,
        } = self;
        sessions_new.is_empty()
            && sessions_changed.is_empty()
            && tasks_new.is_empty()
            && tasks_changed.is_empty()
            && inputs.is_empty()
            && events.is_empty()
            && messages.is_empty()
            && runs.is_empty()
            && keys.is_empty()
            && journal.is_empty()
            && deliveries.is_empty()
            && sessions_reshaped.is_empty()
            && summaries.is_empty()
            && sessions_deleted.is_empty()
            && session_counts.is_empty()
            && usage_days.is_empty()
            && tasks_steered.is_empty()
            && tasks_parked.is_empty()
            && approvals.is_empty()
            && audit.is_empty()
            && !counts
    }
}

/// Above this many rows of tasks or sessions the cache is emptied. 2,048 of about 400 bytes, plus
/// short turns, stay below a few megabytes; a reload costs one query per batch.
const CACHED_MAX: usize = 2048;

impl Unit {
    /// An empty unit over a store that stands at `totals`.
    pub(crate) fn new(totals: Totals) -> Self {
        Self { totals, ..Self::default() }
    }

    /// A task's row, if it exists.
    pub(crate) fn task(&self, id: TaskId) -> Option<&TaskRow> {
        self.tasks.get(&id)
    }

    /// A session's row.
    pub(crate) fn session(&self, n: i64) -> Option<&SessionRow> {
        self.sessions.get(&n)
    }

    /// The session of that key, if it exists.
    pub(crate) fn session_by_key(&self, key: &SessionKey) -> Option<&SessionRow> {
        self.session_numbers.get(key).and_then(|n| self.sessions.get(n))
    }

    /// What a principal's idempotency key was used for.
    pub(crate) fn key(&self, owner: &PrincipalId, key: &Arc<str>) -> Option<&KeyRow> {
        self.keys.get(&(owner.clone(), key.clone()))
    }

    /// A task's journal, oldest first.
    pub(crate) fn journal(&self, id: TaskId) -> &[JournalRow] {
        self.journals.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Puts in a row as loaded.
    pub(crate) fn load_task(&mut self, row: TaskRow) {
        self.tasks.entry(row.id).or_insert(row);
    }

    /// Puts in a session as loaded, its line not known yet.
    pub(crate) fn load_session(&mut self, row: SessionRow) {
        self.session_numbers.insert(row.key.clone(), row.n);
        self.sessions.entry(row.n).or_insert(row);
    }

    /// Says who waits and runs in a session.
    pub(crate) fn load_line(&mut self, session: i64, line: Line) {
        if let Some(row) = self.sessions.get_mut(&session) {
            row.line = Some(line);
        }
    }

    /// Puts in a used idempotency key.
    pub(crate) fn load_key(&mut self, row: KeyRow) {
        self.keys.insert((row.owner.clone(), row.key.clone()), row);
    }

    /// Puts in a task's whole journal, oldest first.
    pub(crate) fn load_journal(&mut self, id: TaskId, rows: Vec<JournalRow>) {
        self.journals.insert(id, rows);
    }

    /// Puts in a task's approvals, in any order.
    pub(crate) fn load_approvals(&mut self, id: TaskId, approvals: Vec<Approval>) {
        self.approvals.insert(id, approvals);
    }

    /// A task's approvals, in any order.
    pub(crate) fn approvals(&self, id: TaskId) -> &[Approval] {
        self.approvals.get(&id).map_or(&[], Vec::as_slice)
    }

    /// One of them.
    pub(crate) fn approval(&self, task: TaskId, id: ApprovalId) -> Option<&Approval> {
        self.approvals(task).iter().find(|approval| approval.id == id)
    }

    /// Puts in a task's turn, for this batch only.
    pub(crate) fn load_turn(&mut self, id: TaskId, turn: claw_core::Turn) {
        if let Some(row) = self.tasks.get_mut(&id) {
            row.turn = Some(Arc::new(turn));
            self.turns_loaded.push(id);
        }
    }

    /// Puts in the number of a task's last stored event.
    pub(crate) fn load_last_seq(&mut self, id: TaskId, seq: u64) {
        if let Some(row) = self.tasks.get_mut(&id) {
            row.last_seq = Some(seq);
        }
    }

    /// After the writes: nothing is left to write, and only rows that can be needed again stay.
    pub(crate) fn written(&mut self) {
        let done = std::mem::take(&mut self.difference);
        self.keys.clear();
        self.journals.clear();
        self.approvals.clear();
        for id in self.turns_loaded.drain(..) {
            if let Some(row) = self.tasks.get_mut(&id) {
                row.turn = None;
            }
        }
        for id in done.tasks_new.iter().chain(&done.tasks_changed) {
            match self.tasks.get_mut(id) {
                Some(row) if row.state.is_terminal() => drop(self.tasks.remove(id)),
                Some(row) => row.written(),
                None => {}
            }
        }
        if self.tasks.len() > CACHED_MAX || self.sessions.len() > CACHED_MAX {
            self.tasks.clear();
            self.sessions.clear();
            self.session_numbers.clear();
        }
    }

    /// A session made now for `owner`.
    pub(crate) fn make_session(
        &mut self,
        id: SessionId,
        key: &SessionKey,
        agent: &AgentId,
        owner: &PrincipalId,
        at: Timestamp,
    ) -> Result<i64, StoreError> {
        let n = self.totals.next_session;
        if n > PLACE_OWNER_MAX {
            return Err(StoreError::Unavailable("no number is left for a session".into()));
        }
        self.totals.next_session += 1;
        self.totals.counts.sessions += 1;
        self.count_session(owner, agent, 1);
        let changed = self.next_change();
        let row = SessionRow {
            n,
            id,
            key: key.clone(),
            owner: owner.clone(),
            agent: agent.clone(),
            created_at: at,
            updated_at: at,
            changed,
            message_count: 0,
            usage: Usage::default(),
            model: None,
            label: None,
            profile: None,
            history_after: 0,
            context_after: 0,
            reset_at: None,
            untrusted: false,
            line: Some(Line::empty()),
        };
        self.session_numbers.insert(key.clone(), n);
        self.sessions.insert(n, row);
        self.difference.sessions_new.push(n);
        Ok(n)
    }

    fn next_change(&mut self) -> i64 {
        let changed = self.totals.next_change;
        self.totals.next_change += 1;
        changed
    }
}

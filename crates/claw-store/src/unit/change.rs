//! The changes a verb can make to a unit; each keeps rows, counters, lines and the difference in step.
//!
//! A verb checks everything that can fail before its first change, so that it happens wholly or
//! not at all.

use std::sync::Arc;

use claw_core::provider::Usage;
use claw_core::task::StateName;
use claw_core::{AgentId, Approval, ApprovalId, PrincipalId, TaskId, Timestamp};

use super::{
    DeletedRow, DeliveryRow, EventPage, JournalRow, KeyRow, MessageRow, RunRow, SessionRow, Steer, TaskRow, Unit, place,
};
use crate::body::Body;
use crate::{Counts, StoreError};

/// What a day has.
const MILLIS_PER_DAY: i64 = 86_400_000;

impl Unit {
    /// A new task, and its turn.
    pub(crate) fn insert_task(&mut self, row: TaskRow, turn: Body) {
        let (id, n, session, state) = (row.id, row.n, row.session, row.state);
        self.totals.next_task = n + 1;
        self.difference.tasks_new.push(id);
        self.difference.inputs.push((n, turn));
        if row.steer.is_some() {
            self.difference.tasks_steered.insert(id);
        }
        self.tasks.insert(id, row);
        self.count(state, 1);
        self.join_line(session, n, id, state);
    }

    /// Moves a task to another state and gives it to `change` for the rest.
    pub(crate) fn set_state(&mut self, id: TaskId, state: StateName, at: Timestamp, change: impl FnOnce(&mut TaskRow)) {
        let Some(row) = self.tasks.get_mut(&id) else { return };
        let (before, n, session) = (row.state, row.n, row.session);
        row.state = state;
        row.state_at = at;
        if row.parked.take().is_some() {
            self.difference.tasks_parked.insert(id);
        }
        change(row);
        self.difference.tasks_changed.insert(id);
        self.count(before, -1);
        self.count(state, 1);
        if let Some(line) = self.sessions.get_mut(&session).and_then(|row| row.line.as_mut()) {
            line.leave(n);
        }
        self.join_line(session, n, id, state);
    }

    /// Changes a task without moving it to another state.
    pub(crate) fn change_task(&mut self, id: TaskId, change: impl FnOnce(&mut TaskRow)) {
        if let Some(row) = self.tasks.get_mut(&id) {
            change(row);
            self.difference.tasks_changed.insert(id);
        }
    }

    /// A waiting task waits for an approval, at most until this moment.
    pub(crate) fn park(&mut self, id: TaskId, approval: ApprovalId, until: Timestamp) {
        self.change_task(id, |row| {
            row.parked = Some(approval);
            row.state_at = until;
        });
        self.difference.tasks_parked.insert(id);
    }

    /// An approval, new or in place of the one with its id.
    pub(crate) fn put_approval(&mut self, approval: Approval) {
        let known = self.approvals.entry(approval.task).or_default();
        match known.iter_mut().find(|known| known.id == approval.id) {
            Some(known) => known.clone_from(&approval),
            None => known.push(approval.clone()),
        }
        self.difference.approvals.push(approval);
    }

    /// Strangers' words are in a session from now on.
    pub(crate) fn mark_untrusted(&mut self, session: i64) {
        if self.session(session).is_some_and(|row| !row.untrusted) {
            self.reshape_session(session, |row| row.untrusted = true);
        }
    }

    /// The attempt of this place takes a waiting task up.
    pub(crate) fn take_up(&mut self, id: TaskId, place: i64) {
        self.change_task(id, |row| row.steer = Some(Steer::Taken(place)));
        self.difference.tasks_steered.insert(id);
    }

    /// The task whose running attempt took up `row`, which waits.
    pub(crate) fn taker(&self, row: &TaskRow) -> Option<&TaskRow> {
        let Some(Steer::Taken(taken)) = row.steer else { return None };
        let running = self.session(row.session)?.line.as_ref()?.running()?;
        let run = self.task(running)?;
        (run.state == StateName::Running && place(run.n, u64::from(run.attempt)) == Ok(taken)).then_some(run)
    }

    /// Something happened in a session.
    pub(crate) fn touch_session(&mut self, n: i64, at: Timestamp) {
        let changed = self.next_change();
        if let Some(row) = self.sessions.get_mut(&n) {
            row.updated_at = at;
            row.changed = changed;
            self.difference.sessions_changed.insert(n);
        }
    }

    /// Tokens and the model of a session's last run.
    pub(crate) fn add_usage(&mut self, n: i64, usage: Usage, model: &Arc<str>) {
        if let Some(row) = self.sessions.get_mut(&n) {
            row.usage = row.usage.plus(usage);
            if !model.is_empty() {
                row.model = Some(model.clone());
            }
            self.difference.sessions_changed.insert(n);
        }
    }

    /// Whether so many messages still have a place in the session.
    pub(crate) fn has_room(&self, session: i64, messages: usize) -> Result<(), StoreError> {
        let count = self.session(session).map_or(0, |row| row.message_count);
        place(session, count.saturating_add(messages as u64)).map(|_| ())
    }

    /// Appends to a session's history; [`Unit::has_room`] was asked before.
    pub(crate) fn add_messages(&mut self, session: i64, task: i64, at: Timestamp, bodies: &[Body]) {
        let Some(row) = self.sessions.get_mut(&session) else { return };
        for body in bodies {
            row.message_count += 1;
            if let Ok(place) = place(session, row.message_count) {
                self.difference.messages.push(MessageRow { place, task, at, body: body.clone() });
            }
        }
        self.difference.sessions_changed.insert(session);
    }

    /// A page of events whose last has the number `last_seq`; `place` is theirs.
    pub(crate) fn add_events(&mut self, id: TaskId, last_seq: u64, place: i64, body: Body) {
        if let Some(row) = self.tasks.get_mut(&id) {
            row.last_seq = Some(last_seq);
        }
        self.difference.events.push(EventPage { place, body });
    }

    /// Tokens used by `owner` at a moment, in so many runs, for the sums of its day.
    pub(crate) fn add_usage_day(
        &mut self,
        owner: &PrincipalId,
        usage: Usage,
        model: &Arc<str>,
        at: Timestamp,
        more_runs: i64,
    ) {
        let day = at.millis().div_euclid(MILLIS_PER_DAY);
        let (runs, sum) = self.difference.usage_days.entry((day, owner.clone(), model.clone())).or_default();
        *runs += more_runs;
        *sum = sum.plus(usage);
    }

    /// Gives a session other settings, another id or other marks; see [`SessionRow`].
    pub(crate) fn reshape_session(&mut self, n: i64, change: impl FnOnce(&mut SessionRow)) {
        if let Some(row) = self.sessions.get_mut(&n) {
            change(row);
            self.difference.sessions_reshaped.insert(n);
            self.difference.sessions_changed.insert(n);
        }
    }

    /// This stands for a session's messages up to number `upto` from now on.
    pub(crate) fn add_summary(&mut self, n: i64, upto: u64, text: Arc<str>) {
        self.difference.summaries.push((n, upto, text));
    }

    /// Takes a session away; nobody may wait or run in it.
    pub(crate) fn delete_session(&mut self, n: i64, at: Timestamp) {
        let Some(row) = self.sessions.remove(&n) else { return };
        self.session_numbers.remove(&row.key);
        self.totals.counts.sessions = self.totals.counts.sessions.saturating_sub(1);
        self.count_session(&row.owner, &row.agent, -1);
        let SessionRow { id, key, agent, .. } = row;
        self.difference.sessions_deleted.push(DeletedRow { n, id, key, agent, at });
    }

    /// Counts a session that was made or deleted.
    pub(super) fn count_session(&mut self, owner: &PrincipalId, agent: &AgentId, by: i64) {
        *self.difference.session_counts.entry((owner.clone(), agent.clone())).or_default() += by;
        self.difference.counts = true;
    }

    /// An attempt that ended.
    pub(crate) fn add_run(&mut self, run: RunRow) {
        self.difference.runs.push(run);
    }

    /// A used idempotency key.
    pub(crate) fn add_key(&mut self, row: KeyRow) {
        self.difference.keys.push(row.clone());
        self.load_key(row);
    }

    /// A callback to deliver.
    pub(crate) fn add_delivery(&mut self, row: DeliveryRow) {
        self.difference.deliveries.push(row);
    }

    /// A journal entry, new or in place of the one with its number.
    pub(crate) fn put_journal(&mut self, id: TaskId, place: i64, row: JournalRow, body: Body) {
        let rows = self.journals.entry(id).or_default();
        match rows.iter_mut().find(|known| known.number == row.number) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
        self.difference.journal.push((place, body));
    }

    fn join_line(&mut self, session: i64, n: i64, id: TaskId, state: StateName) {
        let Some(line) = self.sessions.get_mut(&session).and_then(|row| row.line.as_mut()) else { return };
        match state {
            StateName::Queued => line.wait(n, id),
            StateName::Running => line.run(n, id),
            StateName::Completed | StateName::Failed | StateName::Cancelled => {}
        }
    }

    fn count(&mut self, state: StateName, by: i64) {
        let Counts { queued, running, completed, failed, cancelled, sessions: _ } = &mut self.totals.counts;
        let counter = match state {
            StateName::Queued => queued,
            StateName::Running => running,
            StateName::Completed => completed,
            StateName::Failed => failed,
            StateName::Cancelled => cancelled,
        };
        *counter = counter.saturating_add_signed(by);
        self.difference.counts = true;
    }
}

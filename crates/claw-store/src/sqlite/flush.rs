//! Writes what a batch changed: one statement per table and kind of change.

use std::collections::HashMap;

use claw_core::task::StateName;
use sqlx::sqlite::SqliteConnection;

use super::bulk::{Bulk, Values};
use super::fault::Fault;
use crate::stored::{lane_number, on_crash_number, signed, state_number};
use crate::unit::{DeliveryRow, EventPage, KeyRow, MessageRow, RunRow, SessionRow, TaskRow, Unit};

/// The writing statements.
#[derive(Debug)]
pub(super) struct Flush {
    sessions: Bulk,
    sessions_changed: Bulk,
    tasks: Bulk,
    tasks_changed: Bulk,
    inputs: Bulk,
    events: Bulk,
    messages: Bulk,
    runs: Bulk,
    keys: Bulk,
    journal: Bulk,
    deliveries: Bulk,
}

const COUNTS: &str = "UPDATE counts SET queued = ?1, running = ?2, completed = ?3, failed = ?4, cancelled = ?5, \
                      sessions = ?6 WHERE one = 1";

impl Flush {
    pub(super) fn new() -> Self {
        let insert = |table: &str, columns: &[&str]| Bulk::insert("INSERT", table, columns);
        #[rustfmt::skip]
        let flush = Self {
            sessions: insert("sessions", &["n", "id", "key", "owner", "agent", "created_at", "updated_at", "changed",
                "message_count", "input_tokens", "output_tokens", "cached_tokens", "model"]),
            sessions_changed: Bulk::update("sessions", &["n", "updated_at", "changed", "message_count",
                "input_tokens", "output_tokens", "cached_tokens", "model"]),
            tasks: insert("tasks", &["n", "id", "session", "owner", "scopes", "lane", "priority", "label", "on_crash",
                "callback", "created_at", "attempts_max", "attached", "attempt", "failures", "crashes",
                "progress", "cancel_at", "started_at", "state", "state_at", "result"]),
            tasks_changed: Bulk::update("tasks", &["n", "attached", "attempt", "failures", "crashes",
                "progress", "cancel_at", "started_at", "state", "state_at", "result"]),
            inputs: insert("inputs", &["task", "turn"]),
            events: insert("events", &["place", "body"]),
            messages: insert("messages", &["place", "task", "at", "body"]),
            runs: insert("runs", &["place", "started_at", "ended_at", "outcome", "error", "model", "input_tokens",
                "output_tokens", "cached_tokens"]),
            keys: insert("idempotency", &["owner", "key", "task", "digest", "at"]),
            journal: Bulk::insert("INSERT OR REPLACE", "journal", &["place", "body"]),
            deliveries: insert("outbox", &["n", "task", "callback", "attempt", "state", "at"]),
        };
        flush
    }

    /// Writes the unit's difference; the transaction is the caller's.
    pub(super) async fn write(&self, connection: &mut SqliteConnection, unit: &mut Unit) -> Result<(), Fault> {
        self.write_sessions(connection, unit).await?;
        self.write_tasks(connection, unit).await?;
        let difference = &unit.difference;
        self.inputs
            .write(connection, &difference.inputs, |to, (n, turn)| {
                to.add(*n).add(turn.clone());
            })
            .await?;
        self.events.write(connection, &difference.events, event).await?;
        self.messages.write(connection, &difference.messages, message).await?;
        self.runs.write(connection, &difference.runs, run).await?;
        self.keys.write(connection, &difference.keys, key).await?;
        // The last text of an entry is the one that counts; two of one place cannot go in one statement.
        let journal: HashMap<i64, _> = difference.journal.iter().cloned().collect();
        let journal: Vec<_> = journal.into_iter().collect();
        self.journal
            .write(connection, &journal, |to, (place, body)| {
                to.add(*place).add(body.clone());
            })
            .await?;
        self.deliveries.write(connection, &difference.deliveries, delivery).await?;
        if difference.counts {
            let counts = unit.totals.counts;
            let mut query = sqlx::query(COUNTS);
            for count in
                [counts.queued, counts.running, counts.completed, counts.failed, counts.cancelled, counts.sessions]
            {
                query = query.bind(signed(count));
            }
            query.execute(&mut *connection).await?;
        }
        unit.written();
        Ok(())
    }

    async fn write_sessions(&self, connection: &mut SqliteConnection, unit: &Unit) -> Result<(), Fault> {
        let difference = &unit.difference;
        let new: Vec<&SessionRow> = difference.sessions_new.iter().filter_map(|n| unit.session(*n)).collect();
        self.sessions.write(connection, &new, |to, row| session(to, row)).await?;
        let first_new = difference.sessions_new.first().copied().unwrap_or(i64::MAX);
        let changed = difference.sessions_changed.iter().filter(|n| **n < first_new);
        let changed: Vec<&SessionRow> = changed.filter_map(|n| unit.session(*n)).collect();
        self.sessions_changed.write(connection, &changed, |to, row| session_change(to, row)).await
    }

    /// Changes come before new rows: a run that ended makes room for one that is new and runs.
    async fn write_tasks(&self, connection: &mut SqliteConnection, unit: &Unit) -> Result<(), Fault> {
        let difference = &unit.difference;
        let mut new: Vec<&TaskRow> = difference.tasks_new.iter().filter_map(|id| unit.task(*id)).collect();
        let first_new = new.first().map_or(i64::MAX, |row| row.n);
        let changed = difference.tasks_changed.iter().filter_map(|id| unit.task(*id));
        let changed: Vec<&TaskRow> = changed.filter(|row| row.n < first_new).collect();
        for group in in_order_of_room(changed) {
            self.tasks_changed.write(connection, &group, |to, row| task_change(to, row)).await?;
        }
        new.sort_unstable_by_key(|row| row.n);
        self.tasks.write(connection, &new, |to, row| task(to, row)).await
    }

    /// Every statement, for checking the plans.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<&Bulk> {
        vec![
            &self.sessions,
            &self.sessions_changed,
            &self.tasks,
            &self.tasks_changed,
            &self.inputs,
            &self.events,
            &self.messages,
            &self.runs,
            &self.keys,
            &self.journal,
            &self.deliveries,
        ]
    }
}

/// SQLite changes rows by rising number and allows no second running one of a session in between.
/// Only where an earlier task starts after a later one ended (it was retried) a second group is needed.
fn in_order_of_room(changed: Vec<&TaskRow>) -> Vec<Vec<&TaskRow>> {
    let running = |row: &&TaskRow| row.state == StateName::Running;
    let mut last_leaving: HashMap<i64, i64> = HashMap::new();
    for row in changed.iter().filter(|row| !running(row)) {
        let last = last_leaving.entry(row.session).or_default();
        *last = (*last).max(row.n);
    }
    let is_early = |row: &&TaskRow| last_leaving.get(&row.session).is_some_and(|last| *last > row.n);
    if !changed.iter().any(|row| running(row) && is_early(row)) {
        return vec![changed];
    }
    let (starting, leaving): (Vec<_>, Vec<_>) = changed.into_iter().partition(running);
    vec![leaving, starting]
}

fn session(to: &mut Values, row: &SessionRow) {
    to.add(row.n)
        .add(row.id.uuid().as_bytes().as_slice())
        .add(row.key.as_str())
        .add(row.owner.as_str())
        .add(row.agent.as_str())
        .add(row.created_at.millis())
        .add(row.updated_at.millis())
        .add(row.changed)
        .add(signed(row.message_count))
        .add(signed(row.usage.input_tokens))
        .add(signed(row.usage.output_tokens))
        .add(signed(row.usage.cached_tokens))
        .add(row.model.clone());
}

fn session_change(to: &mut Values, row: &SessionRow) {
    to.add(row.n)
        .add(row.updated_at.millis())
        .add(row.changed)
        .add(signed(row.message_count))
        .add(signed(row.usage.input_tokens))
        .add(signed(row.usage.output_tokens))
        .add(signed(row.usage.cached_tokens))
        .add(row.model.clone());
}

fn task(to: &mut Values, row: &TaskRow) {
    to.add(row.n)
        .add(row.id.uuid().as_bytes().as_slice())
        .add(row.session)
        .add(row.principal.id.as_str())
        .add(i64::from(row.principal.scopes.bits()))
        .add(lane_number(row.lane))
        .add(i64::from(row.priority.get()))
        .add(row.label.clone())
        .add(on_crash_number(row.on_crash))
        .add(row.callback.clone())
        .add(row.created_at.millis())
        .add(i64::from(row.attempts_max));
    task_mutable(to, row);
}

fn task_change(to: &mut Values, row: &TaskRow) {
    to.add(row.n);
    task_mutable(to, row);
}

fn task_mutable(to: &mut Values, row: &TaskRow) {
    to.add(i64::from(row.attached))
        .add(i64::from(row.attempt))
        .add(i64::from(row.failures))
        .add(i64::from(row.crashes))
        .add(i64::from(row.progress))
        .add(row.cancel_at.map(|at| at.millis()))
        .add(row.started_at.map(|at| at.millis()))
        .add(state_number(row.state))
        .add(row.state_at.millis())
        .add(row.result.clone());
}

fn event(to: &mut Values, row: &EventPage) {
    to.add(row.place).add(row.body.clone());
}

fn message(to: &mut Values, row: &MessageRow) {
    to.add(row.place).add(row.task).add(row.at.millis()).add(row.body.clone());
}

fn run(to: &mut Values, row: &RunRow) {
    to.add(row.place)
        .add(row.started_at.millis())
        .add(row.ended_at.millis())
        .add(row.outcome)
        .add(row.error.clone())
        .add(row.model.clone())
        .add(signed(row.usage.input_tokens))
        .add(signed(row.usage.output_tokens))
        .add(signed(row.usage.cached_tokens));
}

fn key(to: &mut Values, row: &KeyRow) {
    to.add(row.owner.as_str()).add(row.key.clone()).add(row.task).add(row.digest.as_slice()).add(row.at.millis());
}

fn delivery(to: &mut Values, row: &DeliveryRow) {
    to.add(row.place).add(row.task).add(row.callback.clone()).add(0_i64).add(0_i64).add(row.at.millis());
}

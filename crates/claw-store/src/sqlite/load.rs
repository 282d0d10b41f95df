//! Loads what a batch wants to know into its unit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use claw_core::{Approval, TaskId};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::bulk::Bulk;
use super::decode;
use super::fault::Fault;
use super::pieces::turn;
use crate::stored::value;
use crate::unit::{JournalRow, KeyRow, Line, Totals, Unit, Wanted};

/// So many tasks of a session are loaded when few of them can leave in the batch.
const LINE_SHORT: usize = 32;
/// So many are loaded when a batch is all about one session; more than a batch has verbs.
const LINE_LONG: usize = 1024;

/// The loading statements.
#[derive(Debug)]
pub(super) struct Load {
    tasks: Bulk,
    sessions: Bulk,
    sessions_by_key: Bulk,
    waiting_short: Bulk,
    waiting_long: Bulk,
    running: Bulk,
    keys: Bulk,
    turns: Bulk,
    last_places: Bulk,
    journals: Bulk,
    approvals: Bulk,
}

/// The waiting tasks of a session by number, and the running one.
type Known = (BTreeMap<i64, TaskId>, Option<(i64, TaskId)>);

const TOTALS: &str = "SELECT queued, running, completed, failed, cancelled, sessions, \
                      (SELECT coalesce(max(n), 0) FROM tasks), \
                      (SELECT max(coalesce((SELECT max(n) FROM sessions), 0), coalesce((SELECT max(n) FROM deleted_sessions), 0))), \
                      (SELECT coalesce(max(changed), 0) FROM sessions) FROM counts";

/// Numbers and counters as they stand.
pub(super) async fn totals(connection: &mut SqliteConnection) -> Result<Totals, Fault> {
    let row = sqlx::query(TOTALS).fetch_one(connection).await?;
    let next = |column: usize| -> Result<i64, Fault> { Ok(row.try_get::<i64, _>(column)? + 1) };
    Ok(Totals { counts: decode::counts(&row)?, next_task: next(6)?, next_session: next(7)?, next_change: next(8)? })
}

impl Load {
    pub(super) fn new() -> Self {
        let tasks = decode::TASK_COLUMNS;
        let sessions = decode::SESSION_COLUMNS;
        let waiting = |limit: usize| {
            let after = format!(
                ") v CROSS JOIN tasks t WHERE t.n IN (SELECT n FROM tasks WHERE session = v.column1 AND state < 2 \
                 ORDER BY n LIMIT {limit}) AND t.state = 0"
            );
            Bulk::select_each(&format!("SELECT {tasks} FROM (VALUES "), 1, &after)
        };
        Self {
            tasks: Bulk::select(&format!("SELECT {tasks} FROM tasks t WHERE t.id IN ("), ")"),
            sessions: Bulk::select(&format!("SELECT {sessions} FROM sessions s WHERE s.n IN ("), ")"),
            sessions_by_key: Bulk::select(&format!("SELECT {sessions} FROM sessions s WHERE s.key IN ("), ")"),
            waiting_short: waiting(LINE_SHORT),
            waiting_long: waiting(LINE_LONG),
            running: Bulk::select(&format!("SELECT {tasks} FROM tasks t WHERE t.state = 1 AND t.session IN ("), ")"),
            keys: Bulk::select_each(
                "SELECT k.owner, k.key, k.task, t.id, k.digest, k.at FROM (VALUES ",
                2,
                ") v CROSS JOIN idempotency k ON k.owner = v.column1 AND k.key = v.column2 JOIN tasks t ON t.n = k.task",
            ),
            turns: Bulk::select(
                concat!("SELECT i.task, ", turn!("i"), ", i.form FROM inputs i WHERE i.task IN ("),
                ")",
            ),
            last_places: Bulk::select_each(
                "SELECT v.column1, (SELECT place FROM events WHERE place BETWEEN (v.column1 << 31) AND \
                 ((v.column1 << 31) | 2147483647) ORDER BY place DESC LIMIT 1) FROM (VALUES ",
                1,
                ") v WHERE v.column1 IS NOT NULL",
            ),
            journals: Bulk::select_each(
                "SELECT j.place, j.body, j.form FROM (VALUES ",
                1,
                ") v CROSS JOIN journal j ON j.place BETWEEN (v.column1 << 31) AND ((v.column1 << 31) | 2147483647)",
            ),
            approvals: Bulk::select_each(
                &format!("SELECT {} FROM (VALUES ", decode::approvals::APPROVAL_COLUMNS),
                1,
                ") v CROSS JOIN approvals a ON a.task = v.column1 CROSS JOIN tasks t ON t.n = a.task \
                 CROSS JOIN sessions s ON s.n = t.session",
            ),
        }
    }

    /// Loads everything wanted that the unit does not have; nothing may be left to write in it.
    pub(super) async fn load(
        &self,
        connection: &mut SqliteConnection,
        wanted: &Wanted,
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        self.load_tasks(connection, wanted, unit).await?;
        let touches = self.load_sessions(connection, wanted, unit).await?;
        self.load_lines(connection, &touches, unit).await?;
        self.load_keys(connection, wanted, unit).await?;
        self.load_turns(connection, wanted, unit).await?;
        self.load_last_seqs(connection, wanted, unit).await?;
        self.load_journals(connection, wanted, unit).await?;
        self.load_approvals(connection, wanted, unit).await
    }

    /// Every statement, for checking the plans.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<&Bulk> {
        vec![
            &self.tasks,
            &self.sessions,
            &self.sessions_by_key,
            &self.waiting_short,
            &self.waiting_long,
            &self.running,
            &self.keys,
            &self.turns,
            &self.last_places,
            &self.journals,
            &self.approvals,
        ]
    }

    async fn load_tasks(
        &self,
        connection: &mut SqliteConnection,
        wanted: &Wanted,
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        let unknown = |id: &&TaskId| !wanted.makes.contains(id) && unit.task(**id).is_none();
        let ids: Vec<TaskId> = wanted.tasks.keys().filter(unknown).copied().collect();
        let rows = self
            .tasks
            .read(connection, &ids, |to, id| {
                to.add(id.uuid().as_bytes().as_slice());
            })
            .await?;
        for row in &rows {
            unit.load_task(decode::task_row(row)?);
        }
        Ok(())
    }

    /// Also says how many verbs touch each session that exists.
    async fn load_sessions(
        &self,
        connection: &mut SqliteConnection,
        wanted: &Wanted,
        unit: &mut Unit,
    ) -> Result<HashMap<i64, usize>, Fault> {
        let mut touches: HashMap<i64, usize> = HashMap::new();
        for (id, times) in &wanted.tasks {
            if let Some(row) = unit.task(*id) {
                *touches.entry(row.session).or_default() += times;
            }
        }
        let numbers: Vec<i64> = touches.keys().filter(|n| unit.session(**n).is_none()).copied().collect();
        let mut rows = self
            .sessions
            .read(connection, &numbers, |to, n| {
                to.add(*n);
            })
            .await?;
        let keys: Vec<_> = wanted.sessions.keys().filter(|key| unit.session_by_key(key).is_none()).collect();
        rows.extend(
            self.sessions_by_key
                .read(connection, &keys, |to, key| {
                    to.add(key.as_str());
                })
                .await?,
        );
        for row in &rows {
            unit.load_session(decode::session_row(row)?);
        }
        for (key, times) in &wanted.sessions {
            if let Some(row) = unit.session_by_key(key) {
                *touches.entry(row.n).or_default() += times;
            }
        }
        Ok(touches)
    }

    async fn load_lines(
        &self,
        connection: &mut SqliteConnection,
        touches: &HashMap<i64, usize>,
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        let is_short = |session: &i64, times: usize| {
            let line = unit.session(*session).and_then(|row| row.line.as_ref());
            line.is_none_or(|line| !line.bears(times))
        };
        let short = touches.iter().filter(|(session, times)| is_short(session, **times));
        let (few, many): (Vec<i64>, Vec<i64>) = {
            let (few, many): (Vec<_>, Vec<_>) = short.partition(|(_, times)| **times < LINE_SHORT - 1);
            (few.into_iter().map(|(n, _)| *n).collect(), many.into_iter().map(|(n, _)| *n).collect())
        };
        for (sessions, statement, limit) in
            [(few, &self.waiting_short, LINE_SHORT), (many, &self.waiting_long, LINE_LONG)]
        {
            if sessions.is_empty() {
                continue;
            }
            let waiting = statement
                .read(connection, &sessions, |to, n| {
                    to.add(*n);
                })
                .await?;
            let running = self
                .running
                .read(connection, &sessions, |to, n| {
                    to.add(*n);
                })
                .await?;
            let mut lines: HashMap<i64, Known> = HashMap::new();
            for row in &waiting {
                let row = decode::task_row(row)?;
                lines.entry(row.session).or_default().0.insert(row.n, row.id);
                unit.load_task(row);
            }
            for row in &running {
                let row = decode::task_row(row)?;
                lines.entry(row.session).or_default().1 = Some((row.n, row.id));
                unit.load_task(row);
            }
            for session in sessions {
                let (waiting, running) = lines.remove(&session).unwrap_or_default();
                // The limit counts the running one too, where it is among the first.
                let is_whole = waiting.len() < limit - 1;
                unit.load_line(session, Line::loaded(waiting, is_whole, running));
            }
        }
        Ok(())
    }

    async fn load_keys(
        &self,
        connection: &mut SqliteConnection,
        wanted: &Wanted,
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        let keys: Vec<_> = wanted.keys.iter().collect();
        let bind = |to: &mut super::bulk::Values, (owner, key): &&(claw_core::PrincipalId, Arc<str>)| {
            to.add(owner.as_str()).add(key.clone());
        };
        for row in self.keys.read(connection, &keys, bind).await? {
            let digest: Vec<u8> = row.try_get(4)?;
            unit.load_key(KeyRow {
                owner: claw_core::PrincipalId::from_stored(row.try_get(0)?),
                key: row.try_get::<String, _>(1)?.into(),
                task: row.try_get(2)?,
                task_id: TaskId::from_uuid(decode::uuid(&row, 3)?),
                digest: decode::digest(&digest)?,
                at: claw_core::Timestamp::from_millis(row.try_get(5)?),
            });
        }
        Ok(())
    }

    async fn load_turns(
        &self,
        connection: &mut SqliteConnection,
        wanted: &Wanted,
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        // Whatever its state is now: it may come to wait again in this very batch.
        let needs = |id: &&TaskId| unit.task(**id).is_some_and(|row| row.turn.is_none());
        let ids = numbers(unit, wanted.starts.iter().filter(needs));
        let list: Vec<i64> = ids.keys().copied().collect();
        for row in self
            .turns
            .read(connection, &list, |to, n| {
                to.add(*n);
            })
            .await?
        {
            let Some(id) = ids.get(&row.try_get(0)?) else { continue };
            let turn: &str = row.try_get(1)?;
            unit.load_turn(*id, value(turn, row.try_get(2)?, "a task's turn")?);
        }
        Ok(())
    }

    async fn load_last_seqs(
        &self,
        connection: &mut SqliteConnection,
        wanted: &Wanted,
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        let needs = |id: &&TaskId| unit.task(**id).is_some_and(|row| row.last_seq.is_none());
        let ids = numbers(unit, wanted.last_seqs.iter().filter(needs));
        let list: Vec<i64> = ids.keys().copied().collect();
        for row in self
            .last_places
            .read(connection, &list, |to, n| {
                to.add(*n);
            })
            .await?
        {
            let place: Option<i64> = row.try_get(1)?;
            if let Some(id) = ids.get(&row.try_get(0)?) {
                unit.load_last_seq(*id, place.map_or(0, decode::number_of_place));
            }
        }
        Ok(())
    }

    async fn load_journals(
        &self,
        connection: &mut SqliteConnection,
        wanted: &Wanted,
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        let restarts = wanted.starts.iter().filter(|id| unit.task(**id).is_some_and(|row| row.attempt > 0));
        let asked: HashSet<&TaskId> = wanted.journals.iter().chain(restarts).collect();
        let ids = numbers(unit, asked.into_iter());
        let list: Vec<i64> = ids.keys().copied().collect();
        let mut journals: HashMap<i64, Vec<JournalRow>> = list.iter().map(|n| (*n, Vec::new())).collect();
        for row in self
            .journals
            .read(connection, &list, |to, n| {
                to.add(*n);
            })
            .await?
        {
            let place: i64 = row.try_get(0)?;
            let body: &str = row.try_get(1)?;
            let entry = value(body, row.try_get(2)?, "a journal entry")?;
            let row = JournalRow { number: decode::number_of_place(place), entry };
            journals.entry(decode::owner_of_place(place)).or_default().push(row);
        }
        for (n, mut rows) in journals {
            rows.sort_unstable_by_key(|row| row.number);
            if let Some(id) = ids.get(&n) {
                unit.load_journal(*id, rows);
            }
        }
        Ok(())
    }
}

impl Load {
    async fn load_approvals(
        &self,
        connection: &mut SqliteConnection,
        wanted: &Wanted,
        unit: &mut Unit,
    ) -> Result<(), Fault> {
        if wanted.approvals.is_empty() {
            return Ok(());
        }
        let list: Vec<i64> = numbers(unit, wanted.approvals.iter()).into_keys().collect();
        let rows = self
            .approvals
            .read(connection, &list, |to, n| {
                to.add(*n);
            })
            .await?;
        let mut approvals: HashMap<TaskId, Vec<Approval>> = HashMap::new();
        for row in &rows {
            let approval = decode::approvals::approval(row)?;
            approvals.entry(approval.task).or_default().push(approval);
        }
        for (id, approvals) in approvals {
            unit.load_approvals(id, approvals);
        }
        Ok(())
    }
}

fn numbers<'i>(unit: &Unit, ids: impl Iterator<Item = &'i TaskId>) -> HashMap<i64, TaskId> {
    ids.filter_map(|id| unit.task(*id).map(|row| (row.n, *id))).collect()
}

//! Failed | Cancelled → Queued, at its old place in its session's order.
//!
//! A call that was cut off is not made again because of it (G3): it has an answer from now on, which
//! tells the model that nobody knows what came of it.

use claw_core::run::{JournalEntry, ToolOutcome};
use claw_core::task::StateName;
use claw_core::{OnCrash, TaskId, Timestamp, Visibility};

use super::Verb;
use super::finish::due;
use crate::body::Body;
use crate::unit::{JournalRow, Unit, Wanted, place};
use crate::{Retried, StoreError};

/// What a model is told of a call that was cut off.
const CUT_OFF: &str = "the call was cut off before it answered; whether it took effect is unknown: find out before you make \
                       it again";

/// Somebody's wish that an ended task is tried again.
pub(crate) struct Retry {
    pub(crate) id: TaskId,
    pub(crate) visibility: Visibility,
    pub(crate) at: Timestamp,
}

impl Verb for Retry {
    type Answer = Retried;

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.id);
        wanted.journals.insert(self.id);
    }

    fn apply(&self, unit: &mut Unit) -> Result<Retried, StoreError> {
        let row = match unit.task(self.id) {
            Some(row) if self.visibility.sees(&row.principal.id) => row,
            Some(_) | None => return Ok(Retried::Absent),
        };
        let (n, session, on_crash) = (row.n, row.session, row.on_crash);
        if unit.session(session).is_none() {
            return Ok(Retried::Gone);
        }
        match row.state {
            StateName::Failed | StateName::Cancelled => {}
            state @ (StateName::Queued | StateName::Running | StateName::Completed) => {
                return Ok(Retried::NotEnded(state));
            }
        }
        if on_crash == OnCrash::Fail {
            self.answer_cut_off(unit, n)?;
        }
        unit.set_state(self.id, StateName::Queued, self.at, |row| {
            row.failures = 0;
            row.crashes = 0;
            row.progress = 0;
            row.attached = false;
            row.cancel_at = None;
            row.result = None;
        });
        unit.touch_session(session, self.at);
        Ok(Retried::Queued { ticket: due(unit, session).filter(|ticket| ticket.id == self.id) })
    }
}

impl Retry {
    /// Every call of which it is not known what came of it is answered so.
    fn answer_cut_off(&self, unit: &mut Unit, n: i64) -> Result<(), StoreError> {
        let is_cut_off = |row: &&JournalRow| row.entry.is_open() && !row.entry.is_idempotent;
        let rows: Vec<JournalRow> = unit.journal(self.id).iter().filter(is_cut_off).cloned().collect();
        let answer = ToolOutcome { text: CUT_OFF.into(), is_error: true };
        let answered = rows.into_iter().map(|row| -> Result<_, StoreError> {
            let entry = JournalEntry { result: Some(answer.clone()), ..row.entry };
            Ok((place(n, row.number)?, Body::of_step(&entry)?, JournalRow { number: row.number, entry }))
        });
        for (place, body, row) in answered.collect::<Result<Vec<_>, _>>()? {
            unit.put_journal(self.id, place, row, body);
        }
        Ok(())
    }
}

//! Failed | Cancelled → Queued, at its old place in its session's order.

use claw_core::task::StateName;
use claw_core::{TaskId, Timestamp, Visibility};

use super::Verb;
use super::finish::due;
use crate::unit::{Unit, Wanted};
use crate::{Retried, StoreError};

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
    }

    fn apply(&self, unit: &mut Unit) -> Result<Retried, StoreError> {
        let row = match unit.task(self.id) {
            Some(row) if self.visibility.sees(&row.principal.id) => row,
            Some(_) | None => return Ok(Retried::Absent),
        };
        let session = row.session;
        if unit.session(session).is_none() {
            return Ok(Retried::Gone);
        }
        match row.state {
            StateName::Failed | StateName::Cancelled => {}
            state @ (StateName::Queued | StateName::Running | StateName::Completed) => {
                return Ok(Retried::NotEnded(state));
            }
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

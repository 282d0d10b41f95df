//! Cancels a waiting task, or records the wish on a running one.

use claw_core::run::Sequenced;
use claw_core::task::StateName;
use claw_core::{RunEvent, TaskId, Timestamp, Visibility};

use super::Verb;
use super::approvals::void_all;
use super::finish::due;
use crate::body::Body;
use crate::stored::text;
use crate::unit::{DeliveryRow, Unit, Wanted, place};
use crate::{Cancelled, StoreError};

/// Somebody's wish that a task stops.
pub(crate) struct Cancel {
    pub(crate) id: TaskId,
    pub(crate) visibility: Visibility,
    pub(crate) at: Timestamp,
}

impl Verb for Cancel {
    type Answer = Cancelled;

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.id);
        wanted.last_seqs.insert(self.id);
        wanted.approvals.insert(self.id);
    }

    fn apply(&self, unit: &mut Unit) -> Result<Cancelled, StoreError> {
        let row = match unit.task(self.id) {
            Some(row) if self.visibility.sees(&row.principal.id) => row,
            Some(_) | None => return Ok(Cancelled::Absent),
        };
        match row.state {
            StateName::Queued => match unit.taker(row) {
                Some(run) if run.cancel_at.is_none() => Ok(Cancelled::TakenUp { by: run.id }),
                Some(_) | None => self.end(unit),
            },
            StateName::Running => {
                if row.cancel_at.is_none() {
                    unit.change_task(self.id, |row| row.cancel_at = Some(self.at));
                }
                Ok(Cancelled::Asked)
            }
            state @ (StateName::Completed | StateName::Failed | StateName::Cancelled) => Ok(Cancelled::Ended(state)),
        }
    }
}

impl Cancel {
    /// Ends a waiting task; what is stored of it is all that was ever shown, so the next number is free.
    fn end(&self, unit: &mut Unit) -> Result<Cancelled, StoreError> {
        let Some(row) = unit.task(self.id) else { return Ok(Cancelled::Absent) };
        let (n, session, callback) = (row.n, row.session, row.callback.clone());
        let seq = row.last_seq.unwrap_or(0) + 1;
        let event = Sequenced { seq, at: self.at, event: RunEvent::Cancelled { partial: String::new() } };
        let place = place(n, seq)?;
        let body = Body::Whole(text(std::slice::from_ref(&event))?);

        let was_due = due(unit, session).is_some_and(|ticket| ticket.id == self.id);
        unit.add_events(self.id, seq, place, body);
        unit.set_state(self.id, StateName::Cancelled, self.at, |_| {});
        void_all(unit, self.id, self.at);
        unit.touch_session(session, self.at);
        if let Some(callback) = callback {
            unit.add_delivery(DeliveryRow { place, task: n, callback, at: self.at });
        }
        Ok(Cancelled::Done { event: Box::new(event), next: due(unit, session).filter(|_| was_due) })
    }
}

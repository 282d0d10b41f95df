//! Stores what happened while a run goes on.

use std::sync::Arc;

use claw_core::TaskId;
use claw_core::run::Sequenced;
use claw_core::task::StateName;

use super::Verb;
use crate::StoreError;
use crate::body::Body;
use crate::unit::{Unit, Wanted, place};

/// A page of events, ready to be stored.
pub(crate) struct AppendEvents {
    id: TaskId,
    attempt: u32,
    /// The last number, and the events.
    page: Option<(u64, Body)>,
    progress: Option<u8>,
}

impl AppendEvents {
    /// Writes the JSON.
    pub(crate) fn prepare(
        id: TaskId,
        attempt: u32,
        events: &[Arc<Sequenced>],
        progress: Option<u8>,
    ) -> Result<Self, StoreError> {
        Ok(Self { id, attempt, page: page(events)?, progress })
    }
}

/// Events as one page: the last one's number and they; none when there are none.
pub(super) fn page(events: &[Arc<Sequenced>]) -> Result<Option<(u64, Body)>, StoreError> {
    let Some(last) = events.last() else { return Ok(None) };
    if !events.is_sorted_by(|one, next| one.seq < next.seq) {
        return Err(StoreError::Unavailable(format!("event numbers do not rise up to {}", last.seq)));
    }
    Ok(Some((last.seq, Body::of_events(events)?)))
}

impl Verb for AppendEvents {
    type Answer = bool;
    const FAILPOINTS: [Option<&'static str>; 2] = [Some("events.before_commit"), None];

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.id);
    }

    fn is_patient(&self, _unit: &Unit) -> bool {
        true
    }

    fn apply(&self, unit: &mut Unit) -> Result<bool, StoreError> {
        let Some(row) = unit.task(self.id) else { return Ok(false) };
        if row.state != StateName::Running || row.attempt != self.attempt {
            return Ok(false);
        }
        let progress = self.progress.filter(|progress| *progress != row.progress);
        if let Some((last_seq, body)) = &self.page {
            let place = place(row.n, *last_seq)?;
            unit.add_events(self.id, *last_seq, place, body.clone());
        }
        if let Some(progress) = progress {
            unit.change_task(self.id, |row| row.progress = progress.min(100));
        }
        Ok(true)
    }

    fn bytes(&self) -> usize {
        self.page.as_ref().map_or(0, |(_, body)| body.bytes())
    }
}

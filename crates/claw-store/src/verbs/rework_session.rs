//! What is done to a session while it rests: decided against those who wait and run in it.

use claw_core::provider::Usage;
use claw_core::{SessionId, SessionKey, Timestamp, Visibility};

use super::Verb;
use crate::body::Body;
use crate::limits::BUSY_SHOWN_MAX;
use crate::unit::{Unit, Wanted};
use crate::{Rework, Reworked, StoreError};

/// By no task: what was injected.
const NO_TASK: i64 = 0;

/// A wish to do something to a session, ready to be decided.
pub(crate) struct ReworkSession {
    key: SessionKey,
    visibility: Visibility,
    rework: Rework,
    /// What is to be said in it.
    message: Option<Body>,
    at: Timestamp,
}

impl ReworkSession {
    /// Writes the JSON.
    pub(crate) fn prepare(
        key: SessionKey,
        visibility: Visibility,
        rework: Rework,
        at: Timestamp,
    ) -> Result<Self, StoreError> {
        let message = match &rework {
            Rework::Inject(message) => Some(Body::of_message(message)?),
            Rework::Reset(_) | Rework::Compact(_) | Rework::Delete => None,
        };
        Ok(Self { key, visibility, rework, message, at })
    }
}

impl Verb for ReworkSession {
    type Answer = Reworked;

    fn wants(&self, wanted: &mut Wanted) {
        wanted.session(&self.key);
    }

    fn apply(&self, unit: &mut Unit) -> Result<Reworked, StoreError> {
        let row = match unit.session_by_key(&self.key) {
            Some(row) if self.visibility.sees(&row.owner) => row,
            Some(_) | None => return Ok(Reworked::Absent),
        };
        let n = row.n;
        if !row.line.as_ref().is_some_and(|line| line.is_empty()) {
            let open = row.line.iter().flat_map(|line| line.open());
            return Ok(Reworked::Busy(open.take(BUSY_SHOWN_MAX).collect()));
        }
        let before = Box::new(row.shown());
        let is_changed = match self.rework {
            Rework::Reset(id) => reset(unit, n, id, self.at),
            Rework::Compact(keep) => compact(unit, n, keep),
            Rework::Inject(_) => self.inject(unit, n)?,
            Rework::Delete => {
                unit.delete_session(n, self.at);
                return Ok(Reworked::Done { session: before, is_changed: true });
            }
        };
        if is_changed {
            unit.touch_session(n, self.at);
        }
        let session = unit.session(n).map_or(before, |row| Box::new(row.shown()));
        Ok(Reworked::Done { session, is_changed })
    }

    fn bytes(&self) -> usize {
        self.message.as_ref().map_or(0, Body::bytes)
    }
}

impl ReworkSession {
    fn inject(&self, unit: &mut Unit, n: i64) -> Result<bool, StoreError> {
        unit.has_room(n, 1)?;
        unit.add_messages(n, NO_TASK, self.at, self.message.as_slice());
        Ok(true)
    }
}

/// The messages stay on disk, behind the mark; their numbers are not used again.
fn reset(unit: &mut Unit, n: i64, id: SessionId, at: Timestamp) -> bool {
    unit.reshape_session(n, |row| {
        row.id = id;
        row.history_after = row.message_count;
        row.context_after = row.message_count;
        row.usage = Usage::default();
        row.reset_at = Some(at);
        row.untrusted = false;
    });
    true
}

fn compact(unit: &mut Unit, n: i64, keep: u64) -> bool {
    let Some(row) = unit.session(n) else { return false };
    let after = row.message_count.saturating_sub(keep);
    let cuts = after > row.context_after;
    if cuts {
        unit.reshape_session(n, |row| row.context_after = after);
    }
    cuts
}

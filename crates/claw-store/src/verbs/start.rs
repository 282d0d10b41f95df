//! Queued → Running: one winner per attempt, one run per session (G2, G5).

use std::sync::Arc;

use claw_core::task::StateName;
use claw_core::{TaskId, Timestamp};

use super::Verb;
use crate::body::Body;
use crate::stored::{FORM, value};
use crate::unit::{Unit, Wanted};
use crate::{Started, StartedRun, StoreError, UNSTORED_EVENTS_MAX};

/// A worker's wish to run a task it has the ticket of.
pub(crate) struct Start {
    pub(crate) id: TaskId,
    pub(crate) attempt: u32,
    pub(crate) at: Timestamp,
}

impl Verb for Start {
    type Answer = Started;
    const FAILPOINTS: [Option<&'static str>; 2] = [Some("start.before_commit"), Some("start.after_commit")];

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.id);
        wanted.starts.insert(self.id);
        wanted.last_seqs.insert(self.id);
    }

    fn apply(&self, unit: &mut Unit) -> Result<Started, StoreError> {
        let Some(row) = unit.task(self.id) else { return Ok(Started::Absent) };
        if row.state != StateName::Queued || row.attempt != self.attempt {
            return Ok(Started::Stale(row.state));
        }
        let (n, session, resumes) = (row.n, row.session, row.parked);
        let Some(home) = unit.session(session) else {
            return Err(StoreError::Corrupt(format!("{} has no session", self.id)));
        };
        if home.line.as_ref().and_then(|line| line.due()) != Some(self.id) {
            return Ok(Started::SessionBusy);
        }
        let (session_id, untrusted) = (home.id, home.untrusted);
        let Some(turn) = row.turn.clone() else {
            return Err(StoreError::Corrupt(format!("{} has no input", self.id)));
        };
        let is_first = row.attempt == 0;
        let messages = match is_first {
            true => turn.input.iter().map(Body::of_message).collect::<Result<Vec<_>, _>>()?,
            false => Vec::new(),
        };
        unit.has_room(session, messages.len())?;
        let callback =
            row.callback.as_deref().map(|callback| value(callback, FORM, "a task's callback")).transpose()?;
        let seq = row.last_seq.unwrap_or(0) + if is_first { 0 } else { UNSTORED_EVENTS_MAX };

        unit.set_state(self.id, StateName::Running, self.at, |row| {
            row.attempt += 1;
            row.started_at.get_or_insert(self.at);
            row.progress = 0;
        });
        unit.add_messages(session, n, self.at, &messages);
        unit.touch_session(session, self.at);
        let journal = unit.journal(self.id).iter().map(|row| row.entry.clone()).collect();
        let turn = Arc::unwrap_or_clone(turn);
        let Some(row) = unit.task(self.id) else { return Ok(Started::Absent) };
        let task = row.running(session_id, turn, callback);
        Ok(Started::Won(Box::new(StartedRun { task, seq, journal, resumes, untrusted })))
    }
}

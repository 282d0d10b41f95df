//! A running attempt takes up what waiting tasks say, and ends them when it completes.
//!
//! A task that was taken up waits on. Its mark names the attempt, so the mark of an attempt that was
//! lost, given back or retried means nothing, and the task takes its own turn: nothing is lost, and
//! nothing is answered twice.

use std::sync::Arc;

use claw_core::provider::Usage;
use claw_core::run::Sequenced;
use claw_core::task::{Outcome, StateName};
use claw_core::{Output, RunEvent, TaskId, Timestamp};

use super::Verb;
use crate::body::Body;
use crate::stored::text;
use crate::unit::{DeliveryRow, Steer, TaskRow, Unit, Wanted, place};
use crate::{Answered, Finish, StoreError, TakenUp};

/// An attempt's wish to take tasks up.
pub(crate) struct TakeUp {
    pub(crate) id: TaskId,
    pub(crate) attempt: u32,
    pub(crate) steering: Vec<TaskId>,
    pub(crate) at: Timestamp,
}

impl Verb for TakeUp {
    type Answer = Option<Vec<TakenUp>>;
    const FAILPOINTS: [Option<&'static str>; 2] = [None, Some("take_up.after_commit")];

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.id);
        for id in &self.steering {
            wanted.task(*id);
            wanted.starts.insert(*id);
        }
    }

    fn apply(&self, unit: &mut Unit) -> Result<Option<Vec<TakenUp>>, StoreError> {
        let run = match unit.task(self.id) {
            Some(row) if row.state == StateName::Running && row.attempt == self.attempt => row,
            Some(_) | None => return Ok(None),
        };
        let attempt = place(run.n, u64::from(self.attempt))?;
        let mut taken = Vec::new();
        for row in self.steering.iter().filter_map(|id| unit.task(*id)).filter(|row| self.takes(run, row, attempt)) {
            let Some(turn) = &row.turn else {
                return Err(StoreError::Corrupt(format!("{} has no input", row.id)));
            };
            taken.push(TakenUp { id: row.id, input: turn.input.clone() });
        }
        for TakenUp { id, .. } in &taken {
            unit.take_up(*id, attempt);
        }
        Ok(Some(taken))
    }
}

impl TakeUp {
    fn takes(&self, run: &TaskRow, row: &TaskRow, attempt: i64) -> bool {
        row.session == run.session
            && row.principal == run.principal
            && row.state == StateName::Queued
            && row.attempt == 0
            && row.state_at <= self.at
            && row.steer.is_some_and(|steer| steer != Steer::Taken(attempt))
    }
}

/// What a completed attempt ends beside its own task.
pub(super) struct Answers {
    result: Option<Arc<str>>,
    answers: Vec<Answer>,
}

struct Answer {
    task: i64,
    place: i64,
    body: Arc<str>,
    callback: Option<Arc<str>>,
    answered: Answered,
}

impl Answers {
    /// The tasks that the attempt of this place took up and that still wait.
    pub(super) fn find(unit: &Unit, finish: &Finish, attempt: i64) -> Result<Self, StoreError> {
        let output = match &finish.outcome {
            Outcome::Completed(output) if !finish.steered.is_empty() => output,
            _ => return Ok(Self { result: None, answers: Vec::new() }),
        };
        // The tokens are counted where they were used.
        let (usage, answered_by) = (Usage::default(), Some(finish.id));
        let output = Output { usage, answered_by, tool_calls: Vec::new(), ..output.clone() };
        let waits = |row: &&TaskRow| row.state == StateName::Queued && row.steer == Some(Steer::Taken(attempt));
        let mut answers = Vec::new();
        for row in finish.steered.iter().filter_map(|steered| unit.task(steered.id)).filter(waits) {
            let seq = row.last_seq.unwrap_or(0) + 1;
            let event = Sequenced { seq, at: finish.at, event: RunEvent::Completed { output: output.clone() } };
            answers.push(Answer {
                task: row.n,
                place: place(row.n, seq)?,
                body: text(std::slice::from_ref(&event))?,
                callback: row.callback.clone(),
                answered: Answered { id: row.id, event, has_callback: row.callback.is_some() },
            });
        }
        let result = if answers.is_empty() { None } else { Some(text(&output)?) };
        Ok(Self { result, answers })
    }

    /// Ends them.
    pub(super) fn give(self, unit: &mut Unit, at: Timestamp) -> Vec<Answered> {
        let Self { result, answers } = self;
        let mut given = Vec::with_capacity(answers.len());
        for Answer { task, place, body, callback, answered } in answers {
            unit.add_events(answered.id, answered.event.seq, place, Body::Whole(body));
            unit.set_state(answered.id, StateName::Completed, at, |row| {
                row.result.clone_from(&result);
                row.progress = 100;
            });
            if let Some(callback) = callback {
                unit.add_delivery(DeliveryRow { place, task, callback, at });
            }
            given.push(answered);
        }
        given
    }
}

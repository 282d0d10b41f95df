//! Running → what the attempt came to: the first finish wins (G2).

use std::sync::Arc;

use claw_core::run::Sequenced;
use claw_core::task::{Outcome, StateName};
use claw_core::{RunEvent, TaskId, Timestamp};

use super::Verb;
use super::approvals::{ask, void_all};
use super::events::page;
use super::journal::put_intent;
use super::take_up::Answers;
use crate::body::Body;
use crate::stored::text;
use crate::unit::{DeliveryRow, Line, RunRow, Unit, Wanted, place};
use crate::{DueTicket, Finish, Finished, StoreError};

/// An attempt's end, ready to be stored.
pub(crate) struct FinishRun {
    finish: Arc<Finish>,
    page: Option<(u64, Body)>,
    messages: Vec<Body>,
    model: Arc<str>,
    /// The output or the failure as JSON.
    result: Option<Arc<str>>,
    /// What went wrong, for the list of attempts.
    error: Option<Arc<str>>,
}

/// Where an end leads.
struct Leads {
    state: StateName,
    at: Timestamp,
    /// How the list of attempts calls it.
    outcome: &'static str,
    /// A last event that the worker could not know of: its number, place and JSON.
    event: Option<(u64, i64, Arc<str>)>,
}

impl FinishRun {
    /// Writes the JSON.
    pub(crate) fn prepare(finish: Arc<Finish>) -> Result<Self, StoreError> {
        let page = page(&finish.events)?;
        let messages = finish.messages.iter().map(Body::of_message).collect::<Result<_, _>>()?;
        let (result, error) = match &finish.outcome {
            Outcome::Completed(output) => (Some(text(output)?), None),
            Outcome::Failed { failure, .. } => (Some(text(failure)?), Some(failure.message.as_str().into())),
            Outcome::Retry { failure, .. } | Outcome::Yielded { why: Some(failure), .. } => {
                (None, Some(failure.message.as_str().into()))
            }
            Outcome::Yielded { .. } | Outcome::Parked { .. } | Outcome::Cancelled { .. } => (None, None),
        };
        let model = finish.model.as_str().into();
        Ok(Self { finish, page, messages, model, result, error })
    }

    /// Where it leads; a wish to cancel outweighs another attempt.
    fn leads(&self, n: i64, asked_to_cancel: bool, last_seq: u64) -> Result<Leads, StoreError> {
        let at = self.finish.at;
        let ends = |state: StateName| Leads { state, at, outcome: state.as_str(), event: None };
        Ok(match &self.finish.outcome {
            Outcome::Completed(_) => ends(StateName::Completed),
            Outcome::Failed { .. } => ends(StateName::Failed),
            Outcome::Cancelled { .. } => ends(StateName::Cancelled),
            Outcome::Retry { .. } | Outcome::Yielded { .. } | Outcome::Parked { .. } if asked_to_cancel => {
                let event = Sequenced { seq: last_seq + 1, at, event: RunEvent::Cancelled { partial: String::new() } };
                let page = (event.seq, place(n, event.seq)?, text(&[event])?);
                Leads { event: Some(page), ..ends(StateName::Cancelled) }
            }
            Outcome::Retry { not_before, .. } => {
                Leads { state: StateName::Queued, at: *not_before, outcome: "retrying", event: None }
            }
            Outcome::Yielded { not_before, .. } => {
                Leads { state: StateName::Queued, at: *not_before, outcome: "yielded", event: None }
            }
            Outcome::Parked { approval, .. } => {
                Leads { state: StateName::Queued, at: approval.expires_at, outcome: "parked", event: None }
            }
        })
    }
}

impl Verb for FinishRun {
    type Answer = Finished;
    const FAILPOINTS: [Option<&'static str>; 2] = [Some("finish.before_commit"), Some("finish.after_commit")];

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.finish.id);
        for steered in &self.finish.steered {
            wanted.task(steered.id);
            wanted.last_seqs.insert(steered.id);
        }
        if matches!(self.finish.outcome, Outcome::Parked { .. }) {
            wanted.journals.insert(self.finish.id);
        }
        if self.finish.has_asked {
            wanted.approvals.insert(self.finish.id);
        }
        if self.page.is_none() {
            wanted.last_seqs.insert(self.finish.id);
        }
    }

    /// A synchronous reply has gone out already, but the next of its session may wait. Its submit
    /// may still wait in the same batch, and then the task is not known yet.
    fn is_patient(&self, unit: &Unit) -> bool {
        let has_no_queue =
            |session| unit.session(session).and_then(|row| row.line.as_ref()).is_none_or(Line::has_no_queue);
        unit.task(self.finish.id).is_none_or(|row| row.attached && has_no_queue(row.session))
    }

    fn apply(&self, unit: &mut Unit) -> Result<Finished, StoreError> {
        let Finish { id, attempt, usage, at, .. } = &*self.finish;
        let row = match unit.task(*id) {
            Some(row) if row.state == StateName::Running && row.attempt == *attempt => row,
            Some(_) | None => return Ok(Finished { accepted: false, next: None, answered: Vec::new() }),
        };
        let (n, session, started_at) = (row.n, row.session, row.state_at);
        let owner = row.principal.id.clone();
        let last_seq = self.page.as_ref().map_or(row.last_seq.unwrap_or(0), |(last_seq, _)| *last_seq);
        let events_place = place(n, last_seq)?;
        let leads = self.leads(n, row.cancel_at.is_some(), last_seq)?;
        let run_place = place(n, u64::from(*attempt))?;
        let callback = row.callback.clone().filter(|_| leads.state.is_terminal());
        unit.has_room(session, self.messages.len())?;
        let answers = Answers::find(unit, &self.finish, run_place)?;

        if let Some((last_seq, body)) = &self.page {
            unit.add_events(*id, *last_seq, events_place, body.clone());
        }
        let end_place = match leads.event {
            Some((seq, place, body)) => {
                unit.add_events(*id, seq, place, Body::Whole(body));
                place
            }
            None => events_place,
        };
        self.say(unit, session, n);
        unit.add_usage(session, *usage, &self.model);
        unit.add_usage_day(&owner, *usage, &self.model, *at, 1);
        unit.touch_session(session, *at);
        unit.add_run(RunRow {
            place: run_place,
            started_at,
            ended_at: *at,
            outcome: leads.outcome,
            error: self.error.clone(),
            model: Some(self.model.clone()).filter(|model| !model.is_empty()),
            usage: *usage,
        });
        if let Some(callback) = callback {
            unit.add_delivery(DeliveryRow { place: end_place, task: n, callback, at: *at });
        }
        unit.set_state(*id, leads.state, leads.at, |row| {
            row.result = self.result.clone();
            row.cancel_at = None;
            match self.finish.outcome {
                Outcome::Completed(_) => row.progress = 100,
                Outcome::Failed { .. } | Outcome::Retry { .. } => row.failures += 1,
                Outcome::Yielded { .. } | Outcome::Parked { .. } | Outcome::Cancelled { .. } => {}
            }
        });
        self.park(unit, n, leads.state)?;
        let answered = answers.give(unit, *at);
        Ok(Finished { accepted: true, next: due(unit, session), answered })
    }

    fn bytes(&self) -> usize {
        let page = self.page.as_ref().map_or(0, |(_, body)| body.bytes());
        page + self.result.as_ref().map_or(0, |result| result.len())
            + self.messages.iter().map(Body::bytes).sum::<usize>()
    }
}

impl FinishRun {
    /// Lets the task wait for somebody's decision; whatever it had asked for is void once it has ended.
    fn park(&self, unit: &mut Unit, n: i64, state: StateName) -> Result<(), StoreError> {
        let id = self.finish.id;
        if state.is_terminal() {
            void_all(unit, id, self.finish.at);
            return Ok(());
        }
        let Outcome::Parked { approval, planned } = &self.finish.outcome else { return Ok(()) };
        for entry in planned {
            put_intent(unit, id, n, entry)?;
        }
        let until = ask(unit, approval, self.finish.at);
        unit.park(id, approval.id, until);
        Ok(())
    }

    /// Appends to the history, each message by the task that said it.
    fn say(&self, unit: &mut Unit, session: i64, n: i64) {
        let steered = &self.finish.steered;
        for (place, message) in self.messages.iter().enumerate() {
            let taken = steered.iter().find(|steered| steered.messages.contains(&place));
            let by = taken.and_then(|steered| unit.task(steered.id)).map_or(n, |row| row.n);
            unit.add_messages(session, by, self.finish.at, std::slice::from_ref(message));
        }
    }
}

/// The ticket of the task whose turn it is in a session.
pub(super) fn due(unit: &Unit, session: i64) -> Option<DueTicket> {
    let id: TaskId = unit.session(session)?.line.as_ref()?.due()?;
    unit.task(id).map(|row| row.ticket())
}

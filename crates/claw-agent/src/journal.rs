//! The journal of tool effects (G3): intent before, result after, replay instead of repeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use claw_core::run::{JournalEntry, ToolOutcome};
use claw_core::{Failure, FailureReason, OnCrash, Task, TaskId, ToolCall};
use claw_runtime::failpoint;
use claw_store::{Store, StoreError};

use crate::recorder::Fenced;

pub(crate) struct Journal {
    store: Arc<dyn Store>,
    id: TaskId,
    attempt: u32,
    on_crash: OnCrash,
    /// Steps of earlier attempts, by round.
    earlier: BTreeMap<u32, Vec<JournalEntry>>,
}

/// Why an intent could not be written.
pub(crate) enum NotWritten {
    Fenced,
    Failed(Failure),
}

impl From<Fenced> for NotWritten {
    fn from(_: Fenced) -> Self {
        Self::Fenced
    }
}

impl Journal {
    pub(crate) fn new(store: Arc<dyn Store>, task: &Task, entries: Vec<JournalEntry>) -> Self {
        let mut earlier: BTreeMap<u32, Vec<JournalEntry>> = BTreeMap::new();
        for entry in entries {
            earlier.entry(entry.round).or_default().push(entry);
        }
        Self { store, id: task.id, attempt: task.attempt, on_crash: task.on_crash, earlier }
    }

    /// The steps that an earlier attempt took in this round.
    ///
    /// Errors: one of them was cut off and must not be repeated.
    pub(crate) fn replay(&mut self, round: u32) -> Result<Option<Vec<JournalEntry>>, Failure> {
        let Some(entries) = self.earlier.remove(&round) else { return Ok(None) };
        let cut_off = |entry: &&JournalEntry| entry.is_open() && !entry.is_idempotent && self.on_crash == OnCrash::Fail;
        match entries.iter().find(cut_off) {
            Some(entry) => Err(Failure::new(
                FailureReason::Interrupted,
                format!("the worker stopped while tool {:?} was running; it is not repeated", entry.call.name),
            )),
            None => Ok(Some(entries)),
        }
    }

    /// The number of a round that no earlier attempt has begun.
    pub(crate) fn next_round(&self) -> u32 {
        self.earlier.last_key_value().map_or(0, |(round, _)| round + 1)
    }

    /// Writes down that a tool is about to run. Waits for the disk when a repeat would do harm.
    pub(crate) async fn intent(&self, entry: JournalEntry) -> Result<(), NotWritten> {
        let must_land = !entry.is_idempotent;
        let commit = self.store.journal_intent(self.id, self.attempt, entry).await;
        if !must_land {
            return Ok(());
        }
        let written = commit.await;
        failpoint::pass("journal.after_intent");
        match written {
            Ok(true) => Ok(()),
            Ok(false) => Err(NotWritten::Fenced),
            Err(error) => Err(NotWritten::Failed(unwritten(&error))),
        }
    }

    /// Writes down what the tool answered, behind the run's back.
    pub(crate) async fn result(&self, call: &ToolCall, outcome: ToolOutcome) {
        failpoint::pass("journal.after_effect");
        drop(self.store.journal_result(self.id, self.attempt, call.id.clone(), outcome).await);
    }
}

fn unwritten(error: &StoreError) -> Failure {
    Failure::new(FailureReason::Internal, format!("a tool's intent could not be journaled: {error}"))
}

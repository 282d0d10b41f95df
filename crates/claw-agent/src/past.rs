//! What the attempts before this one have used, and how long they took of the run's time.

use std::time::Duration;

use claw_core::provider::Usage;
use claw_core::{Task, TaskState, Timestamp};
use claw_store::{RunRecord, Store, StoreError};

/// Of all attempts before this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Tokens.
    pub(crate) usage: Usage,
    /// Time of the run's limit. Whoever waits for somebody's leave uses none of it, and a retry by hand
    /// begins anew.
    pub(crate) took: Duration,
}

impl Past {
    /// Looks it up where there is something to be found.
    pub(crate) async fn of(task: &Task, store: &dyn Store) -> Result<Self, StoreError> {
        match task.attempt {
            0 | 1 => Ok(Self::default()),
            attempt => {
                let mut runs = store.runs(task.id).await?;
                runs.retain(|run| run.attempt < attempt);
                Ok(Self::told_by(&runs, since(task).unwrap_or(task.created_at)))
            }
        }
    }

    fn told_by(runs: &[RunRecord], now: Timestamp) -> Self {
        let next = runs.iter().skip(1).map(|run| run.started_at).chain([now]);
        runs.iter().zip(next).fold(Self::default(), |past, (run, next)| {
            let until = match run.outcome.as_deref() {
                Some("parked") => run.ended_at.unwrap_or(next),
                _ => next,
            };
            let took = match run.outcome.as_deref() {
                Some("failed" | "cancelled") => Duration::ZERO,
                _ => past.took + until.since(run.started_at),
            };
            Self { usage: past.usage.plus(run.usage), took }
        })
    }
}

/// When the attempt that runs began.
pub(crate) fn since(task: &Task) -> Option<Timestamp> {
    match task.state {
        TaskState::Running { since } => Some(since),
        TaskState::Queued { .. }
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(attempt: u32, from: i64, to: i64, outcome: &str) -> RunRecord {
        RunRecord {
            attempt,
            started_at: Timestamp::from_millis(from),
            ended_at: Some(Timestamp::from_millis(to)),
            outcome: Some(outcome.into()),
            error: None,
            model: None,
            usage: Usage { input_tokens: 10, output_tokens: 1, ..Usage::default() },
        }
    }

    #[test]
    fn waiting_for_leave_takes_no_time_and_a_retry_by_hand_begins_anew() {
        let table: &[(&[RunRecord], u64)] = &[
            (&[], 0),
            (&[run(1, 0, 100, "parked")], 100),
            (&[run(1, 0, 100, "parked"), run(2, 5_000, 5_300, "parked")], 400),
            (&[run(1, 0, 100, "retrying")], 10_000),
            (&[run(1, 0, 100, "died"), run(2, 200, 300, "parked")], 300),
            (&[run(1, 0, 100, "parked"), run(2, 5_000, 5_300, "failed")], 0),
            (&[run(1, 0, 100, "failed"), run(2, 7_000, 7_001, "parked")], 1),
        ];
        for (runs, took) in table {
            let past = Past::told_by(runs, Timestamp::from_millis(10_000));
            let usage =
                Usage { input_tokens: 10 * runs.len() as u64, output_tokens: runs.len() as u64, ..Usage::default() };
            assert_eq!(past, Past { usage, took: Duration::from_millis(*took) }, "{runs:?}");
        }
    }
}

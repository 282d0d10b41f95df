//! How late the process is: a beat that measures by how much it comes too late.
//!
//! Whatever keeps the control plane from its turn – more work than the machine does, or something
//! that blocks a thread – keeps the beat from its turn, too. One late beat is a hiccup; several in a
//! row are said to be a failure until one comes in time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claw_core::{Clock, Timestamp};
use tokio::time::Instant;

use crate::limits::{LAG_BEATS, LAG_EVERY, LAG_LATE, LAG_ROW};

/// The last beats.
#[derive(Debug, Default)]
pub(crate) struct Lag(Mutex<Beats>);

#[derive(Debug, Default)]
struct Beats {
    delays: VecDeque<Duration>,
    /// How many came too late, up to the last one.
    late: usize,
    since: Option<Timestamp>,
}

/// How late things were lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lateness {
    /// Almost all were not later than this.
    pub p99: Duration,
    /// None was.
    pub max: Duration,
    /// Since when nothing comes in time.
    pub late_since: Option<Timestamp>,
}

impl Lag {
    /// Beats for as long as it is polled.
    pub(crate) async fn run(&self, clock: &dyn Clock) {
        loop {
            let due = Instant::now() + LAG_EVERY;
            tokio::time::sleep_until(due).await;
            self.beat(due.elapsed(), clock.now());
        }
    }

    fn beat(&self, delay: Duration, now: Timestamp) {
        let mut beats = self.beats();
        if beats.delays.len() == LAG_BEATS {
            beats.delays.pop_front();
        }
        beats.delays.push_back(delay);
        beats.late = if delay < LAG_LATE { 0 } else { beats.late + 1 };
        beats.since = (beats.late >= LAG_ROW).then(|| beats.since.unwrap_or(now));
    }

    /// How late things were lately.
    pub(crate) fn lateness(&self) -> Lateness {
        let beats = self.beats();
        let mut sorted: Vec<Duration> = beats.delays.iter().copied().collect();
        sorted.sort_unstable();
        let max = sorted.last().copied().unwrap_or_default();
        let p99 = sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(max);
        Lateness { p99, max, late_since: beats.since }
    }

    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_TIME: Duration = Duration::from_millis(1);

    fn after(delays: &[Duration]) -> Lateness {
        let lag = Lag::default();
        for (at, delay) in (0..).zip(delays) {
            lag.beat(*delay, Timestamp::from_millis(at));
        }
        lag.lateness()
    }

    #[test]
    fn a_hiccup_is_no_failure_and_a_row_of_them_is_until_one_comes_in_time() {
        assert_eq!(after(&[]), Lateness::default());
        let hiccups = [IN_TIME, LAG_LATE, LAG_LATE, IN_TIME];
        assert_eq!(after(&hiccups), Lateness { p99: LAG_LATE, max: LAG_LATE, late_since: None });
        let mut row = vec![IN_TIME];
        row.extend([LAG_LATE; LAG_ROW + 2]);
        assert_eq!(after(&row).late_since, Some(Timestamp::from_millis(LAG_ROW as i64)));
        row.push(IN_TIME);
        assert_eq!(after(&row).late_since, None);
    }

    #[test]
    fn what_was_long_ago_is_forgotten_and_one_in_a_hundred_is_left_out() {
        let mut delays = vec![LAG_LATE];
        delays.extend([IN_TIME; LAG_BEATS]);
        assert_eq!(after(&delays).max, IN_TIME);
        delays.push(LAG_LATE);
        let Lateness { p99, max, .. } = after(&delays);
        assert_eq!((p99, max), (IN_TIME, LAG_LATE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_is_as_late_as_it_is_let() {
        let lag = Lag::default();
        let clock = claw_testkit::FakeClock::default();
        let mut beats = std::pin::pin!(lag.run(&clock));
        // Nobody polls it for a while beyond its time.
        assert!(futures::poll!(&mut beats).is_pending());
        tokio::time::advance(LAG_EVERY + LAG_LATE).await;
        assert!(futures::poll!(&mut beats).is_pending());
        assert!(lag.lateness().max >= LAG_LATE, "{:?}", lag.lateness());
    }
}

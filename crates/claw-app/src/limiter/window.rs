//! The requests of a minute.
//!
//! A request counts for a minute, in steps of a second, so that no minute sees more than the number. The usual
//! leaky bucket lets twice as many through in its first minute, and cannot say truly how many are left.

use std::time::Duration;

use claw_core::Timestamp;

use super::Standing;

/// Seconds in which a request counts.
const WINDOW_SECONDS: i64 = 60;

/// The requests of the last minute, by the second.
#[derive(Debug)]
pub(super) struct Window {
    /// By the second's number modulo their count.
    seconds: [u32; WINDOW_SECONDS as usize],
    /// The last second that was looked at.
    newest: i64,
    pub(super) total: u32,
}

impl Window {
    pub(super) fn at(now: Timestamp) -> Self {
        Self { seconds: [0; WINDOW_SECONDS as usize], newest: now.seconds(), total: 0 }
    }

    /// Lets go of what is older than a minute. A clock that is set back a little makes the newest second longer;
    /// one that is set back by more than the window begins it anew, so that nobody waits for hours.
    pub(super) fn roll(&mut self, now: Timestamp) {
        let second = now.seconds();
        let passed = second.saturating_sub(self.newest);
        if passed.unsigned_abs() >= WINDOW_SECONDS.unsigned_abs() {
            *self = Self::at(now);
            return;
        }
        for gone in self.newest + 1..=second {
            let slot = self.slot(gone);
            let freed = std::mem::take(slot);
            self.total -= freed;
        }
        self.newest = self.newest.max(second);
    }

    fn slot(&mut self, second: i64) -> &mut u32 {
        let place = usize::try_from(second.rem_euclid(WINDOW_SECONDS)).unwrap_or_default();
        self.seconds.get_mut(place).expect("a remainder is below its divisor")
    }

    /// Counts so many answers, if they are left; else how long to wait for them.
    pub(super) fn take(&mut self, now: Timestamp, answers: u32, limit: u32) -> Result<Standing, Duration> {
        self.roll(now);
        let total = self.total.saturating_add(answers);
        if total > limit {
            return Err(self.until_freed(now, total - limit));
        }
        let newest = self.newest;
        *self.slot(newest) += answers;
        self.total = total;
        Ok(self.standing(now, limit))
    }

    /// The second that a request made now is counted in.
    pub(super) const fn second(&self) -> i64 {
        self.newest
    }

    /// Takes answers out again that were counted in this second, where that still counts.
    pub(super) fn give_back(&mut self, second: i64, answers: u32) {
        if (self.newest - WINDOW_SECONDS + 1..=self.newest).contains(&second) {
            let slot = self.slot(second);
            let back = answers.min(*slot);
            *slot -= back;
            self.total -= back;
        }
    }

    pub(super) fn standing(&self, now: Timestamp, limit: u32) -> Standing {
        Standing { limit, remaining: limit.saturating_sub(self.total), reset: self.until_freed(now, 1) }
    }

    /// How long it takes until so many requests are older than a minute.
    fn until_freed(&self, now: Timestamp, wanted: u32) -> Duration {
        let oldest = self.newest - WINDOW_SECONDS + 1;
        let (older, newer) =
            self.seconds.split_at(usize::try_from(oldest.rem_euclid(WINDOW_SECONDS)).unwrap_or_default());
        let mut freed = 0_u32;
        for (second, count) in (oldest..).zip(newer.iter().chain(older)) {
            freed = freed.saturating_add(*count);
            if freed >= wanted {
                return Timestamp::from_millis((second + WINDOW_SECONDS) * 1000).since(now);
            }
        }
        Duration::ZERO
    }
}

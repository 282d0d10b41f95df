//! Time and chance that a test decides about.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use claw_core::{Clock, IdSource, Timestamp};
use uuid::Uuid;

/// Where a [`FakeClock`] starts: 2026-02-16T00:00:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_771_200_000_000);

/// A wall clock that stands still until it is told to go on.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl Default for FakeClock {
    fn default() -> Self {
        Self::at(START)
    }
}

impl FakeClock {
    /// A clock that shows `time`.
    pub fn at(time: Timestamp) -> Self {
        Self(AtomicI64::new(time.millis()))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    /// Jumps, also backwards, as real clocks do.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.millis(), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Ids and bytes that are the same in every run of a test with the same seed.
///
/// Ids rise like real ones (UUID version 7), one millisecond apart.
#[derive(Debug)]
pub struct SeededIds(Mutex<Sequence>);

#[derive(Debug)]
struct Sequence {
    millis: u64,
    chance: fastrand::Rng,
}

impl Default for SeededIds {
    fn default() -> Self {
        Self::new(1)
    }
}

impl SeededIds {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        let millis = u64::try_from(START.millis()).unwrap_or_default();
        Self(Mutex::new(Sequence { millis, chance: fastrand::Rng::with_seed(seed) }))
    }

    fn sequence(&self) -> std::sync::MutexGuard<'_, Sequence> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl IdSource for SeededIds {
    fn next(&self) -> Uuid {
        let mut sequence = self.sequence();
        sequence.millis += 1;
        let mut random = [0; 10];
        sequence.chance.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(sequence.millis, &random).into_uuid()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.sequence().chance.fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_clock_moves_only_when_told() {
        let clock = FakeClock::default();
        assert_eq!(clock.now(), START);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now().since(START), Duration::from_secs(2));
        clock.set(Timestamp::from_millis(5));
        assert_eq!(clock.now().millis(), 5);
    }

    #[test]
    fn the_same_seed_gives_the_same_rising_ids() {
        let ids = |seed| {
            let source = SeededIds::new(seed);
            [source.next(), source.next(), source.next()]
        };
        let [first, second, third] = ids(7);
        assert!(first < second && second < third);
        assert_eq!(ids(7), [first, second, third]);
        assert_ne!(ids(8), ids(7));
    }
}

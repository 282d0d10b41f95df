//! How long to wait before trying again: exponential backoff with full jitter.
//!
//! Pure: chance is an argument. Full jitter – anything between nothing and the backoff – spreads
//! a crowd that failed together better than a fixed wait with a little noise.

use std::time::Duration;

/// The longest wait another party's `Retry-After` can ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// When to try again, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The most the first wait can be; doubled with each attempt.
    pub base: Duration,
    /// The most any wait can be.
    pub cap: Duration,
    /// How many attempts there are in all.
    pub attempts_max: u32,
}

impl Default for Policy {
    /// Three attempts, up to 1 s and 2 s apart.
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_mins(1), attempts_max: 3 }
    }
}

impl Policy {
    /// Whether another attempt may follow when `attempts` have failed.
    pub const fn may_follow(&self, attempts: u32) -> bool {
        attempts < self.attempts_max
    }

    /// The wait after attempt number `attempt` (from 1) failed; `random` is from 0 up to 1.
    ///
    /// What the other side asked for is waited in full, up to [`RETRY_AFTER_MAX`], and the jitter
    /// comes on top: all its callers were told the same time.
    pub fn delay(&self, attempt: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let doublings = attempt.saturating_sub(1);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        let backoff = self.base.saturating_mul(factor).min(self.cap);
        // A NaN would pass through `clamp` and panic in `mul_f64`.
        let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 1.0 };
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        asked.saturating_add(Duration::try_from_secs_f64(backoff.as_secs_f64() * random).unwrap_or(backoff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Policy = Policy { base: Duration::from_secs(1), cap: Duration::from_secs(60), attempts_max: 3 };

    #[test]
    fn the_backoff_doubles_up_to_its_cap() {
        let longest = |attempt| POLICY.delay(attempt, None, 1.0).as_secs();
        assert_eq!([0, 1, 2, 3, 6, 7, 40, u32::MAX].map(longest), [1, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn jitter_is_anything_between_nothing_and_the_backoff() {
        assert_eq!(POLICY.delay(3, None, 0.0), Duration::ZERO);
        assert_eq!(POLICY.delay(3, None, 0.25), Duration::from_secs(1));
    }

    #[test]
    fn what_was_asked_for_is_waited_in_full_but_not_for_ever() {
        assert_eq!(POLICY.delay(1, Some(Duration::from_secs(30)), 0.0), Duration::from_secs(30));
        assert_eq!(POLICY.delay(1, Some(Duration::from_secs(30)), 0.5), Duration::from_millis(30_500));
        assert_eq!(POLICY.delay(1, Some(Duration::MAX), 0.0), RETRY_AFTER_MAX);
    }

    #[test]
    fn attempts_are_counted() {
        assert_eq!([0, 2, 3, 4].map(|attempts| POLICY.may_follow(attempts)), [true, true, false, false]);
    }

    proptest! {
        #[test]
        fn no_input_leads_beyond_the_limits(base: Duration, cap: Duration, attempt: u32, asked: Option<Duration>, random: f64) {
            let wait = Policy { base, cap, attempts_max: 1 }.delay(attempt, asked, random);
            prop_assert!(wait <= cap.saturating_add(RETRY_AFTER_MAX).saturating_add(Duration::from_secs(2048)));
        }
    }
}

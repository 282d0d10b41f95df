//! The real clock and the real source of ids.

use std::time::{SystemTime, UNIX_EPOCH};

use claw_core::{Clock, IdSource, Timestamp};
use uuid::Uuid;

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the replacement that clippy.toml names")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Time-ordered ids and bytes from the operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl IdSource for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the replacement that clippy.toml names")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("an operating system that cannot give random bytes cannot be served from");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_secrets_differ() {
        let (first, second) = (SystemIds.next(), SystemIds.next());
        assert!(first < second);
        let (mut one, mut two) = ([0; 32], [0; 32]);
        SystemIds.fill(&mut one);
        SystemIds.fill(&mut two);
        assert_ne!(one, two);
        assert!(SystemClock.now().millis() > 1_700_000_000_000);
    }
}

//! The numbers this crate never goes beyond.

use std::time::Duration;

/// Tickets the in-process backend holds unless its settings say otherwise; one more is refused.
pub const TICKETS_MAX: usize = 1_000_000;

/// The shortest lease; a shorter one is lengthened to it.
pub const LEASE_MIN: Duration = Duration::from_secs(1);

/// The longest delay or lease; a longer one is cut to it, so that clocks cannot overflow.
pub const DELAY_MAX: Duration = Duration::from_hours(10 * 365 * 24);

/// Tickets the workers take in one claim; more come with the next, after others had their turn.
pub const CLAIM_BATCH_MAX: usize = 64;

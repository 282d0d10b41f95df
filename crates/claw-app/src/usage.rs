//! What was used, day by day.

use std::sync::Arc;

use claw_core::Principal;
use claw_store::UsageDay;

use crate::Error;
use crate::engine::Engine;
use crate::limits::USAGE_DAYS_MAX;

/// Milliseconds of a day.
const DAY_MILLIS: i64 = 86_400_000;

/// What was used.
#[derive(Clone)]
pub struct Usage(pub(crate) Arc<Engine>);

/// Days since 1970-01-01, UTC, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

impl Usage {
    /// The last so many days, today included; 1 to 366.
    ///
    /// Errors: `Invalid`.
    pub fn last_days(&self, days: u32) -> Result<Span, Error> {
        if !(1..=USAGE_DAYS_MAX).contains(&days) {
            return Err(Error::invalid("days", format!("must be 1 to {USAGE_DAYS_MAX}, found {days}")));
        }
        let last = self.0.clock.now().millis().div_euclid(DAY_MILLIS);
        Ok(Span { first: last - i64::from(days) + 1, last })
    }

    /// What the caller's runs used in that time, by day and model; days without runs are left out.
    pub async fn daily(&self, principal: &Principal, span: Span) -> Result<Vec<UsageDay>, Error> {
        self.0.store.settled().await?;
        let last = span.last.min(span.first + i64::from(USAGE_DAYS_MAX) - 1);
        Ok(self.0.store.usage_days(&principal.visibility(), span.first, last).await?)
    }
}

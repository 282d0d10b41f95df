//! What was used, day by day.

use std::sync::Arc;

use claw_core::{PlanName, Principal, Timestamp};
use claw_store::UsageDay;

use crate::Error;
use crate::engine::Engine;
use crate::limiter::Quota;
use crate::limits::USAGE_DAYS_MAX;

/// Milliseconds of a day.
pub(crate) const DAY_MILLIS: i64 = 86_400_000;

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

/// What somebody may have generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The plan that counts; nothing for whoever holds no API key.
    pub plan: Option<PlanName>,
    /// What it stands for.
    pub quota: Quota,
    /// Tokens used in this month, UTC.
    pub tokens_used: u64,
    /// When the next month begins.
    pub next_month: Timestamp,
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

    /// What the caller may have generated, and what it has used of its month.
    pub async fn allowance(&self, principal: &Principal) -> Result<Allowance, Error> {
        let (plan, quota) = self.0.limiter.allowed(&principal.id);
        let month = self.0.clock.now().month();
        self.0.store.settled().await?;
        let tokens_used = self.0.tokens_used(&principal.id, &month).await?;
        Ok(Allowance { plan, quota, tokens_used, next_month: month.end })
    }

    /// What the caller's runs used in that time, by day and model; days without runs are left out.
    pub async fn daily(&self, principal: &Principal, span: Span) -> Result<Vec<UsageDay>, Error> {
        self.0.store.settled().await?;
        let last = span.last.min(span.first + i64::from(USAGE_DAYS_MAX) - 1);
        Ok(self.0.store.usage_days(&principal.visibility(), span.first, last).await?)
    }
}

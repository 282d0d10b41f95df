//! What keys may have generated, by their plans.

use std::collections::BTreeMap;

use claw_core::PlanName;

/// What one key may have generated; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that begin within a minute.
    pub requests_per_minute: u32,
    /// Answers under way at once.
    pub concurrent_max: u32,
    /// Tokens read and written in a calendar month, UTC.
    pub tokens_per_month: u64,
}

impl Quota {
    /// No limit.
    pub const NONE: Self = Self { requests_per_minute: 0, concurrent_max: 0, tokens_per_month: 0 };
}

/// C45 and C46.
impl Default for Quota {
    fn default() -> Self {
        Self { requests_per_minute: 100, concurrent_max: 10, ..Self::NONE }
    }
}

/// The quotas in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quotas {
    /// Of the gateway's own token or password.
    pub operator: Quota,
    /// Of API keys with the plan `default`, or with one that is not there any more.
    pub api_keys: Quota,
    /// Of API keys with another plan.
    pub plans: BTreeMap<PlanName, Quota>,
}

impl Quotas {
    /// No limits.
    pub const NONE: Self = Self { operator: Quota::NONE, api_keys: Quota::NONE, plans: BTreeMap::new() };

    /// Whether there is such a plan.
    pub(super) fn has(&self, plan: &str) -> bool {
        plan == PlanName::DEFAULT || self.plans.contains_key(plan)
    }

    /// What a key of this plan may have.
    pub(super) fn of_plan(&self, plan: Option<&PlanName>) -> Quota {
        plan.and_then(|plan| self.plans.get(plan)).copied().unwrap_or(self.api_keys)
    }

    /// All plans by name.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.plans.keys().map(ToString::to_string).collect();
        if !self.plans.contains_key(PlanName::DEFAULT) {
            names.insert(0, PlanName::DEFAULT.to_owned());
        }
        names
    }
}

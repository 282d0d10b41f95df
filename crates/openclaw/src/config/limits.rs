//! `gateway.limits` and `plans`: how much a key may have generated (K19).

use std::collections::BTreeMap;

use claw_app::limiter::{Quota, Quotas};
use claw_core::PlanName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Whole;

/// Requests in a minute.
type Requests = Whole<0, 1_000_000>;
/// Answers at once.
type Concurrent = Whole<0, 100_000>;
/// Operations in one batch.
type Batch = Whole<0, 10_000>;
/// Tokens in a month; JavaScript can still count so many.
type Tokens = Whole<0, 1_000_000_000_000_000>;

/// The plans that are there unless the configuration says otherwise (D31). The tokens are D32's where they are an
/// end: a month of `pro` goes on beyond what is included in it, so that is none.
const BUILT_IN: [(&str, Plan); 3] =
    [("free", built_in(60, 5, 10, 10_000)), ("pro", built_in(600, 20, 50, 0)), ("enterprise", built_in(0, 0, 100, 0))];

/// How much may be generated for the gateway's own token, and for each API key unless `plans` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Limits {
    /// Answers that may be asked for within a minute, by whoever waits for them; 0 is no limit. Tasks are not counted.
    pub(crate) requests_per_minute: Requests,
    /// Such answers under way at once; 0 is no limit.
    pub(crate) max_concurrent: Concurrent,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_minute: Whole::new(100), max_concurrent: Whole::new(10) }
    }
}

/// What keys of one plan may have. Where nothing is said, the plan `default` counts, and for that `gateway.limits`;
/// but `free` has 60 requests, 5 at once and 10000 tokens, `pro` 600 and 20, `enterprise` no limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Plan {
    /// Answers that may be asked for within a minute, by whoever waits for them; 0 is no limit.
    pub(crate) requests_per_minute: Option<Requests>,
    /// Such answers under way at once; 0 is no limit.
    pub(crate) max_concurrent: Option<Concurrent>,
    /// Operations in one request to the batch door; 0 is no limit. This version has no batch door yet.
    pub(crate) batch_size: Option<Batch>,
    /// Tokens read and written in a calendar month (UTC), by tasks, too; 0 is no limit.
    pub(crate) tokens_per_month: Option<Tokens>,
}

const fn built_in(requests: u64, concurrent: u64, batch: u64, tokens: u64) -> Plan {
    Plan {
        requests_per_minute: Some(Whole::new(requests)),
        max_concurrent: Some(Whole::new(concurrent)),
        batch_size: Some(Whole::new(batch)),
        tokens_per_month: Some(Whole::new(tokens)),
    }
}

impl Plan {
    /// What it says, else what the other says.
    fn or(&self, other: &Self) -> Self {
        let Self { requests_per_minute, max_concurrent, batch_size, tokens_per_month } = *self;
        Self {
            requests_per_minute: requests_per_minute.or(other.requests_per_minute),
            max_concurrent: max_concurrent.or(other.max_concurrent),
            batch_size: batch_size.or(other.batch_size),
            tokens_per_month: tokens_per_month.or(other.tokens_per_month),
        }
    }

    fn quota(&self) -> Quota {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Quota {
            requests_per_minute: self.requests_per_minute.map_or(0, |number| small(number.get())),
            concurrent_max: self.max_concurrent.map_or(0, |number| small(number.get())),
            tokens_per_month: self.tokens_per_month.map_or(0, Whole::get),
        }
    }
}

/// The same in the app's words.
pub(crate) fn quotas(limits: &Limits, plans: &BTreeMap<String, Plan>) -> Quotas {
    let Limits { requests_per_minute, max_concurrent } = limits;
    let own = Plan {
        requests_per_minute: Some(*requests_per_minute),
        max_concurrent: Some(*max_concurrent),
        ..Plan::default()
    };
    let default = plans.get(PlanName::DEFAULT).map_or_else(|| own.clone(), |plan| plan.or(&own));
    let mut named: BTreeMap<PlanName, Quota> =
        BUILT_IN.iter().map(|(name, plan)| (PlanName::new(name), plan.quota())).collect();
    for (name, plan) in plans.iter().filter(|(name, _)| *name != PlanName::DEFAULT) {
        let built_in = BUILT_IN.iter().find(|(known, _)| known == name);
        let rest = built_in.map_or(&default, |(_, plan)| plan);
        named.insert(PlanName::new(name), plan.or(rest).quota());
    }
    Quotas { operator: own.quota(), api_keys: default.quota(), plans: named }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(limits: &str, plans: &str) -> Quotas {
        quotas(&serde_json::from_str(limits).unwrap(), &serde_json::from_str(plans).unwrap())
    }

    const fn quota(requests_per_minute: u32, concurrent_max: u32, tokens_per_month: u64) -> Quota {
        Quota { requests_per_minute, concurrent_max, tokens_per_month }
    }

    fn plans(plans: &[(&str, Quota)]) -> BTreeMap<PlanName, Quota> {
        plans.iter().map(|(name, quota)| (PlanName::new(name), *quota)).collect()
    }

    /// C45, C46, D31, D32.
    #[test]
    fn without_a_word_there_are_the_contracts_plans() {
        let built_in = [("free", quota(60, 5, 10_000)), ("pro", quota(600, 20, 0)), ("enterprise", Quota::NONE)];
        assert_eq!(read("{}", "{}"), Quotas { plans: plans(&built_in), ..Quotas::default() });
        let batches = BUILT_IN.map(|(_, plan)| plan.batch_size.map(Whole::get));
        assert_eq!(batches, [Some(10), Some(50), Some(100)]);
    }

    /// K19.
    #[test]
    fn a_plan_says_of_its_keys_what_default_and_the_gateway_would_say_otherwise() {
        let of = |limits: &str, text: &str| {
            let Quotas { operator, api_keys, plans } = read(limits, text);
            (operator, api_keys, plans.get("gold").copied(), plans.get("pro").copied())
        };
        let own = r#"{"requestsPerMinute": 5, "maxConcurrent": 0}"#;
        let pro = Some(quota(600, 20, 0));
        assert_eq!(of(own, "{}"), (quota(5, 0, 0), quota(5, 0, 0), None, pro));
        let keys = r#"{"default": {"requestsPerMinute": 60, "tokensPerMonth": 7}, "gold": {"maxConcurrent": 30},
            "pro": {"tokensPerMonth": 1000000, "batchSize": 5}}"#;
        let pro = Some(quota(600, 20, 1_000_000));
        assert_eq!(of(own, keys), (quota(5, 0, 0), quota(60, 0, 7), Some(quota(60, 30, 7)), pro));
    }
}

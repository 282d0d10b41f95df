//! `gateway.limits` and `plans`: how much a key may have generated (K19).

use std::collections::BTreeMap;

use claw_app::limiter::{Quota, Quotas};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Whole;

/// Requests in a minute.
type Requests = Whole<0, 1_000_000>;
/// Answers at once.
type Concurrent = Whole<0, 100_000>;

/// The plan of API keys.
pub(super) const DEFAULT: &str = "default";

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

/// What keys of one plan may have; `gateway.limits` counts where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Plan {
    /// Answers that may be asked for within a minute, by whoever waits for them; 0 is no limit.
    pub(crate) requests_per_minute: Option<Requests>,
    /// Such answers under way at once; 0 is no limit.
    pub(crate) max_concurrent: Option<Concurrent>,
}

/// The same in the app's words.
pub(crate) fn quotas(limits: &Limits, plans: &BTreeMap<String, Plan>) -> Quotas {
    let Limits { requests_per_minute, max_concurrent } = limits;
    let quota = |requests: Requests, concurrent: Concurrent| Quota {
        requests_per_minute: u32::try_from(requests.get()).unwrap_or(u32::MAX),
        concurrent_max: u32::try_from(concurrent.get()).unwrap_or(u32::MAX),
    };
    let Plan { requests_per_minute: requests, max_concurrent: concurrent } =
        plans.get(DEFAULT).cloned().unwrap_or_default();
    Quotas {
        operator: quota(*requests_per_minute, *max_concurrent),
        api_keys: quota(requests.unwrap_or(*requests_per_minute), concurrent.unwrap_or(*max_concurrent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(limits: &str, plans: &str) -> Quotas {
        quotas(&serde_json::from_str(limits).unwrap(), &serde_json::from_str(plans).unwrap())
    }

    #[test]
    fn a_plan_says_of_api_keys_what_the_gateway_says_of_itself() {
        let quota = |requests_per_minute, concurrent_max| Quota { requests_per_minute, concurrent_max };
        assert_eq!(read("{}", "{}"), Quotas::default());
        let own = r#"{"requestsPerMinute": 5, "maxConcurrent": 0}"#;
        assert_eq!(read(own, "{}"), Quotas { operator: quota(5, 0), api_keys: quota(5, 0) });
        let keys = r#"{"default": {"requestsPerMinute": 60}, "pro": {"maxConcurrent": 20}}"#;
        assert_eq!(read(own, keys), Quotas { operator: quota(5, 0), api_keys: quota(60, 0) });
    }
}

//! Which key has which plan, and what that stands for now.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use claw_core::{PlanName, PrincipalId};

use super::quota::{Quota, Quotas};
use crate::limits::API_KEYS_MAX;

/// The plans, and who has them.
#[derive(Debug)]
pub(super) struct Plans {
    quotas: RwLock<Quotas>,
    /// Of keys that are not revoked.
    of_keys: RwLock<HashMap<PrincipalId, PlanName>>,
}

impl Plans {
    pub(super) fn new(quotas: Quotas) -> Self {
        Self { quotas: RwLock::new(quotas), of_keys: RwLock::default() }
    }

    /// What `key` may have generated.
    pub(super) fn quota(&self, key: &PrincipalId) -> Quota {
        let quotas = self.quotas.read().unwrap_or_else(PoisonError::into_inner);
        if key.is_operator() {
            return quotas.operator;
        }
        let of_keys = self.of_keys.read().unwrap_or_else(PoisonError::into_inner);
        quotas.of_plan(of_keys.get(key))
    }

    pub(super) fn adopt(&self, quotas: Quotas) {
        *self.quotas.write().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    /// The plan of that name.
    ///
    /// Errors: all names that there are.
    pub(super) fn find(&self, name: &str) -> Result<PlanName, Vec<String>> {
        let quotas = self.quotas.read().unwrap_or_else(PoisonError::into_inner);
        if quotas.has(name) { Ok(PlanName::new(name)) } else { Err(quotas.names()) }
    }

    /// The plan that counts for `key`.
    pub(super) fn of(&self, key: &PrincipalId) -> PlanName {
        let plan = self.of_keys.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        self.in_force(&plan.unwrap_or_default())
    }

    /// The plan that counts for keys of this one.
    pub(super) fn in_force(&self, plan: &PlanName) -> PlanName {
        let quotas = self.quotas.read().unwrap_or_else(PoisonError::into_inner);
        if quotas.has(plan.as_str()) { plan.clone() } else { PlanName::default() }
    }

    /// From now on `key` has this plan.
    pub(super) fn assign(&self, key: &PrincipalId, plan: &PlanName) {
        let is_known = |known: &HashMap<PrincipalId, PlanName>| known.get(key) == Some(plan);
        if is_known(&self.of_keys.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        self.of_keys.write().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), plan.clone());
    }

    /// The key opens nothing any more.
    pub(super) fn withdraw(&self, key: &PrincipalId) {
        self.of_keys.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Whether there are as many keys as may be.
    pub(super) fn are_full(&self) -> bool {
        self.of_keys.read().unwrap_or_else(PoisonError::into_inner).len() >= API_KEYS_MAX
    }

    /// Plans of keys that are not there, and of how many.
    pub(super) fn missing(&self) -> BTreeMap<PlanName, usize> {
        let quotas = self.quotas.read().unwrap_or_else(PoisonError::into_inner);
        let of_keys = self.of_keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut missing = BTreeMap::new();
        for plan in of_keys.values().filter(|plan| !quotas.has(plan.as_str())) {
            *missing.entry(plan.clone()).or_default() += 1;
        }
        missing
    }
}

//! Adds tokens that no run of a task used to the sums of their day.

use std::sync::Arc;

use claw_core::provider::Usage;
use claw_core::{PrincipalId, Timestamp};

use super::Verb;
use crate::StoreError;
use crate::unit::{Unit, Wanted};

/// Tokens, and whose they are.
pub(crate) struct AddUsage {
    pub(crate) owner: PrincipalId,
    pub(crate) usage: Usage,
    pub(crate) model: Arc<str>,
    pub(crate) at: Timestamp,
}

impl Verb for AddUsage {
    type Answer = ();

    fn wants(&self, _wanted: &mut Wanted) {}

    fn apply(&self, unit: &mut Unit) -> Result<(), StoreError> {
        unit.add_usage_day(&self.owner, self.usage, &self.model, self.at, 0);
        Ok(())
    }

    fn is_patient(&self, _unit: &Unit) -> bool {
        true
    }
}

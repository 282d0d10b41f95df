//! Puts a summary in the place of the older part of a session's context.

use std::sync::Arc;

use super::Verb;
use crate::unit::{Unit, Wanted};
use crate::{NewSummary, StoreError};

/// A summary, ready to take its place. Runs of the session may wait and be on: they go on with what
/// they have read.
pub(crate) struct Summarise(pub(crate) NewSummary);

impl Verb for Summarise {
    type Answer = bool;

    fn wants(&self, wanted: &mut Wanted) {
        wanted.session(&self.0.key);
    }

    fn apply(&self, unit: &mut Unit) -> Result<bool, StoreError> {
        let NewSummary { session, key, upto, text, usage, model, at } = &self.0;
        // Another id: the history has begun anew since it was read.
        let known = unit.session_by_key(key).filter(|row| row.id == *session);
        let Some(row) = known.filter(|row| *upto > row.context_after && *upto <= row.message_count) else {
            return Ok(false);
        };
        let (n, owner) = (row.n, row.owner.clone());
        unit.reshape_session(n, |row| row.context_after = *upto);
        unit.add_summary(n, *upto, Arc::from(text.as_str()));
        unit.add_usage(n, *usage, &Arc::from(""));
        unit.add_usage_day(&owner, *usage, &Arc::from(model.as_str()), *at, 0);
        Ok(true)
    }

    fn bytes(&self) -> usize {
        self.0.text.len()
    }
}

//! Entries of the audit log that stand for themselves.

use claw_core::audit::Entry;

use super::Verb;
use crate::StoreError;
use crate::unit::{Unit, Wanted};

/// Entries, in their order.
pub(crate) struct AppendAudit {
    pub(crate) entries: Vec<Entry>,
}

impl Verb for AppendAudit {
    type Answer = ();

    fn wants(&self, _wanted: &mut Wanted) {}

    fn apply(&self, unit: &mut Unit) -> Result<(), StoreError> {
        unit.difference.audit.extend(self.entries.iter().cloned());
        Ok(())
    }

    fn bytes(&self) -> usize {
        let details = |entry: &Entry| entry.details.values().map(String::len).sum::<usize>();
        self.entries.iter().map(|entry| entry.subject.len() + details(entry)).sum()
    }
}

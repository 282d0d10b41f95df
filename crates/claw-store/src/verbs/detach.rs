//! The caller on the line left with a promise (K18).

use claw_core::TaskId;

use super::Verb;
use crate::StoreError;
use crate::unit::{Unit, Wanted};

/// The run is a task like any other from now on.
pub(crate) struct Detach {
    pub(crate) id: TaskId,
}

impl Verb for Detach {
    type Answer = ();

    fn wants(&self, wanted: &mut Wanted) {
        wanted.task(self.id);
    }

    fn apply(&self, unit: &mut Unit) -> Result<(), StoreError> {
        if unit.task(self.id).is_some_and(|row| row.attached && !row.state.is_terminal()) {
            unit.change_task(self.id, |row| row.attached = false);
        }
        Ok(())
    }
}

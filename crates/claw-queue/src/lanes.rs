//! One value per lane.

use claw_core::Lane;

/// Holds a value for each lane; looking one up cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lanes<T> {
    interactive: T,
    standard: T,
    long: T,
}

impl<T> Lanes<T> {
    pub(crate) fn get(&self, lane: Lane) -> &T {
        match lane {
            Lane::Interactive => &self.interactive,
            Lane::Standard => &self.standard,
            Lane::Long => &self.long,
        }
    }

    pub(crate) fn get_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Interactive => &mut self.interactive,
            Lane::Standard => &mut self.standard,
            Lane::Long => &mut self.long,
        }
    }

    /// Something of each, in the order of [`Lane::ALL`].
    pub(crate) fn map<U>(&self, of: impl Fn(&T) -> U) -> [U; 3] {
        Lane::ALL.map(|lane| of(self.get(lane)))
    }
}

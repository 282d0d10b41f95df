//! What one socket has in view: conversations it shows, and runs that are being relayed to it.
//!
//! A client that shows a conversation sees runs that others start there, too. A run is relayed
//! once, whoever asked for it first.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use claw_core::{SessionKey, TaskId};

use crate::limits::VIEWED_MAX;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Viewed(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// The latest last.
    sessions: VecDeque<SessionKey>,
    runs: HashSet<TaskId>,
    /// Runs whose relaying has ended, the latest last.
    told: VecDeque<TaskId>,
}

impl Viewed {
    /// The client shows this conversation from now on; of too many the first is forgotten.
    pub(crate) fn look(&self, key: &SessionKey) {
        let mut inside = self.inside();
        inside.sessions.retain(|viewed| viewed != key);
        inside.sessions.push_back(key.clone());
        if inside.sessions.len() > VIEWED_MAX {
            inside.sessions.pop_front();
        }
    }

    /// The client does not show it any more.
    pub(crate) fn turn_away(&self, key: &SessionKey) {
        self.inside().sessions.retain(|viewed| viewed != key);
    }

    /// Whether it does.
    pub(crate) fn has(&self, key: &SessionKey) -> bool {
        self.inside().sessions.contains(key)
    }

    /// Claims the relaying of a run; nothing when it is relayed already.
    pub(crate) fn relay(&self, id: TaskId) -> Option<Relayed<'_>> {
        // Not `then_some`: the claim of a run that is taken must not be made, because its drop gives it back.
        let is_free = self.inside().runs.insert(id);
        is_free.then(|| Relayed { viewed: self, id })
    }

    /// Whether a run is being relayed, or was not long ago.
    pub(crate) fn knows(&self, id: TaskId) -> bool {
        let inside = self.inside();
        inside.runs.contains(&id) || inside.told.contains(&id)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run that is being relayed.
#[derive(Debug)]
pub(crate) struct Relayed<'a> {
    viewed: &'a Viewed,
    id: TaskId,
}

impl Drop for Relayed<'_> {
    fn drop(&mut self) {
        let mut inside = self.viewed.inside();
        inside.runs.remove(&self.id);
        inside.told.push_back(self.id);
        if inside.told.len() > VIEWED_MAX {
            inside.told.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use claw_core::AgentId;

    use super::*;

    #[test]
    fn a_run_is_relayed_once_at_a_time() {
        let viewed = Viewed::default();
        let id: TaskId = "task_00000000000000000000000000000001".parse().unwrap();
        let first = viewed.relay(id);
        assert!(first.is_some() && viewed.relay(id).is_none());
        assert!(viewed.knows(id));
        drop(first);
        assert!(viewed.knows(id), "a short run is over before everybody has heard of its start");
        assert!(viewed.relay(id).is_some(), "who asks for it again gets it");
    }

    #[test]
    fn the_conversations_in_view_are_bounded() {
        let viewed = Viewed::default();
        let key = |number: usize| SessionKey::of(&AgentId::main(), &number.to_string());
        for number in 0..=VIEWED_MAX {
            viewed.look(&key(number));
        }
        assert!(!viewed.has(&key(0)) && viewed.has(&key(1)));
        viewed.turn_away(&key(1));
        assert!(!viewed.has(&key(1)));
    }
}

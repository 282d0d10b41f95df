//! Who waits and who runs in one session (G5).

use std::collections::BTreeMap;

use claw_core::TaskId;

/// A known line longer than this is cut to its first [`KEPT_AFTER_CUT`] tasks.
const KNOWN_MAX: usize = 512;
const KEPT_AFTER_CUT: usize = 256;

/// The waiting tasks of a session in accept order, and the running one.
///
/// Only the front may be known: all waiting tasks up to `horizon`, none beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    waiting: BTreeMap<i64, TaskId>,
    horizon: i64,
    running: Option<(i64, TaskId)>,
}

impl Line {
    /// Nobody, and that is all there is.
    pub(crate) fn empty() -> Self {
        Self { waiting: BTreeMap::new(), horizon: i64::MAX, running: None }
    }

    /// A line as loaded: its first tasks, whether these are all, and the running one.
    pub(crate) fn loaded(waiting: BTreeMap<i64, TaskId>, is_whole: bool, running: Option<(i64, TaskId)>) -> Self {
        let last = waiting.keys().next_back().copied().unwrap_or(0);
        Self { waiting, horizon: if is_whole { i64::MAX } else { last }, running }
    }

    /// Whether so many tasks may leave and the front is still known.
    pub(crate) fn bears(&self, leaving: usize) -> bool {
        self.horizon == i64::MAX || self.waiting.len() > leaving
    }

    /// A task waits now.
    pub(crate) fn wait(&mut self, n: i64, id: TaskId) {
        if n <= self.horizon {
            self.waiting.insert(n, id);
        }
        if self.waiting.len() > KNOWN_MAX {
            let _later = self.waiting.split_off(&self.waiting.keys().nth(KEPT_AFTER_CUT).copied().unwrap_or(i64::MAX));
            self.horizon = self.waiting.keys().next_back().copied().unwrap_or(0);
        }
    }

    /// A task runs now.
    pub(crate) fn run(&mut self, n: i64, id: TaskId) {
        self.waiting.remove(&n);
        self.running = Some((n, id));
    }

    /// A task neither waits nor runs any more.
    pub(crate) fn leave(&mut self, n: i64) {
        self.waiting.remove(&n);
        if self.running.is_some_and(|(running, _)| running == n) {
            self.running = None;
        }
    }

    /// Who runs and waits, as far as known, the running one first.
    pub(crate) fn open(&self) -> impl Iterator<Item = TaskId> {
        self.running.map(|(_, id)| id).into_iter().chain(self.waiting.values().copied())
    }

    /// Who runs.
    pub(crate) fn running(&self) -> Option<TaskId> {
        self.running.map(|(_, id)| id)
    }

    /// Whether nobody waits or runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty() && self.horizon == i64::MAX
    }

    /// Whether nobody waits behind the running one.
    pub(crate) fn has_no_queue(&self) -> bool {
        self.waiting.is_empty() && self.horizon == i64::MAX
    }

    /// The task whose turn it is: the first waiting one, while none runs.
    pub(crate) fn due(&self) -> Option<TaskId> {
        if self.running.is_some() {
            return None;
        }
        self.waiting.first_key_value().map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: i64) -> TaskId {
        TaskId::from_uuid(uuid::Uuid::from_u128(u128::try_from(n).unwrap()))
    }

    #[test]
    fn the_first_waits_for_the_one_that_runs() {
        let mut line = Line::empty();
        line.wait(1, id(1));
        line.wait(2, id(2));
        assert_eq!(line.due(), Some(id(1)));
        line.run(1, id(1));
        assert_eq!(line.due(), None);
        line.leave(1);
        assert_eq!(line.due(), Some(id(2)));
    }

    #[test]
    fn who_comes_back_keeps_the_old_place() {
        let mut line = Line::empty();
        line.wait(5, id(5));
        line.wait(3, id(3));
        assert_eq!(line.due(), Some(id(3)));
    }

    #[test]
    fn beyond_the_horizon_nothing_is_claimed() {
        let mut line = Line::loaded([(1, id(1)), (2, id(2))].into(), false, None);
        line.wait(9, id(9));
        assert!(line.bears(1) && !line.bears(2));
        line.leave(1);
        line.leave(2);
        assert_eq!(line.due(), None);
        assert!(!line.is_empty());
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut line = Line::empty();
        for n in 1..=600 {
            line.wait(n, id(n));
        }
        assert_eq!(line.due(), Some(id(1)));
        assert!(line.bears(200) && !line.bears(600));
    }
}

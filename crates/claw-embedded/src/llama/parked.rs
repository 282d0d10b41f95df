//! Evaluated contexts of sessions that are not the current one.
//!
//! Bounded by bytes; full: the longest unused one goes.

use std::collections::VecDeque;

/// What was kept of a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<T, S> {
    /// Whose it is.
    pub(super) session: Option<String>,
    /// The tokens the state stands for.
    pub(super) tokens: Vec<T>,
    /// The evaluated state.
    pub(super) state: S,
    /// What the state takes.
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct Parked<T, S> {
    entries: VecDeque<Entry<T, S>>,
    bytes_max: usize,
}

impl<T, S> Parked<T, S> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), bytes_max }
    }

    /// Keeps `entry` and forgets the oldest ones until all fit; one that cannot fit is dropped.
    pub(super) fn put(&mut self, entry: Entry<T, S>) {
        if entry.bytes > self.bytes_max {
            return;
        }
        let mut bytes = entry.bytes + self.entries.iter().map(|kept| kept.bytes).sum::<usize>();
        while bytes > self.bytes_max
            && let Some(oldest) = self.entries.pop_front()
        {
            bytes -= oldest.bytes;
        }
        self.entries.push_back(entry);
    }

    /// Takes out what was kept of `session`.
    pub(super) fn take(&mut self, session: Option<&str>) -> Option<Entry<T, S>> {
        let at = self.entries.iter().position(|entry| entry.session.as_deref() == session)?;
        self.entries.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(session: &str, bytes: usize) -> Entry<u8, ()> {
        Entry { session: Some(session.to_owned()), tokens: vec![1, 2], state: (), bytes }
    }

    #[test]
    fn a_kept_session_is_found_once() {
        let mut parked = Parked::new(10);
        parked.put(entry("a", 5));
        assert_eq!(parked.take(None), None);
        assert_eq!(parked.take(Some("a")), Some(entry("a", 5)));
        assert_eq!(parked.take(Some("a")), None);
    }

    #[test]
    fn the_longest_unused_session_makes_room() {
        let mut parked = Parked::new(10);
        for (session, bytes) in [("a", 4), ("b", 4), ("c", 5)] {
            parked.put(entry(session, bytes));
        }
        let kept = ["a", "b", "c"].map(|session| parked.take(Some(session)).is_some());
        assert_eq!(kept, [false, true, true]);
    }

    #[test]
    fn one_that_never_fits_pushes_nobody_out() {
        let mut parked = Parked::new(10);
        parked.put(entry("a", 4));
        parked.put(entry("b", 11));
        assert!(parked.take(Some("a")).is_some());
        assert!(parked.take(Some("b")).is_none());
    }
}

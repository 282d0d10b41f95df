//! Who is connected, and what else was said about presence.

use std::collections::{BTreeMap, VecDeque};

use claw_wire::ws::system::PresenceEntry;

use crate::limits::{PRESENCE_NOTES_MAX, PRESENCE_SHOWN_MAX};

/// The gateway, its sockets, and the last notes of `system-event`.
pub(super) struct Roster {
    own: PresenceEntry,
    /// By number, so the latest are last.
    sockets: BTreeMap<u64, PresenceEntry>,
    notes: VecDeque<PresenceEntry>,
    next: u64,
}

impl Roster {
    pub(super) const fn new(own: PresenceEntry) -> Self {
        Self { own, sockets: BTreeMap::new(), notes: VecDeque::new(), next: 0 }
    }

    pub(super) fn enter(&mut self, entry: PresenceEntry) -> u64 {
        self.next += 1;
        self.sockets.insert(self.next, entry);
        self.next
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.sockets.remove(&number);
    }

    /// A later note with the same text takes the earlier one's place.
    pub(super) fn note(&mut self, entry: PresenceEntry) {
        self.notes.retain(|note| note.text != entry.text);
        self.notes.push_back(entry);
        if self.notes.len() > PRESENCE_NOTES_MAX {
            self.notes.pop_front();
        }
    }

    /// The gateway, the notes, and the sockets that came last.
    pub(super) fn entries(&self) -> Vec<PresenceEntry> {
        let notes = self.notes.iter().rev();
        let sockets = self.sockets.values().rev().take(PRESENCE_SHOWN_MAX);
        std::iter::once(&self.own).chain(notes).chain(sockets).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use claw_core::Timestamp;

    use super::*;

    fn entry(text: &str) -> PresenceEntry {
        PresenceEntry::text(text.to_owned(), Timestamp::from_millis(0))
    }

    fn texts(roster: &Roster) -> Vec<String> {
        roster.entries().into_iter().map(|entry| entry.text).collect()
    }

    #[test]
    fn the_gateway_comes_first_and_the_latest_socket_next() {
        let mut roster = Roster::new(entry("own"));
        let first = roster.enter(entry("first"));
        roster.enter(entry("second"));
        roster.note(entry("note"));
        roster.note(entry("note"));
        assert_eq!(texts(&roster), ["own", "note", "second", "first"]);
        roster.leave(first);
        assert_eq!(texts(&roster), ["own", "note", "second"]);
    }

    #[test]
    fn a_crowd_is_shown_in_part() {
        let mut roster = Roster::new(entry("own"));
        for _ in 0..PRESENCE_SHOWN_MAX * 2 {
            roster.enter(entry("socket"));
        }
        for number in 0..PRESENCE_NOTES_MAX * 2 {
            roster.note(entry(&number.to_string()));
        }
        assert_eq!(roster.entries().len(), 1 + PRESENCE_NOTES_MAX + PRESENCE_SHOWN_MAX);
    }
}

//! Counts calls that are made again and come to the same while nothing new is learnt: a model caught in a loop.
//!
//! Any answer that this run has not had before ends the count of all others: whoever edits between two tests that fail
//! alike, or looks at a file again for the next step, is not caught. What comes back again and again, be it two calls in
//! turn, is.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use claw_core::ToolCall;
use claw_core::permission::canonical;

/// How often each call has come to each result, by digest; at most as many as a run has calls.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    /// Each that was ever there.
    known: HashSet<u64>,
    /// Each that came again, or first, since something new did.
    counts: HashMap<u64, u32>,
    /// Those of this round: what is asked several times at once is asked once.
    round: HashSet<u64>,
}

impl Repeats {
    /// What is counted next belongs to another round.
    pub(super) fn next_round(&mut self) {
        self.round.clear();
    }

    /// Counts this call with this result; how often it has been seen in a row, this time included. One that `waits` for
    /// something that goes on meanwhile is no repetition.
    pub(super) fn count(&mut self, call: &ToolCall, result: &str, waits: bool) -> u32 {
        if waits {
            self.counts.clear();
            return 1;
        }
        let digest = self.hasher.hash_one((canonical(&call.name), call.arguments.as_str(), result));
        if self.known.insert(digest) {
            self.counts.clear();
        }
        let is_first = self.round.insert(digest);
        let times = self.counts.entry(digest).or_default();
        *times += u32::from(is_first);
        (*times).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claw_core::JsonText;

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: "x".into(), name: name.into(), arguments: JsonText::new(arguments) }
    }

    /// Each in a round of its own.
    fn counted(calls: &[(&str, &str, &str)]) -> Vec<u32> {
        let mut repeats = Repeats::default();
        let count = |(name, arguments, result): &(&str, &str, &str)| {
            repeats.next_round();
            repeats.count(&call(name, arguments), result, false)
        };
        calls.iter().map(count).collect()
    }

    #[test]
    fn only_the_same_call_with_the_same_result_counts() {
        let same = ("read", "{}", "a");
        assert_eq!(counted(&[same, ("fs_read", "{}", "a"), same]), [1, 2, 3]);
        assert_eq!(counted(&[same, ("read", "{}", "b"), ("read", "{ }", "a"), same]), [1, 1, 1, 1]);
    }

    #[test]
    fn whoever_edits_between_two_tests_is_not_caught_and_whoever_goes_in_circles_is() {
        let test = ("exec", "test", "1 failed");
        let edits = ["1", "2", "3", "4"].map(|edit| ("write", edit, "written"));
        assert_eq!(counted(&[test, edits[0], test, edits[1], test, edits[2], test]), [1; 7]);
        let (there, back) = (("write", "x", "written"), ("write", "y", "written"));
        assert_eq!(counted(&[test, there, test, back, test, there, test, back]), [1, 1, 1, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn what_is_asked_at_once_counts_once_and_who_waits_is_not_counted() {
        let mut repeats = Repeats::default();
        let read = call("read", "{}");
        for (round, times) in [1, 2].into_iter().enumerate() {
            repeats.next_round();
            assert_eq!([0; 7].map(|_| repeats.count(&read, "a", false)), [times; 7], "round {round}");
        }
        let poll = call("process", "{}");
        assert_eq!([0; 9].map(|_| repeats.count(&poll, "[running]", true)), [1; 9]);
        repeats.next_round();
        assert_eq!(repeats.count(&read, "a", false), 1);
    }
}

//! Counts calls that are made again and come to the same: a model caught in a loop.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use claw_core::ToolCall;
use claw_core::permission::canonical;

/// How often each call has come to each result, by digest; at most as many as a run has calls.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    seen: HashMap<u64, u32>,
}

impl Repeats {
    /// Counts this call with this result; how often it has been seen, this time included.
    pub(super) fn count(&mut self, call: &ToolCall, result: &str) -> u32 {
        let digest = self.hasher.hash_one((canonical(&call.name), call.arguments.as_str(), result));
        let times = self.seen.entry(digest).or_default();
        *times += 1;
        *times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claw_core::JsonText;

    #[test]
    fn only_the_same_call_with_the_same_result_counts() {
        let call = |name: &str, arguments: &str| ToolCall {
            id: "x".into(),
            name: name.into(),
            arguments: JsonText::new(arguments),
        };
        let mut repeats = Repeats::default();
        let counted = [
            repeats.count(&call("read", "{}"), "a"),
            repeats.count(&call("fs_read", "{}"), "a"),
            repeats.count(&call("read", "{}"), "b"),
            repeats.count(&call("read", "{ }"), "a"),
            repeats.count(&call("read", "{}"), "a"),
        ];
        assert_eq!(counted, [1, 2, 1, 1, 3]);
    }
}

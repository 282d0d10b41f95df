//! Parameters that clients send and nobody reads: ignored, and told once each in the log.
//!
//! Clients of other versions know more than we do, so this is no fault of theirs; but a wish that is
//! not granted should not vanish without a trace. What was told is remembered up to a limit; beyond
//! it nothing more is told, so that no client can fill the log or the memory.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use crate::limits::{UNKNOWN_FIELD_CHARS_MAX, UNKNOWN_FIELDS_MAX};

/// Which were told already, as (method, path).
#[derive(Debug, Default)]
pub(crate) struct UnknownFields(Mutex<HashSet<(&'static str, Box<str>)>>);

impl UnknownFields {
    /// Tells of a parameter unless it was told before.
    pub(crate) fn note(&self, method: &'static str, path: &dyn Display) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= UNKNOWN_FIELDS_MAX {
            return;
        }
        let path: Box<str> = path.to_string().chars().take(UNKNOWN_FIELD_CHARS_MAX).collect();
        if told.insert((method, path.clone())) {
            drop(told);
            tracing::info!("a client sends {method} with {path:?}, which this version ignores");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_only_so_many_of_them() {
        let fields = UnknownFields::default();
        let told = || fields.0.lock().unwrap().len();
        for (method, path) in [("agent", "x"), ("send", "x"), ("agent", "x")] {
            fields.note(method, &path);
        }
        assert_eq!(told(), 2);
        let long = "y".repeat(10_000);
        fields.note("agent", &long);
        fields.note("agent", &long.replace('y', "yy"));
        assert_eq!(told(), 3, "only their beginnings are told, which are the same");
        (0..2 * UNKNOWN_FIELDS_MAX).for_each(|number| fields.note("agent", &number));
        assert_eq!(told(), UNKNOWN_FIELDS_MAX);
    }
}

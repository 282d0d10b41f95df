//! The tokens of a month.
//!
//! The sums of the days in the store are the truth, and one look at them serves until the next run of the key is
//! stored. What a run has used counts from the moment before its caller hears of its end.

use std::ops::Range;

use claw_core::{PrincipalId, Timestamp};

/// What is known of a key's tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Used, and on its way to the store.
    unstored: u64,
    /// Raised with everything that is stored.
    version: u64,
    known: Option<Known>,
}

/// The sum that was found in the store.
#[derive(Debug)]
struct Known {
    month: Range<Timestamp>,
    version: u64,
    used: u64,
}

/// What is to be asked of the store: how much was used in this month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) key: PrincipalId,
    pub(crate) month: Range<Timestamp>,
    version: u64,
}

impl Tokens {
    /// How much was used in the month of `now`.
    ///
    /// Errors: that has to be asked for first.
    pub(super) fn used(&self, key: &PrincipalId, now: Timestamp) -> Result<(u64, Range<Timestamp>), Question> {
        match &self.known {
            Some(Known { month, version, used }) if *version == self.version && month.contains(&now) => {
                Ok((used.saturating_add(self.unstored), month.clone()))
            }
            _ => Err(Question { key: key.clone(), month: now.month(), version: self.version }),
        }
    }

    /// The answer to a question; how much was used by now.
    ///
    /// Errors: something was stored meanwhile, and may be in the answer or not.
    pub(super) fn learn(&mut self, question: &Question, used: u64) -> Result<u64, Stale> {
        let Question { key: _, month, version } = question;
        self.known = Some(Known { month: month.clone(), version: *version, used });
        if *version == self.version { Ok(used.saturating_add(self.unstored)) } else { Err(Stale) }
    }

    pub(super) const fn use_up(&mut self, tokens: u64) {
        self.unstored = self.unstored.saturating_add(tokens);
    }

    pub(super) const fn stored(&mut self, tokens: u64) {
        self.unstored = self.unstored.saturating_sub(tokens);
        self.version = self.version.wrapping_add(1);
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.unstored == 0
    }
}

/// An answer came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stale;

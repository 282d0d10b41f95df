//! Commands against the real kernel: what runs, what does not, and that nothing is left.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod carried;
mod desk;
mod escapes;
mod ledger;
mod reaching;
mod running;
mod walls;

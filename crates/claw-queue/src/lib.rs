//! Tickets and leases: who works on what, next.
//!
//! One [`Queue`] trait, the in-process backend ([`MemoryQueue`]) now, Redis later, one suite of
//! laws for both; and the [`Workers`] that claim tickets and run a [`Handler`] on each.
//! A ticket is only a hint: the store decides whether the work is still to be done.
//!
//! The path of a ticket: `push` → due in its lane → `claim` → [`Handler::handle`] while its lease
//! is renewed → `complete`, or `release` and once more.
//!
//! - `queue` the verbs and their laws; `ticket` what they move
//! - [`memory`] the in-process backend
//! - [`worker`] claims, runs, renews, gives back
//! - [`limits`] every number in here; `contract` the laws as tests, for every backend

#[cfg(test)]
mod contract;
mod lanes;
pub mod limits;
pub mod memory;
mod queue;
mod ticket;
pub mod worker;

pub use memory::MemoryQueue;
pub use queue::{Depth, Queue, QueueError};
pub use ticket::{Claim, Ticket, TicketKind};
pub use worker::{Handler, Verdict, Workers};

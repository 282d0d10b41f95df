//! Tickets and leases: who works on what, next.
//!
//! One [`Queue`] trait, the in-process backend ([`memory`]) now, Redis later, one suite of laws
//! for both; and the worker loop that claims tickets and runs a [`Handler`] on each.
//! A ticket is only a hint: the store decides whether the work is still to be done.

mod queue;
mod ticket;

pub use queue::{Depth, Queue, QueueError};
pub use ticket::{Claim, Ticket, TicketKind};

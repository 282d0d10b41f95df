//! A queue entry, and a worker's claim on it.

use claw_core::{Lane, Priority};
use uuid::Uuid;

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TicketKind {
    /// Run a task; the subject is its id.
    Run,
}

/// Says that something may be due. At most one per (kind, subject) waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// What for.
    pub kind: TicketKind,
    /// Which.
    pub subject: Uuid,
    /// The attempt it was written for; the store refuses a stale one.
    pub attempt: u32,
    /// Its tier.
    pub lane: Lane,
    /// Its order in the tier; equal ones go oldest first.
    pub priority: Priority,
}

/// A ticket in a worker's hand until its lease runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// What was claimed.
    pub ticket: Ticket,
    /// Never the same twice, so that a late or forged claim is told from the current one.
    pub lease_id: u64,
}

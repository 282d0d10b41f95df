//! The verbs of the queue, with their laws.

use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;
use claw_core::Lane;
use uuid::Uuid;

use crate::{Claim, Ticket, TicketKind};

/// Holds tickets until a worker completes them. All durations run on the monotonic clock.
///
/// Laws, for every backend: a pushed ticket is claimed by exactly one holder at a time; within a
/// lane higher priority first, then older first; a lease that runs out makes the ticket due again;
/// only the current claim can extend, complete or release; nothing is due before its delay.
///
/// A ticket's age counts from its push; one that replaces another inherits its age, one whose
/// lease ran out keeps it, and one that is released starts anew, behind the others.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Adds a ticket that is due after `delay`.
    ///
    /// One of the same kind and subject that waits is replaced; one that is claimed stays claimed,
    /// and the new one waits behind it until the claim ends. However it ends, the new one stands.
    /// Errors: [`QueueError::Full`] – the sweeper will find the work again.
    async fn push(&self, ticket: Ticket, delay: Duration) -> Result<(), QueueError>;

    /// Adds a ticket unless one of its attempt or a later one waits or is claimed; returns whether it did.
    ///
    /// For whoever has read of a task a moment ago and cannot know what became of it since: a push would put a
    /// second ticket behind the first one's claim.
    /// Errors: [`QueueError::Full`] – the sweeper will find the work again.
    async fn restore(&self, ticket: Ticket, delay: Duration) -> Result<bool, QueueError>;

    /// Takes up to `max` due tickets of `lanes` and leases them for `lease` (≥ 1 s).
    ///
    /// Lanes are served in the order given, each oldest-first by priority. Empty when none is due.
    /// Cancel-safe: a lease lost in flight runs out by itself.
    async fn claim(&self, lanes: &[Lane], max: NonZeroUsize, lease: Duration) -> Result<Vec<Claim>, QueueError>;

    /// Renews a lease. False when the claim is no longer current: stop working.
    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<bool, QueueError>;

    /// Ends a claim for good. False when it was no longer current.
    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError>;

    /// Gives a ticket back, due after `delay`. False when the claim was no longer current.
    async fn release(&self, claim: &Claim, delay: Duration) -> Result<bool, QueueError>;

    /// Takes a waiting ticket out. False when none waits; a claimed one is not touched.
    async fn remove(&self, kind: TicketKind, subject: Uuid) -> Result<bool, QueueError>;

    /// Resolves when a ticket of `lanes` may have become due; at once when one is. Cancel-safe.
    ///
    /// It may resolve once too often, never once too seldom; on a backend that is gone it fails.
    async fn ready(&self, lanes: &[Lane]) -> Result<(), QueueError>;

    /// How much waits.
    async fn depth(&self) -> Result<Depth, QueueError>;
}

/// How much waits, by lane in the order of [`Lane::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Due now.
    pub due: [usize; 3],
    /// Due later, or behind a claim.
    pub delayed: usize,
    /// In workers' hands.
    pub claimed: usize,
}

/// Why the queue could not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It holds as many tickets as it may.
    #[error("the queue is full: {limit} tickets")]
    Full {
        /// The written limit.
        limit: usize,
    },
    /// The backend does not answer.
    #[error("the queue cannot be reached: {0}")]
    Unreachable(String),
}

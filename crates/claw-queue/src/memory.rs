//! The in-process backend: one machine's tickets, rebuilt from the store at boot.
//!
//! A lock around a pure `State`, held for a few tree look-ups and never across an
//! await. Leases and delays run out when somebody looks, and [`Queue::ready`] sleeps until
//! the moment when looking is worth it, so nothing sweeps and nothing polls.

mod state;

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use claw_core::Lane;
use futures::future::{Either, select, select_all};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::lanes::Lanes;
use crate::{Claim, Depth, Queue, QueueError, Ticket, TicketKind, limits};
use state::{Look, State};

/// Settings of the in-process backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Tickets held at once, waiting and claimed; one more is refused as [`QueueError::Full`].
    pub tickets_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tickets_max: limits::TICKETS_MAX }
    }
}

/// Holds tickets in memory, less than 200 bytes each.
#[derive(Debug)]
pub struct MemoryQueue {
    tickets_max: usize,
    state: Mutex<State>,
    /// Wakes those who wait for a lane.
    stirred: Lanes<Notify>,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(settings: Settings) -> Self {
        let Settings { tickets_max } = settings;
        Self { tickets_max, state: Mutex::default(), stirred: Lanes::default() }
    }

    /// Does one thing to the tickets, then wakes whom it concerns.
    fn with<T>(&self, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        // No verb leaves the state half changed, so a panic elsewhere does not spoil it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state, Instant::now());
        let stirred = state.take_stirred();
        drop(state);
        for (lane, _) in Lane::ALL.into_iter().zip(stirred).filter(|(_, stirred)| *stirred) {
            self.stirred.get(lane).notify_waiters();
        }
        result
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn push(&self, ticket: Ticket, delay: Duration) -> Result<(), QueueError> {
        let limit = self.tickets_max;
        let held = self.with(|state, now| state.push(ticket, delay, limit, now));
        if held { Ok(()) } else { Err(QueueError::Full { limit }) }
    }

    async fn restore(&self, ticket: Ticket, delay: Duration) -> Result<bool, QueueError> {
        let limit = self.tickets_max;
        let (is_missing, held) = self.with(|state, now| {
            let is_missing = state.is_missing(ticket, now);
            (is_missing, !is_missing || state.push(ticket, delay, limit, now))
        });
        if held { Ok(is_missing) } else { Err(QueueError::Full { limit }) }
    }

    async fn claim(&self, lanes: &[Lane], max: NonZeroUsize, lease: Duration) -> Result<Vec<Claim>, QueueError> {
        Ok(self.with(|state, now| state.claim(lanes, max, lease, now)))
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<bool, QueueError> {
        Ok(self.with(|state, now| state.extend(claim, lease, now)))
    }

    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError> {
        Ok(self.with(|state, now| state.complete(claim, now)))
    }

    async fn release(&self, claim: &Claim, delay: Duration) -> Result<bool, QueueError> {
        Ok(self.with(|state, now| state.release(claim, delay, now)))
    }

    async fn remove(&self, kind: TicketKind, subject: Uuid) -> Result<bool, QueueError> {
        Ok(self.with(|state, now| state.remove(kind, subject, now)))
    }

    async fn ready(&self, lanes: &[Lane]) -> Result<(), QueueError> {
        if lanes.is_empty() {
            return std::future::pending().await;
        }
        loop {
            // Made before the look: it catches every wake-up that comes after this line.
            let stirred = select_all(lanes.iter().map(|&lane| Box::pin(self.stirred.get(lane).notified())));
            match self.with(|state, now| state.look(lanes, now)) {
                Look::Due => return Ok(()),
                Look::Nothing => drop(stirred.await),
                Look::NotBefore(at) => match select(stirred, pin!(sleep_until(at))).await {
                    Either::Left(_) | Either::Right(_) => {}
                },
            }
        }
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(self.with(|state, now| state.depth(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claw_core::Priority;

    fn ticket(subject: u128) -> Ticket {
        let (lane, priority) = (Lane::Standard, Priority::NORMAL);
        Ticket { kind: TicketKind::Run, subject: Uuid::from_u128(subject), attempt: 1, lane, priority }
    }

    async fn claim(queue: &MemoryQueue, max: usize) -> Vec<Claim> {
        queue.claim(&Lane::ALL, NonZeroUsize::new(max).unwrap(), Duration::from_secs(30)).await.unwrap()
    }

    #[tokio::test]
    async fn a_full_queue_refuses_the_new_and_takes_back_its_own() {
        let queue = MemoryQueue::new(Settings { tickets_max: 2 });
        let push = |subject| queue.push(ticket(subject), Duration::ZERO);
        assert_eq!((push(1).await, push(2).await), (Ok(()), Ok(())));
        assert_eq!(push(3).await, Err(QueueError::Full { limit: 2 }));
        assert_eq!(push(2).await, Ok(()));
        let first = claim(&queue, 1).await[0];
        assert_eq!(push(1).await, Err(QueueError::Full { limit: 2 }));
        assert_eq!(queue.release(&first, Duration::ZERO).await, Ok(true));
        for claim in claim(&queue, 2).await {
            assert_eq!(queue.complete(&claim).await, Ok(true));
        }
        assert_eq!(push(3).await, Ok(()));
    }

    /// Median time of one push, one claim and one completion on top of what waits already.
    async fn median_round(queue: &MemoryQueue, subjects: std::ops::Range<u128>) -> Duration {
        let mut rounds = Vec::new();
        for subject in subjects {
            let began = std::time::Instant::now();
            queue.push(ticket(subject), Duration::ZERO).await.unwrap();
            let claim = claim(queue, 1).await[0];
            queue.release(&claim, Duration::from_secs(60)).await.unwrap();
            rounds.push(began.elapsed());
        }
        rounds.sort_unstable();
        rounds[rounds.len() / 2]
    }

    #[tokio::test]
    async fn a_hundred_thousand_waiting_tickets_slow_nothing_down() {
        let queue = MemoryQueue::default();
        for subject in 0..1_000 {
            queue.push(ticket(subject), Duration::ZERO).await.unwrap();
        }
        let with_few = median_round(&queue, 1_000..2_000).await;
        for subject in 2_000..100_000 {
            queue.push(ticket(subject), Duration::ZERO).await.unwrap();
        }
        let with_many = median_round(&queue, 100_000..101_000).await;
        // Trees grow by two levels; a scan would be a hundred times slower.
        assert!(with_many < with_few * 4, "{with_many:?} with 100,000 tickets, {with_few:?} with 1,000");
    }
}

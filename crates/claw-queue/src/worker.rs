//! The workers: claim tickets while there is capacity, and care for each until it is done.
//!
//! One dispatcher future claims; each claim becomes one small future in the caller's scope, so
//! that a thousand runs that wait on slow upstreams cost a thousand futures and no thread.
//! Capacity is counted per lane: background work can never take what is kept for interactive.
//! Interactive is always served first; standard and long take turns, so that neither starves.
//! Knows nothing of what a ticket is for; that is the [`Handler`]'s.

mod attend;
mod slots;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claw_core::retry;
use claw_runtime::TaskScope;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::limits::LEASE_MIN;
use crate::{Claim, Queue, QueueError};
use slots::Slots;

pub use slots::Stats;

/// Does the work a ticket stands for.
///
/// Laws: it asks the store whether the work is still to be done, for a ticket may be stale or
/// come twice; when `cancel` fires it stops soon, and commits nothing that is not fenced.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Works on a claim whose lease is renewed meanwhile.
    ///
    /// `cancel` fires when the lease was lost, and at shutdown after [`Settings::drain`].
    async fn handle(&self, claim: &Claim, cancel: CancellationToken) -> Verdict;
}

/// What becomes of a ticket after its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has served.
    Done,
    /// It is due again after this time.
    Again(Duration),
}

/// Settings of the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Handlers that run at once; at least 1.
    pub concurrent_max: usize,
    /// How many of these only the interactive lane may use; never more than half.
    pub interactive_reserved: usize,
    /// How many the long lane may use; at least 1, and never what is reserved.
    pub long_max: usize,
    /// How long a claim holds without renewal; renewed at a third of it.
    pub lease: Duration,
    /// How long handlers may go on after a shutdown before they are told to stop.
    pub drain: Duration,
    /// When the ticket of a handler that panicked is due again.
    pub panic_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self::sized(2048)
    }
}

impl Settings {
    /// The usual shares of so many handlers: an eighth for interactive alone, half open to long.
    pub const fn sized(concurrent_max: usize) -> Self {
        Self {
            concurrent_max,
            interactive_reserved: concurrent_max / 8,
            long_max: concurrent_max / 2,
            lease: Duration::from_secs(30),
            drain: Duration::from_secs(20),
            panic_delay: Duration::from_secs(5),
        }
    }
}

/// How the dispatcher waits out a backend that does not answer.
const BACKEND_RETRY: retry::Policy =
    retry::Policy { base: Duration::from_millis(100), cap: Duration::from_secs(5), attempts_max: u32::MAX };

/// The worker pool, before it runs.
pub struct Workers {
    shared: Arc<Shared>,
}

/// What the dispatcher and every running claim share.
struct Shared {
    queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    settings: Settings,
    slots: Arc<Slots>,
}

impl Shared {
    fn lease(&self) -> Duration {
        self.settings.lease.max(LEASE_MIN)
    }
}

/// Watches and steers running workers; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    slots: Arc<Slots>,
}

impl Handle {
    /// How busy the workers are.
    pub fn stats(&self) -> Stats {
        self.slots.stats()
    }

    /// Claims nothing more; what runs goes on.
    pub fn pause(&self) {
        self.slots.set_paused(true);
    }

    /// Other numbers of handlers from now on; leases and drain stay as they were.
    pub fn resize(&self, settings: &Settings) {
        self.slots.resize(settings);
    }

    /// Claims again.
    pub fn resume(&self) {
        self.slots.set_paused(false);
    }
}

impl Workers {
    /// A pool for one queue; nothing is claimed before [`Workers::run`].
    pub fn new(queue: Arc<dyn Queue>, handler: Arc<dyn Handler>, settings: Settings) -> Self {
        let slots = Arc::new(Slots::new(&settings));
        Self { shared: Arc::new(Shared { queue, handler, settings, slots }) }
    }

    /// A handle, also good after the pool has stopped.
    pub fn handle(&self) -> Handle {
        Handle { slots: Arc::clone(&self.shared.slots) }
    }

    /// Starts claiming in `scope`; returns at once.
    ///
    /// When the scope is cancelled, claiming stops and the handlers go on: whoever closes the
    /// scope waits for them. Give [`Settings::drain`] less time than that grace.
    pub fn run(self, scope: &TaskScope) {
        let inside = scope.clone();
        drop(scope.spawn(|shutdown| {
            Dispatcher { shared: self.shared, scope: inside, shutdown, failures: 0, turns: 0 }.run()
        }));
    }
}

/// Claims until shutdown.
struct Dispatcher {
    shared: Arc<Shared>,
    scope: TaskScope,
    shutdown: CancellationToken,
    /// Of the backend, in a row.
    failures: u32,
    /// Claims so far.
    turns: usize,
}

impl Dispatcher {
    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while !self.shutdown.is_cancelled() {
            // Made before the look at the slots: it catches every change that comes after this line.
            let changed = shared.slots.changed();
            let open = shared.slots.open();
            let ready = tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = changed => continue,
                ready = shared.queue.ready(&open.lanes), if open.room_min().is_some() => ready,
            };
            let claimed = match ready {
                Ok(()) => self.claim().await,
                Err(error) => Err(error),
            };
            match claimed {
                Ok(()) => self.count_success(),
                Err(error) => self.wait_out(&error).await,
            }
        }
    }

    /// Claims one batch and starts a future for each ticket in it.
    async fn claim(&mut self) -> Result<(), QueueError> {
        let lease = self.shared.lease();
        // Looked at again: since the wait began the workers may have been paused.
        let open = self.shared.slots.open();
        let Some(max) = open.room_min() else { return Ok(()) };
        self.turns = self.turns.wrapping_add(1);
        let lanes = open.lanes_at(self.turns);
        // The lease counts from before the call: the backend's can only end later.
        let claimed_at = Instant::now();
        let claims = timeout(lease, self.shared.queue.claim(&lanes, max, lease)).await;
        for claim in claims.unwrap_or_else(|_late| Err(no_answer()))? {
            self.start(claim, claimed_at).await;
        }
        // The others of this thread have their turn before the next batch.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn start(&self, claim: Claim, claimed_at: Instant) {
        if self.shutdown.is_cancelled() {
            return attend::put_down(&self.shared, &claim, Verdict::Again(Duration::ZERO)).await;
        }
        let slot = Slots::take(&self.shared.slots, claim.ticket.lane);
        let shared = Arc::clone(&self.shared);
        drop(self.scope.spawn(|shutdown| attend::attend(shared, claim, claimed_at, slot, shutdown)));
    }

    fn count_success(&mut self) {
        let failures = std::mem::take(&mut self.failures);
        if failures > 0 {
            tracing::info!(failures, "the queue answers again after {failures} failures");
        }
    }

    /// Waits after a failure of the backend; says so once per series.
    async fn wait_out(&mut self, error: &QueueError) {
        if self.failures == 0 {
            tracing::warn!(%error, "cannot claim tickets, trying again: {error}");
        }
        self.failures = self.failures.saturating_add(1);
        let wait = BACKEND_RETRY.delay(self.failures, None, fastrand::f64());
        let _cut_short = timeout(wait, self.shutdown.cancelled()).await;
    }
}

/// A backend that hangs is a backend that fails.
fn no_answer() -> QueueError {
    QueueError::Unreachable("no answer in time".to_owned())
}

#[cfg(test)]
mod tests;

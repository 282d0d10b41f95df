//! The workers: claim tickets while there is capacity, and care for each until it is done.
//!
//! One dispatcher future claims; each claim becomes one small future in the caller's scope, so
//! that a thousand runs that wait on slow upstreams cost a thousand futures and no thread.
//! Capacity is counted per lane: background work can never take what is kept for interactive.
//! Knows nothing of what a ticket is for; that is the [`Handler`]'s.

mod attend;
mod slots;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claw_runtime::TaskScope;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::limits::LEASE_MIN;
use crate::{Claim, Queue, QueueError, retry};
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
        drop(scope.spawn(|shutdown| dispatch(self.shared, inside, shutdown)));
    }
}

/// Claims until shutdown. Everything that can wake it is here.
async fn dispatch(shared: Arc<Shared>, scope: TaskScope, shutdown: CancellationToken) {
    let mut failures = 0_u32;
    while !shutdown.is_cancelled() {
        // Made before the look at the slots: it catches every change that comes after this line.
        let changed = shared.slots.changed();
        let open = shared.slots.open();
        let result = tokio::select! {
            () = shutdown.cancelled() => break,
            () = changed => continue,
            result = shared.queue.ready(&open.lanes), if open.room_min().is_some() => result,
        };
        let result = match result {
            Ok(()) => claim(&shared, &scope, &shutdown).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) if failures > 0 => {
                tracing::info!(failures, "the queue answers again after {failures} failures");
                failures = 0;
            }
            Ok(()) => {}
            Err(error) => {
                failures = failures.saturating_add(1);
                wait_out(&error, failures, &shutdown).await;
            }
        }
    }
}

/// Claims one batch and starts a future for each ticket in it.
async fn claim(shared: &Arc<Shared>, scope: &TaskScope, shutdown: &CancellationToken) -> Result<(), QueueError> {
    // Looked at again: since the wait began the workers may have been paused.
    let open = shared.slots.open();
    let Some(max) = open.room_min() else { return Ok(()) };
    // The lease counts from before the call: the backend's can only end later.
    let claimed_at = Instant::now();
    let claims = timeout(shared.lease(), shared.queue.claim(&open.lanes, max, shared.lease())).await;
    for claim in claims.unwrap_or_else(|_late| Err(no_answer()))? {
        if shutdown.is_cancelled() {
            attend::put_down(shared, &claim, Verdict::Again(Duration::ZERO)).await;
            continue;
        }
        let slot = Slots::take(&shared.slots, claim.ticket.lane);
        let shared = Arc::clone(shared);
        drop(scope.spawn(|shutdown| attend::attend(shared, claim, claimed_at, slot, shutdown)));
    }
    // The others of this thread have their turn before the next batch.
    tokio::task::yield_now().await;
    Ok(())
}

/// A backend that hangs is a backend that fails.
fn no_answer() -> QueueError {
    QueueError::Unreachable("no answer in time".to_owned())
}

/// Waits after a failure of the backend; says so once per series.
async fn wait_out(error: &QueueError, failures: u32, shutdown: &CancellationToken) {
    if failures == 1 {
        tracing::warn!(%error, "cannot claim tickets, trying again: {error}");
    }
    let wait = BACKEND_RETRY.delay(failures, None, fastrand::f64());
    let _cut_short = timeout(wait, shutdown.cancelled()).await;
}

#[cfg(test)]
mod tests;

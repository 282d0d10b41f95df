//! How it goes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use claw_agent::{BreakerState, GateState};
use claw_core::{Principal, Timestamp, Visibility};
use claw_queue::Depth;
use claw_queue::worker::Stats;
use claw_store::Counts;

use crate::engine::Engine;
use crate::lag::Lateness;

/// Health.
#[derive(Clone)]
pub struct Health(pub(crate) Arc<Engine>);

/// What can be said at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// When.
    pub at: Timestamp,
    /// Since the start.
    pub uptime: Duration,
    /// Tasks by state and sessions; nothing when the store cannot be read.
    pub counts: Option<Counts>,
    /// Tickets; nothing when the queue does not answer.
    pub queue: Option<Depth>,
    /// Workers; nothing before they started.
    pub workers: Option<Stats>,
    /// Callers on the line.
    pub attached: usize,
    /// How long the oldest waiting task waits.
    pub oldest_queued: Option<Duration>,
    /// Sources of answers that have failed lately.
    pub breakers: Vec<BreakerState>,
    /// Other gateways that carry out runs, and how many each takes.
    pub executors: Vec<GateState>,
    /// How late the process was lately.
    pub lateness: Lateness,
    /// What keeps the gateway from being ready; empty when it is.
    pub failing: Vec<&'static str>,
}

impl Health {
    /// Looks at everything that can be looked at cheaply.
    pub async fn snapshot(&self) -> Snapshot {
        let engine = &self.0;
        let at = engine.clock.now();
        let counts = engine.store.counts().await.ok();
        let queue = engine.queue.depth().await.ok();
        let oldest = engine.store.oldest_queued().await.ok().flatten();
        let lateness = engine.lag.lateness();
        let failing = [
            (counts.is_none(), "store"),
            (engine.disk_full.load(Ordering::Relaxed), "disk"),
            (queue.is_none(), "queue"),
            (lateness.late_since.is_some(), "lag"),
            (self.is_draining(), "draining"),
            (!engine.agent.catalog().can_answer(at), "providers"),
        ];
        Snapshot {
            at,
            uptime: at.since(engine.started_at),
            counts,
            queue,
            workers: engine.workers.get().map(claw_queue::worker::Handle::stats),
            attached: crate::limits::ATTACHED_MAX - engine.attached.available_permits(),
            oldest_queued: oldest.map(|accepted| at.since(accepted)),
            breakers: engine.agent.catalog().breakers(at),
            executors: engine.agent.gates().states(),
            lateness,
            failing: failing.into_iter().filter_map(|(fails, what)| fails.then_some(what)).collect(),
        }
    }

    /// The tasks by state and the sessions that are a caller's own; of all for the operator. Nothing when the
    /// store cannot be read.
    pub async fn counts(&self, principal: &Principal) -> Option<Counts> {
        let store = &self.0.store;
        match principal.visibility() {
            Visibility::All => store.counts().await.ok(),
            Visibility::Owner(owner) => store.counts_of(&owner).await.ok(),
        }
    }

    /// Since the start.
    pub fn uptime(&self) -> Duration {
        self.0.clock.now().since(self.0.started_at)
    }

    /// Whether it is stopping.
    pub fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }
}

//! A place where a scripted answer waits until the test lets it pass.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

/// A gate that lets through as many as it was opened for. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: Semaphore,
    waiting: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Inner { permits: Semaphore::new(0), waiting: watch::Sender::new(0) }))
    }

    /// Lets `count` pass, now or whenever they come.
    pub fn open(&self, count: usize) {
        self.0.permits.add_permits(count);
    }

    /// Lets everyone pass from now on.
    pub fn open_for_good(&self) {
        self.0.permits.close();
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        *self.0.waiting.borrow()
    }

    /// Returns when at least `count` wait. Cancel-safe.
    pub async fn reached_by(&self, count: usize) {
        let mut waiting = self.0.waiting.subscribe();
        waiting.wait_for(|now| *now >= count).await.expect("the sender lives in this gate");
    }

    /// Waits to be let through. Cancel-safe.
    pub async fn pass(&self) {
        let _place = Place::take(&self.0.waiting);
        if let Ok(permit) = self.0.permits.acquire().await {
            permit.forget();
        }
    }
}

/// One who waits; leaves the count when let through or dropped.
struct Place<'a>(&'a watch::Sender<usize>);

impl<'a> Place<'a> {
    fn take(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

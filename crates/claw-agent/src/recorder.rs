//! Numbers a run's events, shows them to live readers, and stores them in pages.
//!
//! An event is shown first and stored within [`FLUSH_AFTER`]. What is shown but not stored is
//! bounded by [`UNSTORED_EVENTS_MAX`], which is also how far a new attempt's numbers jump: so a
//! number that a reader saw is never given to another event, even after a crash.

use std::pin::Pin;
use std::sync::Arc;

use claw_core::run::{RunEvent, Sequenced};
use claw_core::{Clock, Task, TaskId};
use claw_store::{Commit, Store, StoreError, UNSTORED_EVENTS_MAX};
use tokio::time::{Instant, Sleep};

use crate::hub::{Hub, Producer};
use crate::limits::{FLUSH_AFTER, FLUSH_EVENTS};

/// This attempt has lost its task; nothing it does counts any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fenced;

pub(crate) struct Recorder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    producer: Producer,
    id: TaskId,
    attempt: u32,
    seq: u64,
    /// Shown, and in no page yet.
    pending: Vec<Arc<Sequenced>>,
    progress: Option<u8>,
    /// When the oldest pending event has to be stored.
    due: Option<Instant>,
    /// Rings when a page is due; made for the first one and set anew for each.
    alarm: Option<Pin<Box<Sleep>>>,
    /// The page on its way to the disk, and its last number.
    in_flight: Option<(Commit<bool>, u64)>,
}

impl Recorder {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, hub: &Hub, task: &Task, seq: u64) -> Self {
        let producer = hub.producer(task.id);
        producer.stored(seq);
        Self {
            store,
            clock,
            producer,
            id: task.id,
            attempt: task.attempt,
            seq,
            pending: Vec::new(),
            progress: None,
            due: None,
            alarm: None,
            in_flight: None,
        }
    }

    /// Shows an event to live readers; it is stored with the next page.
    pub(crate) fn emit(&mut self, event: RunEvent) {
        if let RunEvent::Progress { percent } = event {
            self.progress = Some(percent);
        }
        let event = self.number(event);
        self.producer.push(Arc::clone(&event));
        self.pending.push(event);
        // Not each run at its own time: a hundred streams would be four hundred commits a second.
        self.due.get_or_insert_with(|| self.producer.beat_before(Instant::now() + FLUSH_AFTER));
    }

    fn number(&mut self, event: RunEvent) -> Arc<Sequenced> {
        self.seq += 1;
        Arc::new(Sequenced { seq: self.seq, at: self.clock.now(), event })
    }

    /// Resolves when a page is due. Cancel-safe.
    ///
    /// The alarm stays set between two polls: setting it costs more than an event does.
    pub(crate) async fn page_due(&mut self) {
        let Some(due) = self.due else { return std::future::pending().await };
        if self.pending.len() >= FLUSH_EVENTS {
            return;
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        alarm.as_mut().await;
    }

    /// Sends the pending page on its way, and waits for the one before.
    pub(crate) async fn flush(&mut self) -> Result<(), Fenced> {
        self.landed().await?;
        let Some(last) = self.pending.last().map(|event| event.seq) else { return Ok(()) };
        debug_assert!((self.pending.len() as u64) < UNSTORED_EVENTS_MAX, "the page is flushed long before");
        let events = std::mem::take(&mut self.pending);
        self.due = None;
        let commit = self.store.append_events(self.id, self.attempt, events, self.progress.take()).await;
        self.in_flight = Some((commit, last));
        Ok(())
    }

    /// Waits for the page on its way.
    async fn landed(&mut self) -> Result<(), Fenced> {
        let Some((commit, last)) = self.in_flight.take() else { return Ok(()) };
        match commit.await {
            Ok(true) => self.producer.stored(last),
            Ok(false) => return Err(Fenced),
            // The page is lost for later readers of a full disk; the result is not (it is retried).
            Err(error) => lost_page(self.id, &error),
        }
        Ok(())
    }

    /// Makes the terminal event and takes what is not stored yet, to be stored with the finish.
    pub(crate) fn last_page(&mut self, terminal: RunEvent) -> (Vec<Arc<Sequenced>>, Arc<Sequenced>) {
        let terminal = self.number(terminal);
        self.due = None;
        let mut events = std::mem::take(&mut self.pending);
        events.push(Arc::clone(&terminal));
        (events, terminal)
    }

    /// Takes what is not stored yet, to be stored with a finish that has no event of its own.
    pub(crate) fn rest(&mut self) -> Vec<Arc<Sequenced>> {
        self.due = None;
        std::mem::take(&mut self.pending)
    }

    /// Shows the terminal event.
    pub(crate) fn show(&self, event: Arc<Sequenced>) {
        self.producer.push(event);
    }
}

fn lost_page(id: TaskId, error: &StoreError) {
    tracing::warn!(task.id = %id, error = %error, "a page of events of {id} could not be stored: {error}");
}

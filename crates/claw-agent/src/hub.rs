//! Readers of runs: live or stored, from any number on, none of them slowing the run.
//!
//! A run in progress keeps a short tail of its events in memory. A reader takes what the tail
//! has after its own number, and falls back to the store when it is further behind. So no event
//! is lost to a slow reader, and no reader can make the run wait.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use claw_core::run::Sequenced;
use claw_core::{TaskId, Visibility};
use claw_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::limits::{FLUSH_BEAT, READ_EVENTS, TAIL_EVENTS_MAX};

/// All runs that somebody produces or waits for.
#[derive(Clone)]
pub struct Hub {
    store: Arc<dyn Store>,
    live: Arc<Mutex<HashMap<TaskId, Arc<Live>>>>,
    /// Where the beats are counted from.
    began: Instant,
}

/// One run's tail.
struct Live {
    tail: Mutex<Tail>,
    /// Rises with each change; the value itself means nothing.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Tail {
    /// How many producers write: while there is one, a reader waits instead of asking the store.
    producers: usize,
    events: VecDeque<Arc<Sequenced>>,
    /// Everything up to this number is stored, so that the tail may forget it.
    stored: u64,
}

/// What the tail has for a reader.
enum Found {
    Events(Vec<Arc<Sequenced>>),
    /// Older events than the tail's first are wanted: ask the store, then this tail.
    Behind(Vec<Arc<Sequenced>>),
    /// Nothing yet, but the run goes on here.
    Wait,
    /// Nothing, and nobody writes here.
    Nothing,
}

impl Hub {
    /// A hub over the store that keeps the events.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, live: Arc::default(), began: Instant::now() }
    }

    fn open(&self, id: TaskId) -> Arc<Live> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Live { tail: Mutex::default(), changed: watch::Sender::new(0) });
        Arc::clone(live.entry(id).or_insert_with(fresh))
    }

    /// Drops the run's tail unless somebody else holds it.
    fn release(&self, id: TaskId) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.get(&id).is_some_and(|run| Arc::strong_count(run) == 1) {
            live.remove(&id);
        }
    }

    /// Writes a run's events.
    pub(crate) fn producer(&self, id: TaskId) -> Producer {
        let live = self.open(id);
        live.tail.lock().unwrap_or_else(PoisonError::into_inner).producers += 1;
        Producer { live: Some(live), id, hub: self.clone() }
    }

    /// Shows an event that the store made by itself, as when a waiting task is cancelled.
    pub fn publish(&self, id: TaskId, event: Sequenced) {
        let producer = self.producer(id);
        let seq = event.seq;
        producer.push(Arc::new(event));
        producer.stored(seq);
    }

    /// Reads a run's events with numbers above `after`; the run must exist.
    pub fn read(&self, id: TaskId, after: u64) -> EventReader {
        let live = self.open(id);
        let changes = live.changed.subscribe();
        EventReader { hub: self.clone(), id, live: Some(live), changes, after, ready: VecDeque::new(), ended: false }
    }

    /// How many runs have readers or producers.
    pub fn len(&self) -> usize {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nobody reads or runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The writing end of a run's tail.
pub(crate) struct Producer {
    live: Option<Arc<Live>>,
    id: TaskId,
    hub: Hub,
}

impl Producer {
    /// Shows an event.
    pub(crate) fn push(&self, event: Arc<Sequenced>) {
        if let Some(live) = &self.live {
            live.tail.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            live.changed.send_modify(|version| *version += 1);
        }
    }

    /// The last beat, the same for all runs, that is not after `at`.
    pub(crate) fn beat_before(&self, at: Instant) -> Instant {
        let beats = at.saturating_duration_since(self.hub.began).as_millis() / FLUSH_BEAT.as_millis();
        let beats = u32::try_from(beats).unwrap_or(u32::MAX);
        // After six years the beats stop and pages leave at once.
        self.hub.began + FLUSH_BEAT * beats
    }

    /// Says that everything up to `seq` is stored.
    pub(crate) fn stored(&self, seq: u64) {
        if let Some(live) = &self.live {
            let mut tail = live.tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.stored = tail.stored.max(seq);
            tail.trim();
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // A waiting reader looks again, and finds in the store what it missed here.
        if let Some(live) = self.live.take() {
            live.tail.lock().unwrap_or_else(PoisonError::into_inner).producers -= 1;
            live.changed.send_modify(|version| *version += 1);
        }
        self.hub.release(self.id);
    }
}

impl Tail {
    fn push(&mut self, event: Arc<Sequenced>) {
        self.events.push_back(event);
        self.trim();
    }

    /// Forgets stored events beyond the limit; unstored ones are bounded by the recorder.
    fn trim(&mut self) {
        while self.events.len() > TAIL_EVENTS_MAX && self.events.front().is_some_and(|first| first.seq <= self.stored) {
            self.events.pop_front();
        }
    }

    fn after(&self, after: u64) -> Found {
        let newer = || self.events.iter().skip(self.events.partition_point(|e| e.seq <= after)).cloned().collect();
        let nothing = || if self.producers > 0 { Found::Wait } else { Found::Nothing };
        match self.events.front() {
            None => nothing(),
            Some(first) if first.seq > after + 1 => Found::Behind(newer()),
            Some(_) => match self.events.back() {
                Some(last) if last.seq > after => Found::Events(newer()),
                Some(_) | None => nothing(),
            },
        }
    }
}

/// Reads one run, event by event, to its end.
pub struct EventReader {
    hub: Hub,
    id: TaskId,
    live: Option<Arc<Live>>,
    changes: watch::Receiver<u64>,
    after: u64,
    ready: VecDeque<Arc<Sequenced>>,
    ended: bool,
}

impl EventReader {
    /// The next event; `None` once the task has ended and everything was read. Waits while the
    /// run has nothing new. A terminal event may be followed by others: the task was retried.
    ///
    /// Cancel-safe. Errors: the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Arc<Sequenced>>, StoreError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.seq;
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            self.changes.mark_unchanged();
            if !self.look().await? {
                // The hub keeps the sender alive as long as this reader holds the run.
                let _changed = self.changes.changed().await;
            }
        }
    }

    /// An event that is there already, without waiting and without asking the store.
    pub fn try_next(&mut self) -> Option<Arc<Sequenced>> {
        if self.ready.is_empty()
            && !self.ended
            && let Some(live) = &self.live
            && let Found::Events(events) = live.tail.lock().unwrap_or_else(PoisonError::into_inner).after(self.after)
        {
            self.ready.extend(events);
        }
        let event = self.ready.pop_front()?;
        self.after = event.seq;
        Some(event)
    }

    /// Fills `ready`; false when there is nothing new. Cancel-safe: state changes after the last await.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let found = match &self.live {
            Some(live) => live.tail.lock().unwrap_or_else(PoisonError::into_inner).after(self.after),
            None => Found::Nothing,
        };
        let from_tail = match found {
            Found::Events(events) => {
                self.ready.extend(events);
                return Ok(true);
            }
            Found::Behind(events) => events,
            Found::Wait => return Ok(false),
            Found::Nothing => Vec::new(),
        };
        let stored = self.hub.store.events(self.id, self.after, READ_EVENTS).await?;
        if !stored.is_empty() {
            self.ready.extend(stored.into_iter().map(Arc::new));
            return Ok(true);
        }
        if !from_tail.is_empty() {
            self.ready.extend(from_tail);
            return Ok(true);
        }
        self.check_end().await
    }

    /// Notices a task that ended without a further event for this reader. Says whether to go on.
    async fn check_end(&mut self) -> Result<bool, StoreError> {
        let task = self.hub.store.task(self.id, &Visibility::All).await?;
        if task.is_none_or(|task| task.state.name().is_terminal()) {
            // It may have ended between the two reads.
            let late = self.hub.store.events(self.id, self.after, READ_EVENTS).await?;
            self.ended = late.is_empty();
            self.ready.extend(late.into_iter().map(Arc::new));
            return Ok(true);
        }
        Ok(false)
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        self.live = None;
        self.hub.release(self.id);
    }
}

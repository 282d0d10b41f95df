//! The bounded queue in front of the engine's thread.
//!
//! Full: first the requests whose readers are gone make room, then new ones are refused.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::request::{Output, Request};

/// What a request takes until one has been measured.
const FIRST_GUESS: Duration = Duration::from_secs(5);

/// A queued request with its way back.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) output: Output,
}

/// What became of a pushed request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Push {
    Queued,
    Full { waiting: usize, mean_request: Duration },
    Closed,
}

/// What the thread got.
#[derive(Debug)]
pub(super) enum Pop {
    Job(Box<Job>),
    /// Nothing came in time.
    Idle,
    /// No more jobs will come.
    Closed,
}

#[derive(Debug)]
pub(super) struct Queue {
    jobs_max: usize,
    state: Mutex<State>,
    changed: Condvar,
    stopping: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    jobs: VecDeque<Job>,
    mean_request: Duration,
}

impl Queue {
    pub(super) fn new(jobs_max: usize) -> Self {
        let state = State { jobs: VecDeque::new(), mean_request: FIRST_GUESS };
        Self { jobs_max, state: Mutex::new(state), changed: Condvar::new(), stopping: Arc::default() }
    }

    pub(super) fn push(&self, request: Request, output: Output) -> Push {
        if self.is_closed() {
            return Push::Closed;
        }
        let mut state = self.lock();
        if state.jobs.len() >= self.jobs_max {
            state.jobs.retain(|job| !job.output.is_unwanted());
        }
        let waiting = state.jobs.len();
        if waiting >= self.jobs_max {
            return Push::Full { waiting, mean_request: state.mean_request };
        }
        state.jobs.push_back(Job { request, output });
        self.changed.notify_one();
        Push::Queued
    }

    /// Waits for a job, up to `patience`; for ever without one. Unwanted jobs are skipped.
    pub(super) fn pop(&self, patience: Option<Duration>) -> Pop {
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        let mut state = self.lock();
        loop {
            if self.is_closed() {
                state.jobs.clear();
                return Pop::Closed;
            }
            while let Some(job) = state.jobs.pop_front() {
                if !job.output.is_unwanted() {
                    return Pop::Job(Box::new(job));
                }
            }
            let Some(deadline) = deadline else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Pop::Idle;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes part in the mean by which an overloaded engine says when to come back.
    pub(super) fn measured(&self, request: Duration) {
        let mut state = self.lock();
        state.mean_request = (state.mean_request * 3 + request) / 4;
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Refuses new jobs, forgets the waiting ones, and lets the running one end at its next token.
    pub(super) fn close(&self) {
        // Set under the lock: a thread between its check and its wait would miss the wake-up.
        let state = self.lock();
        self.stopping.store(true, Ordering::Relaxed);
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    fn is_closed(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

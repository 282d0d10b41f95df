//! The thread: waits, loads, serves, unloads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::EngineError;
use super::queue::{Job, Pop, Queue};
use super::request::{Finish, Output, Request};

/// What can load models: llama.cpp, nothing (a build without it), or a test's double.
pub(crate) trait Backend: Send + 'static {
    /// Loads the model at `path`, hands it to `serve`, and frees it when `serve` returns.
    ///
    /// Errors: the model could not be loaded; then `serve` was not called.
    fn with_model(&mut self, path: &Path, serve: &mut dyn FnMut(&mut dyn Model)) -> Result<(), EngineError>;
}

/// A loaded model.
pub(crate) trait Model {
    /// Answers `request` through `output`; `None` when nobody wanted the answer any more.
    ///
    /// Looks at [`Output::is_unwanted`] between tokens and between pieces of the prompt.
    fn generate(&mut self, request: &Request, output: &Output) -> Result<Option<Finish>, EngineError>;
}

/// What the thread is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// No model is in memory.
    Unloaded,
    /// A model is being loaded.
    Loading {
        /// Its file.
        model: PathBuf,
    },
    /// A model waits for requests.
    Ready {
        /// Its file.
        model: PathBuf,
    },
    /// A model is answering.
    Generating {
        /// Its file.
        model: PathBuf,
    },
    /// The thread has ended.
    Stopped,
}

/// The backend of a build without llama.cpp.
#[cfg_attr(feature = "llama", expect(dead_code, reason = "the other build's backend"))]
pub(crate) struct NotBuilt;

impl Backend for NotBuilt {
    fn with_model(&mut self, _: &Path, _: &mut dyn FnMut(&mut dyn Model)) -> Result<(), EngineError> {
        Err(EngineError::NotBuilt)
    }
}

/// Starts the thread. It ends when the queue is closed, and reports [`Phase::Stopped`] even if
/// it panics.
pub(super) fn spawn(
    backend: impl Backend,
    queue: Arc<Queue>,
    report: watch::Sender<Phase>,
    idle_unload: Option<Duration>,
) -> std::io::Result<JoinHandle<()>> {
    let worker = Worker { backend, queue, report: StopReport(report), idle_unload };
    std::thread::Builder::new().name("embedded-model".to_owned()).spawn(move || worker.run())
}

/// Says that the thread is gone, however it went.
struct StopReport(watch::Sender<Phase>);

impl Drop for StopReport {
    fn drop(&mut self) {
        self.0.send_replace(Phase::Stopped);
    }
}

struct Worker<B> {
    backend: B,
    queue: Arc<Queue>,
    report: StopReport,
    idle_unload: Option<Duration>,
}

impl<B: Backend> Worker<B> {
    fn run(mut self) {
        lower_priority();
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => job,
                None => match self.queue.pop(None) {
                    Pop::Job(job) => job,
                    Pop::Idle => continue,
                    Pop::Closed => break,
                },
            };
            next = self.load_and_serve(job);
            self.report.0.send_replace(Phase::Unloaded);
        }
        // Whoever holds a job after this must not find the queue open.
        self.queue.close();
    }

    /// Serves `first` and what follows for the same model; returns a job for another model.
    fn load_and_serve(&mut self, first: Box<Job>) -> Option<Box<Job>> {
        let Self { backend, queue, report, idle_unload } = self;
        let path = first.request.model.clone();
        report.0.send_replace(Phase::Loading { model: path.clone() });
        let (mut current, mut next) = (Some(first), None);
        let started = Instant::now();
        let result = backend.with_model(&path, &mut |model| {
            info!(model = %path.display(), load_ms = started.elapsed().as_millis() as u64, "embedded model loaded");
            while let Some(job) = current.take() {
                report.0.send_replace(Phase::Generating { model: path.clone() });
                if !answer(model, *job, queue) {
                    break;
                }
                report.0.send_replace(Phase::Ready { model: path.clone() });
                match queue.pop(*idle_unload) {
                    Pop::Job(job) if job.request.model == path => current = Some(job),
                    Pop::Job(job) => next = Some(job),
                    Pop::Idle | Pop::Closed => {}
                }
            }
        });
        match result {
            Ok(()) => info!(model = %path.display(), "embedded model unloaded"),
            Err(refused) => {
                warn!(model = %path.display(), reason = %refused, "embedded model could not be loaded");
                if let Some(job) = current {
                    job.output.end(Err(refused));
                }
            }
        }
        next
    }
}

/// Runs one job; false when the model must not be used again.
fn answer(model: &mut dyn Model, job: Job, queue: &Queue) -> bool {
    let Job { request, output } = job;
    let started = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| model.generate(&request, &output)));
    let elapsed = started.elapsed();
    queue.measured(elapsed);
    match result {
        Ok(Ok(Some(finish))) => {
            debug!(elapsed_ms = elapsed.as_millis() as u64, usage = ?finish.usage, "embedded answer finished");
            output.end(Ok(finish));
        }
        Ok(Ok(None)) if output.is_stopping() => output.end(Err(EngineError::Stopped)),
        Ok(Ok(None)) => debug!("embedded answer abandoned"),
        Ok(Err(failed)) => output.end(Err(failed)),
        Err(_panic) => {
            // The panic hook has said what and where; the model's state is not to be trusted.
            error!("embedded model panicked and is unloaded");
            output.end(Err(EngineError::Failed { reason: "internal error, see the log".to_owned() }));
            return false;
        }
    }
    true
}

/// Puts this thread, and those it starts, behind everything else in the process.
///
/// Only Linux has a priority per thread; elsewhere it would slow the whole gateway.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(refused) = rustix::process::setpriority_process(None, 19) {
        warn!(reason = %refused, "embedded model's thread keeps normal priority");
    }
}

//! What every handler shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use claw_app::App;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Gate;
use crate::http::front::Answers;
use crate::pulse::Pulse;
use crate::settings::{Settings, Surface};
use crate::ws::methods::Counters;
use crate::ws::stage::{self, Stage};
use crate::ws::unknown::UnknownFields;

/// All that stands behind the port. Shared by every connection.
pub(crate) struct Doors {
    pub(crate) app: App,
    pub(crate) gate: Gate,
    pub(crate) settings: Settings,
    /// Cancelled when the gateway stops.
    pub(crate) stop: CancellationToken,
    /// The scope of sockets, which outlive the request that opened them.
    pub(crate) scope: claw_runtime::TaskScope,
    /// A permit for each socket that is not authenticated yet.
    pub(crate) handshakes: Arc<Semaphore>,
    pub(crate) port: AtomicU16,
    pub(crate) connections: AtomicUsize,
    pub(crate) sockets: AtomicUsize,
    /// Health as it was seen last.
    pub(crate) pulse: Pulse,
    /// Parameters of methods that nobody reads.
    pub(crate) unknown_fields: UnknownFields,
    /// How often each method of the sockets was called.
    pub(crate) counters: Counters,
    /// How many requests were answered, and how.
    pub(crate) answers: Answers,
    /// What everybody may hear.
    pub(crate) stage: Arc<Stage>,
}

impl Doors {
    pub(crate) fn new(settings: Settings, app: App, scope: claw_runtime::TaskScope) -> Self {
        Self {
            gate: Gate::new(settings.credentials.clone(), &app, settings.allow_query),
            stop: scope.token(),
            scope,
            handshakes: Arc::new(Semaphore::new(settings.handshakes_max)),
            port: AtomicU16::new(0),
            connections: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
            pulse: Pulse::default(),
            unknown_fields: UnknownFields::default(),
            counters: Counters::new(),
            answers: Answers::new(),
            stage: Arc::new(Stage::new(stage::own_entry(&settings.host, &settings.version, app.now()))),
            app,
            settings,
        }
    }

    /// What is there and for whom, at this moment.
    pub(crate) fn surface(&self) -> Arc<Surface> {
        Arc::clone(&self.settings.surface.borrow())
    }
}

/// Counts something for as long as it lives.
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub(crate) fn one(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

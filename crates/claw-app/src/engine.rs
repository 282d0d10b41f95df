//! What all verbs share, and how it starts and stops.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use claw_agent::tools::{Conversations, Offer};
use claw_agent::{Agent, Catalog, Hub};
use claw_core::courier::Courier;
use claw_core::memory::Notes;
use claw_core::retry;
use claw_core::task::StateName;
use claw_core::tool::Tool;
use claw_core::{Clock, IdSource, PrincipalId, Secret, SessionKey, TaskId, Timestamp};
use claw_queue::{Queue, Ticket, TicketKind, Workers, worker};
use claw_runtime::TaskScope;
use claw_store::{Answered, DueTicket, Finished, Recovered, Store, StoreError};
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::admission::Turns;
use crate::approvals::{ApprovalNotice, Approvals};
use crate::audit::{self, Audit, Meter};
use crate::chat::Chat;
use crate::compaction::{Compaction, Compactor};
use crate::config::{ConfigFile, Configuration};
use crate::conversations::Port;
use crate::deliveries::{self, Callbacks, Desk};
use crate::devices::{Board, Devices};
use crate::health::Health;
use crate::jobs::Jobs;
use crate::keys::ApiKeys;
use crate::lag::Lag;
use crate::limiter::{Limiter, Quotas};
use crate::limits::{API_KEYS_MAX, ATTACHED_MAX, ATTEMPTS_MAX};
use crate::lobby::{self, Lobby};
use crate::memory::{Keeper, Memories};
use crate::models::Models;
use crate::notice::{Notices, SessionNotice, TaskNotice};
use crate::sessions::Sessions;
use crate::strangers::Strangers;
use crate::sweep;
use crate::tasks::Tasks;
use crate::usage::Usage;

/// What may be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The workers' capacity and leases.
    pub workers: worker::Settings,
    /// When a failed attempt is tried again, and how many there are.
    pub retry: retry::Policy,
    /// How long a synchronous caller is kept (C44, K18).
    pub wait_max: Duration,
    /// How long stored memories are kept; for ever when absent.
    pub memory_retention: Option<Duration>,
    /// How conversations are compacted.
    pub compaction: Compaction,
    /// How much keys may have generated.
    pub quotas: Quotas,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: worker::Settings::default(),
            retry: retry::Policy::default(),
            wait_max: Duration::from_secs(300),
            memory_retention: None,
            compaction: Compaction::default(),
            quotas: Quotas::default(),
        }
    }
}

/// What may change while the app lives; see [`App::adopt`].
pub struct Live {
    /// Models and agents.
    pub catalog: Arc<Catalog>,
    /// Who carries callbacks.
    pub courier: Arc<dyn Courier>,
    /// What callbacks are signed with.
    pub webhook_secret: Option<Secret>,
    /// Runs at once.
    pub concurrent_max: usize,
    /// Attempts of a task that names no number.
    pub attempts_default: u32,
    /// What agents have written down in files.
    pub notes: Arc<dyn Notes>,
    /// How long stored memories are kept; for ever when absent.
    pub memory_retention: Option<Duration>,
    /// How conversations are compacted.
    pub compaction: Compaction,
    /// How much keys may have generated.
    pub quotas: Quotas,
}

/// What an app is made of.
pub struct Parts {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// Tickets.
    pub queue: Arc<dyn Queue>,
    /// Models and agents.
    pub catalog: Arc<Catalog>,
    /// What agents remember.
    pub memory: Arc<Keeper>,
    /// Tools beyond the built-in ones.
    pub more_tools: Vec<Arc<dyn Tool>>,
    /// How callbacks are told.
    pub callbacks: Callbacks,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Ids and chance.
    pub ids: Arc<dyn IdSource>,
    /// Owns every future the app spawns.
    pub scope: TaskScope,
    /// The rest.
    pub settings: Settings,
}

/// All verbs. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Runs for a caller on the line.
    pub chat: Chat,
    /// Runs that outlive their caller.
    pub tasks: Tasks,
    /// Conversations.
    pub sessions: Sessions,
    /// What was used.
    pub usage: Usage,
    /// What can be asked.
    pub models: Models,
    /// What agents remember.
    pub memory: Memories,
    /// Files with strangers' words.
    pub strangers: Strangers,
    /// API keys.
    pub keys: ApiKeys,
    /// What runs want to do and somebody has to allow.
    pub approvals: Approvals,
    /// What is written down for good.
    pub audit: Audit,
    /// Machines that prove themselves by a key.
    pub devices: Devices,
    /// The configuration.
    pub config: Configuration,
    /// How it goes.
    pub health: Health,
    /// How much keys may have generated.
    pub limiter: Limiter,
    engine: Arc<Engine>,
}

/// What the verbs share.
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) agent: Agent,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) compactor: Compactor,
    pub(crate) hub: Hub,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) scope: TaskScope,
    pub(crate) settings: Settings,
    pub(crate) desk: Desk,
    pub(crate) notices: Notices<TaskNotice>,
    /// How often tasks came to each state, in the order of life: found with the first, when the process has its metrics.
    transitions: OnceLock<[metrics::Counter; 5]>,
    pub(crate) session_notices: Notices<SessionNotice>,
    pub(crate) approval_notices: Notices<ApprovalNotice>,
    pub(crate) devices: Board,
    /// Wrong credentials that were noted.
    pub(crate) logins: Meter,
    pub(crate) limiter: Limiter,
    pub(crate) turns: Turns,
    pub(crate) attached: Arc<Semaphore>,
    pub(crate) lobby: Lobby,
    pub(crate) attempts_default: AtomicU32,
    /// Cancelled when nothing new is begun any more.
    pub(crate) draining: CancellationToken,
    pub(crate) disk_full: AtomicBool,
    pub(crate) lag: Lag,
    pub(crate) started_at: Timestamp,
    pub(crate) workers: OnceLock<worker::Handle>,
    pub(crate) config: OnceLock<Arc<dyn ConfigFile>>,
}

impl App {
    /// Ends or re-queues what a dead process left running, then starts the workers; the queue is
    /// rebuilt from the store in the background.
    ///
    /// Errors: the store cannot be read or written.
    pub async fn start(parts: Parts) -> Result<(Self, Recovered), StoreError> {
        let Parts { store, queue, catalog, memory: keeper, more_tools, callbacks, clock, ids, scope, settings } = parts;
        let recovered = store.recover(clock.now()).await.await?;
        match audit::cut::end_all(&*store, clock.now()).await {
            Ok(0) => {}
            Ok(cut) => tracing::info!(cut, "{cut} commands were cut off by the end of the process before"),
            Err(error) => tracing::error!("the audit log lacks the ends of commands that were cut off: {error}"),
        }
        let limiter = limiter(&settings, &store, &clock).await?;
        let hub = Hub::new(Arc::clone(&store));
        let port = Arc::new(Port::default());
        let conversations: Arc<dyn Conversations> = Arc::<Port>::clone(&port);
        let mut tools = claw_agent::tools::built_in(&clock, &conversations);
        tools.extend(more_tools);
        let tools = tools.into_iter().map(Offer::from).collect();
        let agent = Agent::new(claw_agent::Parts {
            store: Arc::clone(&store),
            hub: hub.clone(),
            catalog,
            tools,
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            retry: settings.retry,
            meter: Arc::new(limiter.clone()),
        });
        keeper.keep_for(settings.memory_retention);
        let started_at = clock.now();
        let engine = Arc::new(Engine {
            store,
            queue,
            agent,
            keeper,
            compactor: Compactor::new(settings.compaction.clone()),
            hub,
            clock,
            ids,
            scope,
            transitions: OnceLock::new(),
            attempts_default: AtomicU32::new(settings.retry.attempts_max.clamp(1, ATTEMPTS_MAX)),
            settings,
            desk: Desk::new(callbacks),
            notices: Notices::new(),
            session_notices: Notices::new(),
            approval_notices: Notices::new(),
            devices: Board::new(),
            logins: Meter::default(),
            limiter,
            turns: Turns::default(),
            attached: Arc::new(Semaphore::new(ATTACHED_MAX)),
            lobby: Lobby::default(),
            draining: CancellationToken::new(),
            disk_full: AtomicBool::new(false),
            lag: Lag::default(),
            started_at,
            workers: OnceLock::new(),
            config: OnceLock::new(),
        });
        port.open(&engine);
        engine.start_work();
        Ok((Self::over(engine), recovered))
    }

    fn over(engine: Arc<Engine>) -> Self {
        Self {
            chat: Chat(Arc::clone(&engine)),
            tasks: Tasks(Arc::clone(&engine)),
            sessions: Sessions(Arc::clone(&engine)),
            usage: Usage(Arc::clone(&engine)),
            models: Models(Arc::clone(&engine)),
            memory: Memories(Arc::clone(&engine)),
            strangers: Strangers(Arc::clone(&engine)),
            keys: ApiKeys(Arc::clone(&engine)),
            approvals: Approvals(Arc::clone(&engine)),
            audit: Audit(Arc::clone(&engine)),
            devices: Devices(Arc::clone(&engine)),
            config: Configuration(Arc::clone(&engine)),
            health: Health(Arc::clone(&engine)),
            limiter: engine.limiter.clone(),
            engine,
        }
    }

    /// Hears of every task that changes its state.
    pub fn notices(&self) -> broadcast::Receiver<TaskNotice> {
        self.engine.notices.listen()
    }

    /// Hears of everything that is done to sessions beside their runs.
    pub fn session_notices(&self) -> broadcast::Receiver<SessionNotice> {
        self.engine.session_notices.listen()
    }

    /// The wall-clock time the app lives by.
    pub fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// Where ids come from.
    pub fn ids(&self) -> &dyn IdSource {
        &*self.engine.ids
    }

    /// How long a synchronous caller is kept (K18).
    pub fn wait_max(&self) -> Duration {
        self.engine.settings.wait_max
    }

    /// Opens the configuration file to the doors; once.
    pub fn open_config(&self, file: Arc<dyn ConfigFile>) {
        let _only_once = self.engine.config.set(file);
    }

    /// Goes on with other settings. Runs that have begun keep the models they began with.
    pub fn adopt(&self, live: Live) {
        let Live {
            catalog,
            courier,
            webhook_secret,
            concurrent_max,
            attempts_default,
            notes,
            memory_retention,
            compaction,
            quotas,
        } = live;
        self.limiter.adopt(quotas);
        let engine = &self.engine;
        engine.keeper.replace_notes(notes);
        engine.keeper.keep_for(memory_retention);
        engine.compactor.adopt(compaction);
        engine.agent.replace_catalog(catalog);
        engine.lobby.look();
        engine.desk.replace(courier, webhook_secret.as_ref());
        engine.attempts_default.store(attempts_default.clamp(1, ATTEMPTS_MAX), Ordering::Relaxed);
        if let Some(workers) = engine.workers.get() {
            workers.resize(&worker::Settings::sized(concurrent_max));
        }
    }

    /// Accepts nothing new from now on; `/readyz` says so. What runs goes on.
    pub fn drain(&self) {
        if let Some(workers) = self.engine.workers.get() {
            workers.pause();
        }
        self.engine.draining.cancel();
    }

    /// Waits until nothing runs here, at most `grace`; returns how many runs were left. Cancel-safe.
    pub async fn idle(&self, grace: Duration) -> usize {
        let running = self.engine.agent.running();
        let _idle_in_time = tokio::time::timeout(grace, running.emptied()).await;
        running.len()
    }
}

/// Knows which key has which plan.
async fn limiter(settings: &Settings, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Result<Limiter, StoreError> {
    let limiter = Limiter::new(settings.quotas.clone(), Arc::clone(clock));
    for (key, plan) in store.plans(u32::try_from(API_KEYS_MAX).unwrap_or(u32::MAX)).await? {
        limiter.assign(&PrincipalId::api_key(key), &plan);
    }
    limiter.warn_of_missing_plans();
    Ok(limiter)
}

impl Engine {
    fn start_work(self: &Arc<Self>) {
        let jobs = Arc::new(Jobs(Arc::clone(self)));
        let workers = Workers::new(Arc::clone(&self.queue), jobs, self.settings.workers);
        let _only_once = self.workers.set(workers.handle());
        workers.run(&self.scope);
        let engine = Arc::clone(self);
        drop(self.scope.spawn(|cancel| async move {
            tokio::select! { () = cancel.cancelled() => {}, () = sweep::run(&engine) => {} }
        }));
        let engine = Arc::clone(self);
        drop(self.scope.spawn(|cancel| async move {
            tokio::select! { () = cancel.cancelled() => {}, () = engine.lag.run(&*engine.clock) => {} }
        }));
        let engine = Arc::clone(self);
        drop(self.scope.spawn(|cancel| async move {
            tokio::select! { () = cancel.cancelled() => {}, () = lobby::run(&engine) => {} }
        }));
        let engine = Arc::clone(self);
        drop(self.scope.spawn(|cancel| async move { deliveries::run(&engine, cancel).await }));
    }

    /// Attempts of a task that names no number.
    pub(crate) fn attempts_default(&self) -> u32 {
        self.attempts_default.load(Ordering::Relaxed)
    }

    /// Gives a waiting task its ticket. A full queue is no loss: the sweeper finds the task again.
    pub(crate) async fn issue(&self, due: DueTicket) {
        let (ticket, delay) = self.ticket(due);
        if let Err(error) = self.queue.push(ticket, delay).await {
            tracing::warn!(task.id = %due.id, "the ticket of {} has to wait for the sweeper: {error}", due.id);
        }
    }

    /// Gives a task its ticket unless one of its attempt is held; whether it did.
    ///
    /// For whoever may be too late: the boot's look for lost tickets and the submission itself may see the same new
    /// task, and the slower of them would put a ticket behind the claim of the first one's.
    pub(crate) async fn issue_once(&self, due: DueTicket) -> bool {
        let (ticket, delay) = self.ticket(due);
        self.queue.restore(ticket, delay).await.unwrap_or_else(|error| {
            tracing::warn!(task.id = %due.id, "the ticket of {} has to wait for the sweeper: {error}", due.id);
            false
        })
    }

    fn ticket(&self, due: DueTicket) -> (Ticket, Duration) {
        let DueTicket { id, attempt, lane, priority, not_before } = due;
        let ticket = Ticket { kind: TicketKind::Run, subject: id.uuid(), attempt, lane, priority };
        (ticket, not_before.since(self.clock.now()))
    }

    /// Issues what a finish made due.
    ///
    /// Those whom the run answered beside its own task are of its owner and session.
    pub(crate) async fn after(&self, finished: Option<Finished>, owner: &PrincipalId, session: &SessionKey) {
        let Some(Finished { accepted: _, next, answered }) = finished else { return };
        for Answered { id, event: _, has_callback } in answered {
            self.tell(id, owner, session, StateName::Completed, 0);
            self.desk.wake(has_callback, Some(StateName::Completed));
        }
        if let Some(due) = next {
            self.issue(due).await;
            if due.not_before > self.clock.now() {
                self.reissue(due.id).await;
            }
        }
    }

    /// Tells listeners of a state.
    pub(crate) fn tell(&self, id: TaskId, owner: &PrincipalId, session: &SessionKey, state: StateName, attempt: u32) {
        let counter =
            |state: StateName| metrics::counter!("openclaw_task_transitions_total", "state" => state.as_str());
        let transitions = self.transitions.get_or_init(|| StateName::ALL.map(counter));
        if let Some(counter) = transitions.get(state as usize) {
            counter.increment(1);
        }
        if self.notices.are_heard() {
            let at = self.clock.now();
            self.notices.tell(TaskNotice { id, owner: owner.clone(), session: session.clone(), state, attempt, at });
        }
    }

    /// Remembers whether the disk takes writes.
    pub(crate) fn noted<T>(&self, written: Result<T, StoreError>) -> Result<T, StoreError> {
        match &written {
            Ok(_) => self.disk_full.store(false, Ordering::Relaxed),
            Err(StoreError::Full) => self.disk_full.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        written
    }
}

//! How the gateway is, as both doors show it; `devices` who may come in.

pub(crate) mod audit;
pub(crate) mod devices;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use claw_app::health::Snapshot;
use claw_app::{BreakerState, Counts, Depth, GateState, Lateness, Position, Session, Stats};
use claw_core::{Lane, Principal, Scope, Timestamp, Visibility};
use claw_wire::ws::frame;
use claw_wire::ws::gateway::{
    AgentHealth, AgentHeartbeat, EventLoop, ExecutorHealth, GatewayStatus, Health, Heartbeat, HeartbeatStatus,
    ModelDefaults, ProviderHealth, QueueStatus, SessionsHealth, SessionsStatus, Status, StatusSession, TaskCounts,
    WorkersStatus,
};
use serde_json::value::RawValue;

use crate::doors::Doors;
use crate::error::millis;
use crate::limits::RECENT_MAX;

/// The default model and its context.
pub(crate) fn defaults(doors: &Doors) -> ModelDefaults {
    let model = doors.app.models.default_model();
    ModelDefaults::of(model.as_deref(), context_of(doors, model.as_deref()))
}

/// How much a model reads at once, as far as its provider says.
fn context_of(doors: &Doors, model: Option<&str>) -> Option<u32> {
    let (provider, name) = model?.split_once('/')?;
    let known = doors.app.models.list();
    known.into_iter().find(|(id, info)| id == provider && info.name == name).and_then(|(_, info)| info.context_tokens)
}

/// What a caller may see of the gateway: the operator and admins everything, tenants what is their own (G13).
struct Sight {
    oversees: bool,
    counts: Counts,
    /// Where state lies.
    path: String,
}

impl Sight {
    async fn of(doors: &Doors, principal: &Principal, snapshot: &Snapshot) -> Self {
        let oversees = oversees(principal);
        let counts = if oversees { snapshot.counts } else { doors.app.health.counts(principal).await };
        Self { oversees, counts: counts.unwrap_or_default(), path: state_dir(doors, principal) }
    }

    /// What only overseers are told.
    fn overview<T: Default>(&self, told: T) -> T {
        if self.oversees { told } else { T::default() }
    }
}

fn oversees(principal: &Principal) -> bool {
    principal.visibility() == Visibility::All || principal.scopes.allows(Scope::Admin)
}

/// Where state lies, as a caller may know it.
pub(crate) fn state_dir(doors: &Doors, principal: &Principal) -> String {
    if oversees(principal) { doors.settings.state_dir.clone() } else { String::new() }
}

/// `health` for a caller, as JSON: overseers share one look a second.
pub(crate) async fn health_for(doors: &Doors, principal: &Principal, is_probe: bool) -> Arc<RawValue> {
    if oversees(principal) {
        return doors.pulse.health(doors, is_probe).await;
    }
    let text = frame::to_json(&health(doors, principal).await);
    RawValue::from_string(text).expect("what was just written is JSON").into()
}

/// `health` as `principal` may see it, taken now.
pub(crate) async fn health(doors: &Doors, principal: &Principal) -> Health {
    let began = tokio::time::Instant::now();
    let snapshot = doors.app.health.snapshot().await;
    let sight = Sight::of(doors, principal, &snapshot).await;
    let default_agent = doors.app.models.default_agent();
    let sessions = |count| SessionsHealth { path: sight.path.clone(), count, recent: Vec::new() };
    let mut agents = Vec::new();
    for agent in doors.app.models.agents(principal) {
        let count = doors.app.sessions.count(principal, &agent.id).await.unwrap_or_default();
        agents.push(AgentHealth {
            is_default: agent.id == default_agent,
            agent_id: agent.id.to_string(),
            heartbeat: Heartbeat::NONE,
            sessions: sessions(count),
        });
    }
    Health {
        ok: snapshot.failing.is_empty(),
        ts: snapshot.at.millis(),
        duration_ms: millis(began.elapsed()),
        version: doors.settings.version.clone(),
        uptime_ms: millis(snapshot.uptime),
        channels: BTreeMap::new(),
        channel_order: Vec::new(),
        channel_labels: BTreeMap::new(),
        heartbeat_seconds: 0,
        default_agent_id: default_agent.to_string(),
        agents,
        sessions: sessions(sight.counts.sessions),
        tasks: counts(sight.counts),
        queue: sight.overview(queue(&snapshot)),
        workers: sight.overview(snapshot.workers.map(workers)),
        event_loop: sight.overview(Some(event_loop(snapshot.lateness))),
        failing: snapshot.failing,
        providers: sight.overview(snapshot.breakers.into_iter().map(provider).collect()),
        executors: sight.overview(snapshot.executors.into_iter().map(executor).collect()),
    }
}

fn executor(state: GateState) -> ExecutorHealth {
    let GateState { executor, running, open, concurrent_max, wait } = state;
    ExecutorHealth { id: executor, running, limit: open, max_concurrent: concurrent_max, wait_ms: wait.map(millis) }
}

fn provider(state: BreakerState) -> ProviderHealth {
    let BreakerState { provider, key, model, position, cause } = state;
    let (breaker, wait_ms) = match position {
        Position::Closed => ("closed", None),
        Position::Open { wait } => ("open", Some(millis(wait))),
        Position::HalfOpen => ("half_open", None),
    };
    ProviderHealth { model: format!("{provider}/{model}"), key, breaker, wait_ms, cause }
}

/// `status`, as `principal` may see it.
pub(crate) async fn status(doors: &Doors, principal: &Principal) -> Status {
    let snapshot = doors.app.health.snapshot().await;
    let sight = Sight::of(doors, principal, &snapshot).await;
    let default_agent = doors.app.models.default_agent();
    let agents = doors.app.models.agents(principal).into_iter().map(|agent| AgentHeartbeat {
        agent_id: agent.id.to_string(),
        enabled: false,
        every: Heartbeat::NONE.every,
        every_ms: None,
    });
    Status {
        status: if snapshot.failing.is_empty() { "ok" } else { "degraded" },
        version: doors.settings.version.clone(),
        uptime: snapshot.uptime.as_secs(),
        gateway: GatewayStatus {
            port: doors.port.load(Ordering::Relaxed),
            bind: doors.settings.bind.clone(),
            auth: doors.gate.mode(),
            connections: sight.overview(Some(doors.sockets.load(Ordering::Relaxed))),
            accepting: !doors.app.health.is_draining(),
        },
        channels: BTreeMap::new(),
        runtime_version: doors.settings.version.clone(),
        heartbeat: HeartbeatStatus { default_agent_id: default_agent.to_string(), agents: agents.collect() },
        channel_summary: Vec::new(),
        queued_system_events: sight.overview(doors.stage.remembered()),
        tasks: counts(sight.counts).into(),
        sessions: SessionsStatus {
            paths: sight.overview(vec![sight.path.clone()]),
            count: sight.counts.sessions,
            defaults: defaults(doors),
            recent: recent(doors, principal).await,
            by_agent: Vec::new(),
        },
        queue: sight.overview(queue(&snapshot)),
        workers: sight.overview(snapshot.workers.map(workers)),
        models: doors.app.models.list().iter().map(|(provider, model)| format!("{provider}/{}", model.name)).collect(),
        event_loop: sight.overview(Some(event_loop(snapshot.lateness))),
    }
}

/// The caller's last conversations; none when they cannot be read, which the rest of the answer says.
async fn recent(doors: &Doors, principal: &Principal) -> Vec<StatusSession> {
    let now = doors.app.now();
    let sessions = doors.app.sessions.recent(principal, RECENT_MAX).await.unwrap_or_default();
    let shown = |session: Session| StatusSession {
        agent_id: session.agent.to_string(),
        key: session.key.to_string(),
        kind: "direct",
        updated_at: session.updated_at.millis(),
        age: millis(now.since(session.updated_at)),
        input_tokens: session.usage.input_tokens,
        output_tokens: session.usage.output_tokens,
        total_tokens: session.usage.total(),
        context_tokens: context_of(doors, session.model.as_deref()),
        model: ModelDefaults::of(session.model.as_deref(), None).model,
        flags: [],
    };
    sessions.into_iter().map(shown).collect()
}

fn queue(snapshot: &Snapshot) -> Option<QueueStatus> {
    let Depth { due, delayed, claimed } = snapshot.queue?;
    Some(QueueStatus { lanes: by_lane(due), delayed, claimed, oldest_queued_ms: snapshot.oldest_queued.map(millis) })
}

/// How late the process is, in the stock words.
fn event_loop(lateness: Lateness) -> EventLoop {
    let Lateness { p99, max, late_since } = lateness;
    EventLoop {
        degraded: late_since.is_some(),
        degraded_since_ms: late_since.map(Timestamp::millis),
        reasons: late_since.map(|_| "event_loop_delay").into_iter().collect(),
        interval_ms: millis(claw_app::limits::LAG_EVERY),
        delay_p99_ms: millis(p99),
        delay_max_ms: millis(max),
    }
}

fn workers(stats: Stats) -> WorkersStatus {
    let Stats { running, capacity, paused: _, panics: _, leases_lost: _ } = stats;
    WorkersStatus { running: by_lane(running), capacity }
}

fn by_lane(counts: [usize; 3]) -> BTreeMap<&'static str, usize> {
    Lane::ALL.into_iter().map(Lane::as_str).zip(counts).collect()
}

fn counts(counts: Counts) -> TaskCounts {
    let Counts { queued, running, completed, failed, cancelled, sessions: _ } = counts;
    TaskCounts { queued, running, completed, failed, cancelled }
}

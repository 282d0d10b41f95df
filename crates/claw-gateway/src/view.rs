//! How the gateway is, as both doors show it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use claw_app::health::Snapshot;
use claw_app::{Depth, Stats};
use claw_core::Lane;
use claw_wire::ws::gateway::{
    AgentHealth, AgentHeartbeat, GatewayStatus, Health, Heartbeat, HeartbeatStatus, ModelDefaults, QueueStatus,
    SessionsHealth, SessionsStatus, Status, TaskCounts, WorkersStatus,
};

use crate::doors::Doors;
use crate::error::millis;

/// The default model and its context.
pub(crate) fn defaults(doors: &Doors) -> ModelDefaults {
    let model = doors.app.models.default_model();
    let known = doors.app.models.list();
    let context = known.iter().find(|(provider, info)| model.as_deref() == Some(&format!("{provider}/{}", info.name)));
    ModelDefaults::of(model.as_deref(), context.and_then(|(_, info)| info.context_tokens))
}

/// `health`.
pub(crate) async fn health(doors: &Doors) -> Health {
    let began = tokio::time::Instant::now();
    let snapshot = doors.app.health.snapshot().await;
    let default_agent = doors.app.models.default_agent();
    let sessions = SessionsHealth {
        path: doors.settings.state_dir.clone(),
        count: snapshot.counts.map_or(0, |counts| counts.sessions),
        recent: Vec::new(),
    };
    let agents = doors.app.models.agents().into_iter().map(|agent| AgentHealth {
        is_default: agent.id == default_agent,
        agent_id: agent.id.to_string(),
        heartbeat: Heartbeat::NONE,
        sessions: sessions.clone(),
    });
    Health {
        ok: snapshot.failing.is_empty(),
        ts: snapshot.at.millis(),
        duration_ms: millis(began.elapsed()),
        channels: BTreeMap::new(),
        channel_order: Vec::new(),
        channel_labels: BTreeMap::new(),
        heartbeat_seconds: 0,
        default_agent_id: default_agent.to_string(),
        agents: agents.collect(),
        sessions,
        tasks: counts(&snapshot),
    }
}

/// `status`.
pub(crate) async fn status(doors: &Doors) -> Status {
    let snapshot = doors.app.health.snapshot().await;
    let default_agent = doors.app.models.default_agent();
    let agents = doors.app.models.agents().into_iter().map(|agent| AgentHeartbeat {
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
            connections: doors.sockets.load(Ordering::Relaxed),
            accepting: !doors.app.health.is_draining(),
        },
        channels: BTreeMap::new(),
        runtime_version: doors.settings.version.clone(),
        heartbeat: HeartbeatStatus { default_agent_id: default_agent.to_string(), agents: agents.collect() },
        channel_summary: Vec::new(),
        queued_system_events: Vec::new(),
        tasks: counts(&snapshot).into(),
        sessions: SessionsStatus {
            paths: vec![doors.settings.state_dir.clone()],
            count: snapshot.counts.map_or(0, |counts| counts.sessions),
            defaults: defaults(doors),
            recent: Vec::new(),
            by_agent: Vec::new(),
        },
        queue: queue(&snapshot),
        workers: snapshot.workers.map(workers),
        models: doors.app.models.list().iter().map(|(provider, model)| format!("{provider}/{}", model.name)).collect(),
    }
}

fn queue(snapshot: &Snapshot) -> Option<QueueStatus> {
    let Depth { due, delayed, claimed } = snapshot.queue?;
    Some(QueueStatus { lanes: by_lane(due), delayed, claimed, oldest_queued_ms: snapshot.oldest_queued.map(millis) })
}

fn workers(stats: Stats) -> WorkersStatus {
    let Stats { running, capacity, paused: _, panics: _, leases_lost: _ } = stats;
    WorkersStatus { running: by_lane(running), capacity }
}

fn by_lane(counts: [usize; 3]) -> BTreeMap<&'static str, usize> {
    Lane::ALL.into_iter().map(Lane::as_str).zip(counts).collect()
}

fn counts(snapshot: &Snapshot) -> TaskCounts {
    snapshot.counts.map_or_else(TaskCounts::default, |counts| TaskCounts {
        queued: counts.queued,
        running: counts.running,
        completed: counts.completed,
        failed: counts.failed,
        cancelled: counts.cancelled,
    })
}

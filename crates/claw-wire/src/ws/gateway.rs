//! How the gateway is: `health`, `status`, `tick`, `shutdown`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `health`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct HealthParams {
    /// Whether to look now, instead of showing what was seen a moment ago.
    pub probe: Option<bool>,
}

/// The answer to `health`, also an event and part of `hello-ok`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Health {
    pub ok: bool,
    /// When this was seen.
    pub ts: i64,
    pub duration_ms: u64,
    pub version: String,
    pub uptime_ms: u64,
    /// What keeps the gateway from taking work, as `/readyz` names it.
    pub failing: Vec<&'static str>,
    pub channels: BTreeMap<String, String>,
    pub channel_order: Vec<String>,
    pub channel_labels: BTreeMap<String, String>,
    pub heartbeat_seconds: u64,
    pub default_agent_id: String,
    pub agents: Vec<AgentHealth>,
    pub sessions: SessionsHealth,
    pub tasks: TaskCounts,
    /// Null when the queue does not answer, and for whoever sees only its own.
    pub queue: Option<QueueStatus>,
    /// Null before they started, and for whoever sees only its own.
    pub workers: Option<WorkersStatus>,
    /// Left out for whoever sees only its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_loop: Option<EventLoop>,
    /// Providers that have failed lately; left out while all is well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderHealth>,
    /// Other gateways that carry out runs; left out until one has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executors: Vec<ExecutorHealth>,
}

/// Another gateway that carries out runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorHealth {
    /// Its name.
    pub id: String,
    /// Runs that are on there.
    pub running: usize,
    /// How many it is believed to take at once.
    pub limit: usize,
    /// How many it may be given at all.
    pub max_concurrent: usize,
    /// How long it wants to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// A provider that has failed lately: one model asked with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderHealth {
    /// `<provider>/<model>`.
    pub model: String,
    /// Which of the provider's keys, from 1.
    pub key: usize,
    /// `closed` (it is asked), `open` (it is not) or `half_open` (the next question finds out).
    pub breaker: &'static str,
    /// How long it stays open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// The newest failure.
    pub cause: String,
}

/// How late the process was in the last minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct EventLoop {
    pub degraded: bool,
    pub degraded_since_ms: Option<i64>,
    /// `event_loop_delay`, or nothing.
    pub reasons: Vec<&'static str>,
    /// How often it is measured.
    pub interval_ms: u64,
    pub delay_p99_ms: u64,
    pub delay_max_ms: u64,
}

/// One agent inside [`Health`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct AgentHealth {
    pub agent_id: String,
    pub is_default: bool,
    pub heartbeat: Heartbeat,
    pub sessions: SessionsHealth,
}

/// Heartbeats of an agent; there are none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Heartbeat {
    pub enabled: bool,
    pub every: &'static str,
    pub every_ms: Option<u64>,
    pub prompt: &'static str,
    pub target: &'static str,
    pub ack_max_chars: u32,
}

impl Heartbeat {
    /// No heartbeat.
    pub const NONE: Self =
        Self { enabled: false, every: "disabled", every_ms: None, prompt: "", target: "none", ack_max_chars: 300 };
}

/// Conversations inside [`Health`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SessionsHealth {
    pub path: String,
    pub count: u64,
    pub recent: Vec<RecentSession>,
}

/// A conversation in which something happened lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct RecentSession {
    pub key: String,
    pub updated_at: i64,
    pub age: i64,
}

/// How many tasks there are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the fields are states")]
pub struct TaskCounts {
    pub queued: u64,
    pub running: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
}

/// The answer to `status` and to `GET /status`: C22's fields and the stock ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Status {
    pub status: &'static str,
    pub version: String,
    /// Seconds.
    pub uptime: u64,
    pub gateway: GatewayStatus,
    pub channels: BTreeMap<String, String>,
    pub runtime_version: String,
    pub heartbeat: HeartbeatStatus,
    pub channel_summary: Vec<String>,
    pub queued_system_events: Vec<String>,
    pub tasks: TasksStatus,
    pub sessions: SessionsStatus,
    /// Null when the queue does not answer, and for whoever sees only its own.
    pub queue: Option<QueueStatus>,
    /// Null before they started, and for whoever sees only its own.
    pub workers: Option<WorkersStatus>,
    /// Every known model as `<provider>/<model>`.
    pub models: Vec<String>,
    /// Left out for whoever sees only its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_loop: Option<EventLoop>,
}

/// What waits, inside [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// Due now, by lane.
    pub lanes: BTreeMap<&'static str, usize>,
    /// Due later, or behind another of their session.
    pub delayed: usize,
    /// In workers' hands.
    pub claimed: usize,
    /// How long the oldest waiting task waits.
    pub oldest_queued_ms: Option<u64>,
}

/// What runs, inside [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkersStatus {
    /// Running now, by lane.
    pub running: BTreeMap<&'static str, usize>,
    /// At most.
    pub capacity: usize,
}

/// Where the gateway listens (C22).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// The port.
    pub port: u16,
    /// The address.
    pub bind: String,
    /// `token`, `password` or `none`.
    pub auth: &'static str,
    /// How many sockets are open; left out for whoever sees only its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<usize>,
    /// Whether it takes new work.
    pub accepting: bool,
}

/// Heartbeats inside [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct HeartbeatStatus {
    pub default_agent_id: String,
    pub agents: Vec<AgentHeartbeat>,
}

/// One agent's heartbeat inside [`HeartbeatStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct AgentHeartbeat {
    pub agent_id: String,
    pub enabled: bool,
    pub every: &'static str,
    pub every_ms: Option<u64>,
}

/// Tasks inside [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TasksStatus {
    pub total: u64,
    pub active: u64,
    pub terminal: u64,
    pub failures: u64,
    pub by_status: ByStatus,
}

/// Tasks by their state, in our words and in the stock ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are states")]
pub struct ByStatus {
    pub queued: u64,
    pub running: u64,
    pub completed: u64,
    /// The stock word for completed.
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
}

impl From<TaskCounts> for TasksStatus {
    fn from(counts: TaskCounts) -> Self {
        let TaskCounts { queued, running, completed, failed, cancelled } = counts;
        let by_status = ByStatus { queued, running, completed, succeeded: completed, failed, cancelled };
        let (active, terminal) = (queued + running, completed + failed + cancelled);
        Self { total: active + terminal, active, terminal, failures: failed, by_status }
    }
}

/// Conversations inside [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SessionsStatus {
    pub paths: Vec<String>,
    pub count: u64,
    pub defaults: ModelDefaults,
    /// The caller's own, last changed first.
    pub recent: Vec<StatusSession>,
    pub by_agent: Vec<String>,
}

/// A conversation inside [`SessionsStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct StatusSession {
    pub agent_id: String,
    pub key: String,
    pub kind: &'static str,
    pub updated_at: i64,
    /// Milliseconds since then.
    pub age: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    pub model: Option<String>,
    pub context_tokens: Option<u32>,
    pub flags: [super::none::Never; 0],
}

/// What answers when nothing else is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ModelDefaults {
    pub model_provider: Option<String>,
    pub model: Option<String>,
    pub context_tokens: Option<u32>,
}

impl ModelDefaults {
    /// From `<provider>/<model>`.
    pub fn of(model: Option<&str>, context_tokens: Option<u32>) -> Self {
        let (provider, name) = match model.map(|model| model.split_once('/').unwrap_or(("", model))) {
            Some((provider, name)) => {
                (Some(provider.to_owned()).filter(|name| !name.is_empty()), Some(name.to_owned()))
            }
            None => (None, None),
        };
        Self { model_provider: provider, model: name, context_tokens }
    }
}

/// The event `tick`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Tick {
    pub ts: i64,
}

/// The event `shutdown`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Shutdown<'a> {
    pub reason: &'a str,
    pub restart_expected_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let counts = TaskCounts { queued: 1, running: 2, completed: 3, failed: 4, cancelled: 5 };
        let status = TasksStatus::from(counts);
        assert_eq!((status.total, status.active, status.terminal, status.failures), (15, 3, 12, 4));
    }

    #[test]
    fn a_default_model_is_split_at_its_first_slash() {
        let defaults = ModelDefaults::of(Some("router/org/name"), Some(5));
        assert_eq!((defaults.model_provider.as_deref(), defaults.model.as_deref()), (Some("router"), Some("org/name")));
        assert_eq!(ModelDefaults::of(Some("bare"), None).model_provider, None);
    }
}

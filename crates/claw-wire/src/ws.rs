//! The WebSocket's wire: frames, the handshake, each method's parameters and answer; dialect B, and
//! what is C's own.
//!
//! Shapes satisfy the contracts and the stock clients of protocols 3 and 4 at once: where they
//! differ, the answer is a superset.
//!
//! - [`frame`] requests, answers and events; [`connect`] the handshake
//! - [`notice`] what is told unasked, in both dialects; [`dialect_c`] the API reference's frames
//! - [`agent`] runs and their events; [`sessions`] conversations; [`tasks`] durable work
//! - [`gateway`] health, status, tick, shutdown; [`system`] presence, system events, heartbeats;
//!   [`logs`] the log's tail; [`keys`] API keys; [`memory`] what agents remember; [`devices`] machines with a key of their own
//! - [`agents`] and [`tools`] what can be asked; [`session`] conversations in the contracts' words
//! - [`channels`], [`browser`], [`none`] what does not exist yet, told truthfully
//! - [`config`] the configuration; [`models`] what can be asked
//! - [`EVENTS`] the events that exist

pub mod agent;
pub mod agents;
pub mod approvals;
pub mod browser;
pub mod channels;
pub mod config;
pub mod connect;
pub mod devices;
pub mod dialect_c;
pub mod frame;
pub mod gateway;
pub mod keys;
pub mod logs;
pub mod memory;
pub mod models;
pub mod none;
pub mod notice;
pub mod session;
pub mod sessions;
pub mod skills;
pub mod system;
pub mod tasks;
pub mod tools;
pub mod usage;

/// What `hello-ok` announces beside methods and events: `models.list` takes a provider and a view and
/// tells what is available, without which new clients do not call it.
pub const FEATURES: &[&str] = &["published-model-catalog"];

/// The events a connection may hear, as `hello-ok` announces them.
pub const EVENTS: &[&str] = &[
    "connect.challenge",
    "agent",
    "chat",
    "task",
    "task.event",
    "sessions.changed",
    "presence",
    "health",
    "heartbeat",
    "exec.approval.requested",
    "exec.approval.resolved",
    "device.pair.requested",
    "device.pair.resolved",
    "tick",
    "shutdown",
];

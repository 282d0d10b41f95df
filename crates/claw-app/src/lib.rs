//! The use cases, free of transport: what a door can ask for, and who may.
//!
//! [`App::start`] recovers what a dead process left, rebuilds the queue in the background and
//! starts the workers. Doors hold an [`App`] and call its verbs:
//!
//! - [`chat`] a run for a caller on the line; [`tasks`] runs that outlive their caller
//! - [`sessions`] conversations; [`usage`] what was used; [`models`] what can be asked; [`keys`] API keys
//! - [`approvals`] what runs want to do and somebody has to allow; [`audit`] what is written down for good
//! - [`devices`] machines that prove themselves by a key, and their tokens
//! - [`memory`] what agents remember; [`strangers`] files with strangers' words
//! - [`limiter`] how much a key may have generated; `admission` asks it
//! - [`config`] the configuration, without its secrets
//! - [`health`] how it goes; [`notice`] what changes, as it changes
//! - `lobby` where tasks wait for room at another gateway
//! - `compaction` retells the older part of conversations that grow too long
//! - `jobs` what the workers do; `sweep` finds work that lost its ticket
//! - `conversations` what runs do in other conversations by tools
//! - `deliveries` tells callbacks that their task has ended
//!
//! Knows no HTTP, no JSON and no concrete backend.

mod addresses;
mod admission;
pub mod approvals;
pub mod audit;
pub mod chat;
mod compaction;
pub mod config;
mod conversations;
mod deliveries;
pub mod devices;
mod engine;
mod error;
pub mod health;
mod jobs;
pub mod keys;
mod lag;
pub mod limiter;
pub mod limits;
mod lobby;
pub mod memory;
pub mod models;
pub mod notice;
pub mod sessions;
pub mod strangers;
mod sweep;
pub mod tasks;
pub mod usage;

// What the verbs take and give; doors know this crate and none below it.
pub use approvals::ApprovalNotice;
pub use claw_agent::{AgentProfile, BreakerState, EventReader, GateState, Invoked, Position};
pub use claw_queue::Depth;
pub use claw_queue::worker::Stats;
pub use claw_store::{
    ApiKey, AuditFilter, Change, Counts, Cursor, Ends, Idempotency, ModelUsed, Page, PageStart, Profile, RunRecord,
    Session, SessionFilter, SessionPage, StoredMessage, TaskFilter, UsageDay,
};
pub use compaction::Compaction;
pub use deliveries::Callbacks;
pub use engine::{App, Live, Parts, Settings};
pub use error::Error;
pub use lag::Lateness;
pub use notice::{SessionNotice, SessionNoticeKind, TaskNotice};

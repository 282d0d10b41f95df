//! The agent: runs one attempt of a task to its end.
//!
//! Path of data: `StartedRun` (from the store) → [`Agent::prepare`], [`Attempt::run`] → the turn loop (`turn`) asks a
//! model, runs tools under their journal (`journal`), and hands every event to the recorder
//! (`recorder`), which numbers it, shows it to live readers ([`hub`]) and stores it in pages →
//! `Store::finish`, guarded by the attempt.
//!
//! - [`executors`] other gateways that carry out whole runs
//! - [`catalog`] which provider has which model; agents and their defaults
//! - [`hub`] readers of runs, live or stored, from any number on
//! - [`sessions`] who is running now, and how to stop them
//! - [`tools`] the built-in tools; [`Meter`] the port to whoever counts what is used
//!
//! Knows providers and tools by their ports, no queue, no door.

mod agent;
mod breaker;
pub mod catalog;
mod embed;
mod equipment;
pub mod executors;
pub mod hub;
mod journal;
pub mod limits;
mod meter;
mod past;
mod recorder;
mod retell;
pub mod sessions;
pub mod tools;
mod turn;

pub use agent::{Agent, Attempt, Invoked, Parts, RunEnd};
pub use breaker::Position;
pub use catalog::{AgentProfile, BreakerState, Catalog, UnknownModel};
pub use embed::NotEmbedded;
pub use executors::{Continuation, Executor, GateState, Gates};
pub use hub::{EventReader, Hub};
pub use meter::Meter;
pub use retell::{Older, Retold};
pub use sessions::{Place, StopReason};

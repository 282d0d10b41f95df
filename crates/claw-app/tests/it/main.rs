//! The engine through its public verbs: real SQLite, a real HTTP upstream that follows a script,
//! a fake wall clock.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod approvals;
mod briefing;
mod chat;
mod compaction;
mod deliveries;
mod executors;
mod failover;
mod house;
mod limits;
mod media;
mod memory;
mod mixed;
mod open_calls;
mod recovery;
mod rounds;
mod sink;
mod standing;
mod steering;
mod strangers;
mod talk;
mod tasks;
mod thoughts;
mod tools;

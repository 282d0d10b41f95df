//! The engine through its public verbs: real SQLite, a real HTTP upstream that follows a script,
//! a fake wall clock.

mod chat;
mod house;
mod recovery;
mod tasks;

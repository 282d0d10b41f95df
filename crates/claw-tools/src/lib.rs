//! What agents can do, each tool inside its limits.
//!
//! A model is assumed hostile: it obeys whoever wrote the page it has just read. So no tool trusts
//! its arguments. They are checked against the tool's schema first (`arguments`); files are
//! reached through a handle to the workspace that no path leads out of ([`workspace`]).
//!
//! - [`files`] read, write, edit, apply_patch, ls, grep, find
//! - [`exec`] commands, inside the [`sandbox`]
//! - [`web`] pages, through the guard that refuses addresses inside
//! - [`briefing`] the files of a workspace that an agent knows
//! - [`memory`] what an agent remembers; [`notes`] what of it lies in files
//! - `room` how much may lie in the workspaces of API keys
//! - [`limits`] every written limit
//!
//! Knows no store, no queue, no provider and no door. Who may use which tool is decided in
//! `claw_core::permission`, before a call arrives here.

mod arguments;
pub mod briefing;
pub mod exec;
pub mod files;
pub mod limits;
pub mod memory;
pub mod notes;
mod room;
pub mod sandbox;
pub mod web;
pub mod workspace;

pub use room::Rooms;
pub use workspace::Workspaces;

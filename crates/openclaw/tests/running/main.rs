//! A real gateway process whose configuration changes while it runs.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod approvals;
mod audit;
mod config;
mod hostile;
mod house;
mod obedient;
mod outside;
mod paper;
mod reload;
mod resume;
mod secrets;
mod skills;
mod surface;
mod system;
mod tools;
mod trust;

//! The API reference's routes (C23–C27).
//!
//! - [`agent`] runs of an agent

pub mod agent;

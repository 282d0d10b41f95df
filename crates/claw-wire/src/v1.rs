//! The API reference's routes (C23–C27).
//!
//! - [`agent`] runs of an agent; [`tool`] one call of one tool

pub mod agent;
pub mod tool;

//! The REST surface `/v2`.
//!
//! - [`task`] what is submitted and how a task is shown; [`event`] what happens in it

pub mod event;
pub mod task;

//! The REST surface `/v2`.
//!
//! - [`task`] what is submitted and how a task is shown; [`event`] what happens in it
//! - [`approval`] calls that somebody has to allow; [`audit`] what is written down for good
//! - [`delivery`] what a callback says of its end

pub mod approval;
pub mod audit;
pub mod delivery;
pub mod event;
pub mod task;

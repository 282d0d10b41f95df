//! What tests are made with, and nothing the product uses.
//!
//! - [`upstream`] a model server on port 0 that does what a script says
//! - [`process`] a real gateway as a process: started, called, killed
//! - [`clock`] a fake clock and seeded ids

pub mod clock;
pub mod process;
pub mod upstream;

pub use clock::{FakeClock, SeededIds};
pub use upstream::{Gate, Reply, Upstream};

//! What tests are made with, and nothing the product uses.
//!
//! - [`upstream`] a model server on port 0 that does what a script says
//! - [`v1_gateway`] an OpenClaw gateway of the first generation, as far as its chat completions go
//! - [`process`] a real gateway as a process: started, called, killed
//! - [`ws_client`] a WebSocket client that says what it saw
//! - [`device`] a device that signs its `connect`
//! - [`clock`] a fake clock and seeded ids

pub mod clock;
pub mod device;
pub mod process;
pub mod upstream;
pub mod v1_gateway;
pub mod ws_client;

pub use clock::{FakeClock, SeededIds};
pub use upstream::{Gate, Reply, Upstream};
pub use v1_gateway::V1Gateway;
pub use ws_client::WsClient;

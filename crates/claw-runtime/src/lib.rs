//! What a running process is made of: scopes that own every spawned future, the system's
//! clock and randomness behind their ports, and the failpoints of crash tests.
//!
//! The only place that may call `tokio::spawn`, `SystemTime::now` and `Uuid::now_v7`.

pub mod failpoint;
mod scope;
mod system;

pub use scope::TaskScope;
pub use system::{SystemClock, SystemIds};

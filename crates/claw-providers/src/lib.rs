//! Sources of model output, each behind the port `claw_core::provider::Provider`.
//!
//! A provider turns a `ModelRequest` into its vendor's wire shape, sends it through the one HTTP
//! client, and turns what comes back into `ModelEvent`s. The wire shapes stay private to it.
//! This crate knows no sessions, no tools' code and no doors, and it never retries: whoever
//! asked sees every failure and decides.
//!
//! - [`openai`] chat completions of any server that speaks OpenAI's protocol
//! - [`presets`] settings of well-known servers

pub mod openai;
pub mod presets;
mod redact;

pub use openai::{BadSettings, OpenAi};

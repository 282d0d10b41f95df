//! The one HTTP client of the house, and what is built on it.
//!
//! Nobody else may depend on an HTTP client, so limits, phases and the refusal to follow
//! redirects with a key are decided here once. This crate knows no models and no doors.
//!
//! - [`client`] sends a request; [`response`] reads its answer
//! - [`egress`] carries letters to addresses that strangers name
//! - [`sse`] turns bytes into server-sent events and events into bytes
//! - [`retry_after`](mod@retry_after) when a server wants to be asked again
//! - [`download`] fetches one large file, resumable and verified

pub mod client;
pub mod download;
pub mod egress;
pub mod response;
pub mod retry_after;
pub mod sse;
mod tls;

pub use client::{Error, HttpClient, Phase, Request, RequestBody, Settings};
pub use response::Response;
pub use retry_after::retry_after;
pub use tls::install_crypto;

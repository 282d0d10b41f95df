//! Every outside contract as serde types, and their conversion to and from the core's words.
//!
//! No I/O: bytes or text in, values out, and back. A request goes: bytes → [`json::from_slice`]
//! (depth and shape) → `TryFrom` (ranges and meaning) → core types; what cannot be converted is a
//! [`BadRequest`] that names the field. Answers are borrowed views of core types that serialise.
//!
//! Wire types are dumb on purpose: everything optional, nothing checked. Only their conversions know
//! rules. This crate refuses to know sockets, headers and who is asking.
//!
//! - [`json`] reading JSON within limits; [`error`] what is said when a request fails
//! - [`openai`] chat completions and models, as OpenAI's clients speak them
//! - [`v1`] the API reference's runs of an agent
//! - [`v2`] tasks over REST
//! - [`target`] which agent and conversation is meant
//! - [`ws`] frames and methods of the WebSocket, dialect B

pub mod error;
pub mod hooks;
pub mod json;
pub mod limits;
pub mod openai;
pub mod target;
pub mod v1;
pub mod v2;
pub mod ws;

pub use error::BadRequest;

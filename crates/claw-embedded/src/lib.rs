//! The default model, in process: an answer without a key, a network or another program.
//!
//! The path of a request: `provider` (the port) → `engine` (one thread, one bounded queue, loads
//! on first use, unloads when idle) → `llama` (llama.cpp; only with the Cargo feature of that name)
//! → text pieces back through a channel. Beside it `models` keeps the model files: what there is,
//! where it comes from, whether it is intact.
//!
//! Without the feature `llama` everything compiles and `models` works; the engine answers
//! [`EngineError::NotBuilt`].
//!
//! - [`settings`]: what the configuration file may say.
//! - [`models`]: catalogue, pull, list, remove.
//! - [`provider`]: the port to the rest of the house.
//! - [`engine`]: the handle, the queue and the thread.
//! - `message`: what is said to the model.
//! - `chat`: which messages fit, and how they become a prompt.
//! - `text`: bytes of tokens to text, stop strings.
//! - `llama`: llama.cpp behind the engine's `Backend`.

#[cfg(any(feature = "llama", test))]
mod chat;
pub mod engine;
#[cfg(feature = "llama")]
mod llama;
mod message;
pub mod models;
pub mod provider;
pub mod settings;
#[cfg(any(feature = "llama", test))]
mod text;

pub use engine::{Engine, EngineError};
pub use message::{Message, Role};
pub use provider::EmbeddedProvider;
pub use settings::Settings;

//! OpenAI's wire, as its own clients speak it.
//!
//! - [`chat`] the request; [`completion`] the whole answer; [`chunk`] the streamed one
//! - [`responses`] the other way to ask, with answers that can be looked at again
//! - [`kept`] what a model's server wants back, in its client's keeping
//! - [`embeddings`] texts as vectors
//! - [`model`] the list of models, and the spellings by which `model` selects an agent (K11)

pub mod chat;
pub(crate) mod checks;
pub mod chunk;
pub mod completion;
pub mod embeddings;
pub mod kept;
pub mod model;
pub mod responses;

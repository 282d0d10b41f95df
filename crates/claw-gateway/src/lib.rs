//! The doors: one port for HTTP and WebSocket.
//!
//! Path of a request: [`serve()`] takes a connection under a permit → `http::front` (request id, span,
//! host, origin) → the router → the caller (one authentication function, scope of the route) → body →
//! handler → one verb of the app → `http::render`. A request that no route claims and that wants to
//! become a WebSocket goes to `ws`.
//!
//! Knows the app's verbs and the wire's shapes. Refuses to know stores, queues, providers, files and
//! the environment.
//!
//! - [`settings`] what the composition root says; [`auth`] who may come in
//! - `http` routes; `ws` sockets and methods; `submit`, `view`, `pulse` what both share
//! - `error` one table from refusals to statuses and codes; [`limits`] the written limits

pub mod auth;
mod doors;
mod error;
mod http;
pub mod limits;
mod pulse;
mod serve;
mod sessions;
pub mod settings;
mod submit;
mod view;
mod wake;
mod ws;

pub use http::paths;
pub use serve::serve;
pub use settings::Settings;

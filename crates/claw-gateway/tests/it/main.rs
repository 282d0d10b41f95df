//! The doors through the port: a real listener, real SQLite, a real HTTP upstream that follows a
//! script.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod access;
mod agent_run;
mod approvals;
mod audit;
mod border;
mod chat;
mod devices;
mod dialect_c;
mod embeddings;
mod floods;
mod framing;
mod generation;
mod golden;
mod hooks;
mod house;
mod http;
mod limits;
mod malformed;
mod memory;
mod one_port;
mod operator;
mod paper;
mod plans;
mod raw;
mod reasoning;
mod responses;
mod responses_items;
mod responses_socket;
mod responses_spec;
mod routes;
mod scopes;
mod sessions;
mod sockets;
mod stage;
mod steering;
mod stock;
mod talk;
mod tasks;
mod tenants;
mod websocket;

//! The one HTTP client of the house, and what is built on it.

pub mod download;

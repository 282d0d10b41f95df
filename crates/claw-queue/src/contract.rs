//! The laws of a queue as tests, for every backend.

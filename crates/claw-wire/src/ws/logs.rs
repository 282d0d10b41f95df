//! The log's tail: `logs.tail`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `logs.tail`.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct TailParams {
    pub cursor: Option<u64>,
    pub limit: Option<usize>,
}

/// The answer to `logs.tail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Tail {
    pub file: String,
    /// Where to go on.
    pub cursor: u64,
    pub size: u64,
    pub lines: Vec<String>,
    /// Whether lines before these were left out.
    pub truncated: bool,
    /// Whether the asked cursor is no longer there.
    pub reset: bool,
}

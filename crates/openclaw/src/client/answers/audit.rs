//! What is written down for good, as the commands show it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `audit.list`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AuditPage {
    pub(crate) entries: Vec<AuditEntry>,
    pub(crate) next_cursor: Option<String>,
}

/// One entry.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct AuditEntry {
    pub(crate) n: u64,
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) actor: String,
    pub(crate) door: String,
    pub(crate) subject: String,
    pub(crate) outcome: String,
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) hash: String,
}

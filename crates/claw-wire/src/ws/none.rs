//! What does not exist yet, told in the shapes of the protocol: scheduled jobs, nodes,
//! approvals, slash commands, the browser.
//!
//! [`Never`] has no value, so that nobody can fill one of these lists by accident: whoever builds the
//! thing replaces the type.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::CRON_PAGE_MAX;

/// An entry of a list that is always empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Never {}

/// Parameters of methods that take none; whatever comes is ignored.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct NoParams {}

/// Parameters of `cron.list`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct CronListParams {
    pub include_disabled: Option<bool>,
    pub offset: Option<u64>,
    pub limit: Option<u64>,
}

/// The answer to `cron.list`: clients check that a page is the one they asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct CronList {
    pub jobs: [Never; 0],
    /// Which set of jobs this is a page of; there is only the empty one.
    pub snapshot_revision: &'static str,
    pub total: u64,
    pub offset: u64,
    pub limit: u64,
    pub has_more: bool,
    pub next_offset: Option<u64>,
    pub delivery_previews: BTreeMap<String, Never>,
}

impl CronList {
    /// A page without jobs, as it was asked for.
    pub fn none(params: &CronListParams) -> Self {
        let CronListParams { include_disabled: _, offset, limit } = params;
        Self {
            jobs: [],
            snapshot_revision: "none",
            total: 0,
            offset: offset.unwrap_or(0),
            limit: limit.unwrap_or(CRON_PAGE_MAX).clamp(1, CRON_PAGE_MAX),
            has_more: false,
            next_offset: None,
            delivery_previews: BTreeMap::new(),
        }
    }
}

/// The answer to `node.pair.list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct NodePairs {
    pub pending: [Never; 0],
    pub paired: [Never; 0],
}

impl NodePairs {
    /// None waits, none is paired.
    pub const NONE: Self = Self { pending: [], paired: [] };
}

/// The answer to the lists of approvals that wait: of commands, of plugins, of the gateway's own changes.
pub const NO_APPROVALS: [Never; 0] = [];

/// The answer to `question.list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Questions {
    pub questions: [Never; 0],
}

impl Questions {
    /// No agent waits for an answer.
    pub const NONE: Self = Self { questions: [] };
}

/// The answer to `cron.status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct CronStatus {
    pub enabled: bool,
    pub triggers_enabled: bool,
    /// Empty: there is no such store.
    pub store_path: &'static str,
    pub jobs: u64,
    pub next_wake_at_ms: Option<i64>,
}

/// The answer to `node.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct NodeList {
    pub ts: i64,
    pub nodes: [Never; 0],
}

/// The answer to `commands.list`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct CommandList {
    pub commands: [Never; 0],
}

/// The answer to `exec.approvals.get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Approvals {
    /// Empty: there is no such file.
    pub path: &'static str,
    pub exists: bool,
    /// Of no content.
    pub hash: &'static str,
    pub file: ApprovalsFile,
}

impl Approvals {
    /// There is no file.
    pub const NONE: Self = Self {
        path: "",
        exists: false,
        hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        file: ApprovalsFile { version: 1, defaults: BTreeMap::new(), agents: BTreeMap::new() },
    };
}

/// The file inside [`Approvals`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ApprovalsFile {
    pub version: u8,
    pub defaults: BTreeMap<String, Never>,
    pub agents: BTreeMap<String, Never>,
}

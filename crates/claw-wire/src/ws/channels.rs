//! Channels: `channels.status`, `send`, and the contracts' `channel.list` and `channel.status`.
//!
//! No channel can be configured yet, so these shapes hold empty lists and never a made-up channel.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::none::Never;

/// The answer to `channels.status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChannelsStatus {
    pub ts: i64,
    pub channel_order: [Never; 0],
    pub channel_labels: BTreeMap<String, Never>,
    pub channel_detail_labels: BTreeMap<String, Never>,
    pub channel_system_images: BTreeMap<String, Never>,
    pub channel_meta: [Never; 0],
    pub channels: BTreeMap<String, Never>,
    pub channel_accounts: BTreeMap<String, Never>,
    pub channel_default_account_id: BTreeMap<String, Never>,
    pub status_issues: [Never; 0],
}

impl ChannelsStatus {
    /// None is configured.
    pub const fn none(ts: i64) -> Self {
        Self {
            ts,
            channel_order: [],
            channel_labels: BTreeMap::new(),
            channel_detail_labels: BTreeMap::new(),
            channel_system_images: BTreeMap::new(),
            channel_meta: [],
            channels: BTreeMap::new(),
            channel_accounts: BTreeMap::new(),
            channel_default_account_id: BTreeMap::new(),
            status_issues: [],
        }
    }
}

/// The answer to `channel.list` (C17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelList {
    /// None.
    pub channels: [Never; 0],
}

/// Parameters of `channel.status` (C18).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ChannelParams {
    pub channel_id: String,
}

/// Parameters of `send` (B12).
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SendParams {
    /// Whom, in the channel's own spelling.
    pub to: String,
    pub message: String,
    /// Which channel; the only one when there is one.
    pub channel: Option<String>,
}

//! Devices, as the commands show them.

use serde::Deserialize;

/// `device.pair.list`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DeviceList {
    pub(crate) pending: Vec<Device>,
    pub(crate) paired: Vec<Device>,
}

/// A device that waits or is paired.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Device {
    pub(crate) request_id: String,
    pub(crate) device_id: String,
    display_name: Option<String>,
    platform: Option<String>,
    client_id: Option<String>,
    scopes: Vec<String>,
    pub(crate) ts: i64,
    pub(crate) approved_at_ms: i64,
    pub(crate) last_seen_at_ms: Option<i64>,
    pub(crate) tokens: Vec<DeviceToken>,
}

/// Its token, without the text.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct DeviceToken {
    pub(crate) scopes: Vec<String>,
    pub(crate) revoked_at_ms: Option<i64>,
}

/// `device.token.rotate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RotatedToken {
    pub(crate) device_id: String,
    pub(crate) scopes: Vec<String>,
    /// Shown this once.
    pub(crate) token: String,
}

impl Device {
    /// What it says of itself.
    pub(crate) fn shown(&self) -> String {
        let words = [&self.display_name, &self.client_id, &self.platform];
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        if words.is_empty() { "-".to_owned() } else { words.join(", ") }
    }
    /// What it asks for or was granted.
    pub(crate) fn scopes(&self) -> String {
        short(&self.scopes)
    }
}

/// Scopes without the word they share.
pub(crate) fn short(scopes: &[String]) -> String {
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.strip_prefix("operator.").unwrap_or(scope)).collect();
    if scopes.is_empty() { "nothing".to_owned() } else { scopes.join(",") }
}

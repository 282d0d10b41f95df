//! The gateway as its clients see it together: presence, system events, heartbeats.

use claw_core::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::BadRequest;
use crate::error::Unobeyed;

/// Somebody or something that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct PresenceEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    pub text: String,
    pub ts: i64,
}

impl PresenceEntry {
    /// A text and nothing else.
    pub const fn text(text: String, at: Timestamp) -> Self {
        Self {
            host: None,
            ip: None,
            version: None,
            platform: None,
            device_family: None,
            model_identifier: None,
            mode: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            reason: None,
            device_id: None,
            instance_id: None,
            text,
            ts: at.millis(),
        }
    }
}

/// The event `presence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Presence {
    pub presence: Vec<PresenceEntry>,
}

/// Parameters of `system-event` (B17); programs on other machines announce themselves by it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct EventParams {
    pub text: String,
    pub host: Option<String>,
    pub ip: Option<String>,
    pub mode: Option<String>,
    pub version: Option<String>,
    pub platform: Option<String>,
    pub device_family: Option<String>,
    pub model_identifier: Option<String>,
    pub device_id: Option<String>,
    pub instance_id: Option<String>,
}

/// Longest text of a system event, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// A text that is not blank and not too long.
///
/// # Errors
/// It is; the field is named.
pub fn checked_text(text: &str) -> Result<&str, BadRequest> {
    let text = text.trim();
    if text.is_empty() {
        return Err(BadRequest::of("text", "must be a text that is not empty"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(BadRequest::of("text", format!("must be at most {TEXT_BYTES_MAX} bytes, found {}", text.len())));
    }
    Ok(text)
}

impl EventParams {
    /// The entry it makes.
    ///
    /// # Errors
    /// No text.
    pub fn into_entry(self, at: Timestamp) -> Result<PresenceEntry, BadRequest> {
        let Self { text, host, ip, mode, version, platform, device_family, model_identifier, device_id, instance_id } =
            self;
        let text = checked_text(&text)?.to_owned();
        let short = |value: Option<String>| value.map(|value| value.chars().take(120).collect::<String>());
        Ok(PresenceEntry {
            host: short(host),
            ip: short(ip),
            version: short(version),
            platform: short(platform),
            device_family: short(device_family),
            model_identifier: short(model_identifier),
            mode: short(mode),
            device_id: short(device_id),
            instance_id: short(instance_id),
            ..PresenceEntry::text(text, at)
        })
    }
}

/// `{ok: true}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Done {
    pub ok: bool,
}

impl Done {
    /// It is done.
    pub const OK: Self = Self { ok: true };
}

/// Parameters of `wake`.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct WakeParams {
    pub text: Option<String>,
    /// `now` or `next-heartbeat`.
    pub mode: Option<String>,
    /// Refused: the turn has the tools that its agent has.
    #[schemars(skip)]
    pub tools: Option<Unobeyed>,
}

impl WakeParams {
    /// The text, and whether a turn is to begin now.
    ///
    /// # Errors
    /// No text, or an unknown mode.
    pub fn read(&self) -> Result<(&str, bool), BadRequest> {
        let is_now = match self.mode.as_deref() {
            Some("now") => true,
            None | Some("next-heartbeat") => false,
            Some(other) => {
                let found: String = other.chars().take(40).collect();
                return Err(BadRequest::of("mode", format!("must be now or next-heartbeat, found {found:?}")));
            }
        };
        Ok((checked_text(self.text.as_deref().unwrap_or_default())?, is_now))
    }
}

/// The answer to `wake`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Woken {
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// Parameters and answer of `set-heartbeats`.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct HeartbeatsParams {
    pub enabled: bool,
}

/// The answer to `set-heartbeats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct HeartbeatsSet {
    pub ok: bool,
    pub enabled: bool,
}

/// The event `heartbeat`, and the answer to `last-heartbeat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct HeartbeatEvent {
    pub ts: i64,
    /// `ok` or `failed`.
    pub status: &'static str,
    pub reason: &'static str,
    pub preview: String,
    pub duration_ms: u64,
    pub has_media: bool,
    pub run_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn an_event_needs_a_text() {
        let read = |text: &str| json::from_slice::<EventParams>(text.as_bytes()).unwrap();
        let at = Timestamp::from_millis(7);
        assert_eq!(read(r#"{"text":" "}"#).into_entry(at).unwrap_err().param.as_deref(), Some("text"));
        let entry = read(r#"{"text":"Node: test event","host":"h"}"#).into_entry(at).unwrap();
        assert_eq!((entry.text.as_str(), entry.host.as_deref(), entry.ts), ("Node: test event", Some("h"), 7));
    }

    #[test]
    fn wake_knows_two_modes() {
        let read = |mode: Option<&str>| {
            WakeParams { text: Some("x".into()), mode: mode.map(Into::into), tools: None }
                .read()
                .map(|(_, is_now)| is_now)
        };
        assert_eq!((read(Some("now")), read(Some("next-heartbeat")), read(None)), (Ok(true), Ok(false), Ok(false)));
        assert_eq!(read(Some("later")).unwrap_err().param.as_deref(), Some("mode"));
    }
}

//! Devices and their tokens: `device.pair.*`, `device.token.*` and what is told about them.

use claw_core::{DeviceId, PairingId, Role, Scope, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::BadRequest;
use crate::ws::keys;

/// Parameters of `device.pair.list`: none.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ListParams {}

/// Parameters of `device.pair.approve` and `device.pair.reject`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecideParams {
    /// `pair_…`.
    pub request_id: Option<String>,
}

impl DecideParams {
    /// Which wish.
    ///
    /// # Errors
    /// It is not an id of one.
    pub fn pairing(&self) -> Result<PairingId, BadRequest> {
        let id = self.request_id.as_deref().and_then(|id| id.parse().ok());
        id.ok_or_else(|| BadRequest::of("requestId", "must be the id of a pairing request"))
    }
}

/// Parameters of `device.pair.remove`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoveParams {
    /// 64 hexadecimal digits.
    pub device_id: Option<String>,
}

/// Parameters of `device.token.rotate` and `device.token.revoke`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenParams {
    /// 64 hexadecimal digits.
    pub device_id: Option<String>,
    /// `operator`, when it is absent.
    pub role: Option<String>,
    /// What the fresh token may do: what the old one may, when it is absent.
    pub scopes: Option<Vec<String>>,
}

impl RemoveParams {
    /// Which device.
    ///
    /// # Errors
    /// It is no device's id.
    pub fn device(&self) -> Result<DeviceId, BadRequest> {
        device(self.device_id.as_deref())
    }
}

impl TokenParams {
    /// Whose token.
    ///
    /// # Errors
    /// It is no device's id.
    pub fn device(&self) -> Result<DeviceId, BadRequest> {
        device(self.device_id.as_deref())
    }
    /// The token's role.
    ///
    /// # Errors
    /// There is no such role.
    pub fn role(&self) -> Result<Role, BadRequest> {
        let named = self.role.as_deref().map_or(Some(Role::Operator), Role::named);
        named.ok_or_else(|| BadRequest::of("role", "must be operator"))
    }
    /// The wanted scopes.
    ///
    /// # Errors
    /// None, or one that does not exist.
    pub fn scopes(&self) -> Result<Option<Scopes>, BadRequest> {
        self.scopes.as_deref().map(keys::scopes).transpose()
    }
}

fn device(text: Option<&str>) -> Result<DeviceId, BadRequest> {
    let id = text.and_then(|text| text.parse().ok());
    id.ok_or_else(|| BadRequest::of("deviceId", "must be 64 hexadecimal digits"))
}

/// The members of a set, in the protocol's words.
pub fn scope_names(scopes: Scopes) -> Vec<&'static str> {
    scopes.iter().map(Scope::name).collect()
}

/// What a device says of itself, beside its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Described {
    pub device_id: String,
    /// Base64, for URLs, not padded.
    pub public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_mode: Option<String>,
    pub role: &'static str,
    pub roles: [&'static str; 1],
    pub scopes: Vec<&'static str>,
}

/// A wish; the payload of `device.pair.requested`, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Wish {
    pub request_id: String,
    #[serde(flatten)]
    pub device: Described,
    /// Whether the device is paired and wants more.
    pub is_repair: bool,
    pub ts: i64,
}

/// A paired device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Paired {
    #[serde(flatten)]
    pub device: Described,
    pub created_at_ms: i64,
    pub approved_at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at_ms: Option<i64>,
    pub tokens: Vec<Token>,
}

/// A token without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Token {
    pub role: &'static str,
    pub scopes: Vec<&'static str>,
    pub created_at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotated_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at_ms: Option<i64>,
}

/// The answer to `device.pair.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Everybody {
    /// Newest first.
    pub pending: Vec<Wish>,
    /// Last approved first.
    pub paired: Vec<Paired>,
}

/// The answer to `device.pair.approve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Approved {
    pub request_id: String,
    pub device: Paired,
}

/// The answer to `device.pair.reject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Rejected {
    pub request_id: String,
    pub device_id: String,
}

/// The answer to `device.pair.remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Removed {
    pub device_id: String,
}

/// The answer to `device.token.rotate`, the only one that ever holds the fresh token's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Rotated<'a> {
    pub device_id: String,
    pub role: &'static str,
    pub token: &'a str,
    pub scopes: Vec<&'static str>,
    pub rotated_at_ms: i64,
}

/// The answer to `device.token.revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Revoked {
    pub device_id: String,
    pub role: &'static str,
    pub revoked_at_ms: i64,
}

/// The payload of `device.pair.resolved`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Resolved {
    pub request_id: String,
    pub device_id: String,
    /// `approved` or `rejected`.
    pub decision: &'static str,
    pub ts: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_their_flaws_named() {
        let token = |device: &str, role: Option<&str>, scopes: Option<&[&str]>| TokenParams {
            device_id: Some(device.to_owned()),
            role: role.map(ToOwned::to_owned),
            scopes: scopes.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let good = token(&"ab".repeat(32), None, None);
        assert_eq!(good.device().unwrap(), DeviceId::of_digest([0xab; 32]));
        assert_eq!((good.role().unwrap(), good.scopes().unwrap()), (Role::Operator, None));
        let bad = token("x", Some("node"), Some(&["operator.everything"]));
        let params = [bad.device().unwrap_err(), bad.role().unwrap_err(), bad.scopes().unwrap_err()];
        let params: Vec<_> = params.iter().map(|bad| bad.param.as_deref().unwrap()).collect();
        assert_eq!(params, ["deviceId", "role", "scopes[0]"]);
        assert!(token("x", None, Some(&[])).scopes().is_err());
        assert!(DecideParams { request_id: Some("7".to_owned()) }.pairing().is_err());
        assert!(DecideParams { request_id: None }.pairing().is_err());
        let seven = "pair_00000000000000000000000000000007";
        let pairing = DecideParams { request_id: Some(seven.to_owned()) }.pairing().unwrap();
        assert_eq!(pairing.to_string(), seven);
    }
}

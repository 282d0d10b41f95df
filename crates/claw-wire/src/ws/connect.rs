//! The handshake's parameters and its answer.

use claw_core::Secret;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::frame::StateVersion;

/// Parameters of `connect`; stock clients send more, which is ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectParams {
    /// The lowest protocol the client speaks.
    pub min_protocol: Option<u32>,
    /// The highest.
    pub max_protocol: Option<u32>,
    /// Which program it is.
    pub client: Option<ClientInfo>,
    /// `operator`, unless it wants to be something else.
    pub role: Option<String>,
    /// What it would like to do; it never gets more than its credential may.
    pub scopes: Option<Vec<String>>,
    /// What it understands; `tool-events` subscribes to tools.
    pub caps: Option<Vec<String>>,
    /// Its credentials.
    pub auth: Option<ConnectAuth>,
    /// Which machine it is, signed.
    pub device: Option<ConnectDevice>,
}

/// Which program a client is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// A program's name.
    pub id: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Where it runs.
    pub platform: Option<String>,
    /// What it is used for.
    pub mode: Option<String>,
    /// Its name for people.
    pub display_name: Option<String>,
    /// What it runs on.
    pub device_family: Option<String>,
    /// More exactly.
    pub model_identifier: Option<String>,
    /// This installation of it.
    pub instance_id: Option<String>,
}

/// Credentials inside `connect`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectAuth {
    /// The gateway's token or an API key.
    pub token: Option<Secret>,
    /// The gateway's password.
    pub password: Option<Secret>,
    /// The device's own token.
    pub device_token: Option<Secret>,
    /// Of a way to pair that is not served; older signatures cover it.
    pub bootstrap_token: Option<Secret>,
}

/// A device's identity, over which `signature` is made. Nothing of it is checked here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectDevice {
    /// SHA-256 of the public key, hexadecimal.
    pub id: Option<String>,
    /// Ed25519, 32 bytes in base64.
    pub public_key: Option<String>,
    /// 64 bytes in base64.
    pub signature: Option<String>,
    /// Milliseconds since the epoch.
    pub signed_at: Option<i64>,
    /// The challenge's.
    pub nonce: Option<String>,
}

/// Ids of stock clients; they want `stateVersion` as an object.
const STOCK_CLIENTS: &[&str] = &[
    "cli",
    "gateway-client",
    "webchat-ui",
    "webchat",
    "openclaw-control-ui",
    "openclaw-tui",
    "openclaw-macos",
    "openclaw-ios",
    "openclaw-android",
    "node-host",
    "openclaw-probe",
    "fingerprint",
    "test",
];

impl ConnectParams {
    /// Whether the client is one of OpenClaw's own programs.
    pub fn is_stock_client(&self) -> bool {
        let id = self.client.as_ref().and_then(|client| client.id.as_deref());
        id.is_some_and(|id| STOCK_CLIENTS.contains(&id))
    }
    /// Whether the client asked to hear of tools.
    pub fn wants_tool_events(&self) -> bool {
        self.caps.iter().flatten().any(|cap| cap == "tool-events")
    }
}

/// `connect.challenge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Challenge<'a> {
    /// Unpredictable, for device signatures.
    pub nonce: &'a str,
    /// Milliseconds since the epoch.
    pub ts: i64,
}

/// The answer to `connect`: all five blocks, which new clients demand.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct HelloOk<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub protocol: u32,
    pub server: Server<'a>,
    pub features: Features<'a>,
    pub snapshot: Snapshot<'a>,
    pub auth: Granted<'a>,
    pub policy: Policy,
}

/// Which gateway this is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Server<'a> {
    pub version: &'a str,
    pub conn_id: String,
}

/// What it serves, exactly.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Features<'a> {
    pub methods: Vec<&'static str>,
    pub events: &'static [&'static str],
    pub capabilities: &'a [&'a str],
}

/// How it is at this moment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Snapshot<'a> {
    pub presence: &'a RawValue,
    pub health: &'a RawValue,
    pub state_version: StateVersion,
    pub uptime_ms: u64,
    pub session_defaults: SessionDefaults,
    pub auth_mode: &'static str,
}

/// Where a message goes when no session is named.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SessionDefaults {
    pub default_agent_id: String,
    pub main_key: &'static str,
    pub main_session_key: &'static str,
    pub scope: &'static str,
}

impl SessionDefaults {
    /// Where this agent, the default one, has its main conversation: `main` is its name, too (K7).
    pub const fn of(default_agent_id: String) -> Self {
        Self { default_agent_id, main_key: "main", main_session_key: "agent:main:main", scope: "per-sender" }
    }
}

/// What the credential may do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Granted<'a> {
    pub method: &'a str,
    pub role: &'a str,
    pub scopes: Vec<&'static str>,
    /// For a device that signed: its token, to be presented instead of a secret from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at_ms: Option<i64>,
}

/// Limits and rhythm.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Policy {
    pub max_payload: usize,
    pub max_buffered_bytes: usize,
    pub tick_interval_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_contract_client_and_a_stock_client_are_told_apart() {
        let read = |text: &str| json::from_slice::<ConnectParams>(text.as_bytes()).unwrap();
        let contract = read(
            r#"{"minProtocol":3,"maxProtocol":3,"client":{"id":"vscode-extension","version":"0.1.9","platform":"win32",
                "mode":"operator"},"role":"operator","scopes":["operator.read"],"locale":"en-US"}"#,
        );
        assert!(!contract.is_stock_client() && !contract.wants_tool_events() && contract.auth.is_none());
        let stock = read(
            r#"{"minProtocol":4,"maxProtocol":4,"client":{"id":"gateway-client"},"caps":["tool-events"],
                "auth":{"token":"t"},"device":{"id":"x"}}"#,
        );
        assert!(stock.is_stock_client() && stock.wants_tool_events());
        assert_eq!(stock.auth.unwrap().token.unwrap().expose(), "t");
    }

    #[test]
    fn the_state_version_is_a_number_or_an_object() {
        assert_eq!(serde_json::to_string(&StateVersion::Number(7)).unwrap(), "7");
        let object = StateVersion::Object { presence: 1, health: 2 };
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"presence":1,"health":2}"#);
    }

    #[test]
    fn wrong_types_in_connect_are_named() {
        for (text, param) in [
            (r#"{"minProtocol":"3"}"#, "minProtocol"),
            (r#"{"client":5}"#, "client"),
            (r#"{"auth":{"token":5}}"#, "auth.token"),
            (r#"{"scopes":"all"}"#, "scopes"),
        ] {
            let error = json::from_slice::<ConnectParams>(text.as_bytes()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{text}");
        }
    }
}

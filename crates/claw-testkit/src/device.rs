//! A device that signs its `connect` as stock clients do.

#![expect(clippy::indexing_slicing, reason = "a missing field of a JSON value is null, not a panic")]

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claw_core::Clock;
use claw_runtime::SystemClock;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::WsClient;

/// A device and its key. Signs the third version of the payload unless it is an older one.
#[derive(Debug)]
pub struct Device {
    key: SigningKey,
    is_older: bool,
}

/// The system's time, in milliseconds.
pub fn now() -> i64 {
    SystemClock.now().millis()
}

fn url_base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Device {
    /// The device of this seed.
    pub fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]), is_older: false }
    }

    /// One that signs the second version.
    pub fn older(seed: u8) -> Self {
        Self { is_older: true, ..Self::new(seed) }
    }

    /// As it calls itself.
    pub fn id(&self) -> String {
        Sha256::digest(self.key.verifying_key().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As it sends its key.
    pub fn public_key(&self) -> String {
        url_base64(self.key.verifying_key().as_bytes())
    }

    /// A socket and the nonce of its challenge.
    ///
    /// # Panics
    /// The gateway does not speak the protocol.
    pub async fn challenged(address: SocketAddr) -> (WsClient, String) {
        let mut socket = WsClient::open(address, "/", &[]).await.expect("the gateway speaks the protocol");
        let challenge = socket.event("connect.challenge").await;
        (socket, challenge["payload"]["nonce"].as_str().expect("the gateway speaks the protocol").to_owned())
    }

    /// `params` with this device's identity.
    pub fn signed(&self, params: &Value, nonce: &str, signed_at: i64) -> Value {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (client, auth) = (&params["client"], &params["auth"]);
        let scopes: Vec<String> = params["scopes"].as_array().into_iter().flatten().map(text).collect();
        let token = ["token", "deviceToken"].iter().find_map(|field| auth[field].as_str()).unwrap_or_default();
        let rest = format!(
            "{}|{}|{}|{}|{}|{signed_at}|{token}|{nonce}",
            self.id(),
            text(&client["id"]),
            text(&client["mode"]),
            text(&params["role"]),
            scopes.join(","),
        );
        let payload = if self.is_older {
            format!("v2|{rest}")
        } else {
            format!("v3|{rest}|{}|{}", text(&client["platform"]), text(&client["deviceFamily"]))
        };
        let mut signed = params.clone();
        signed["device"] = json!({
            "id": self.id(), "publicKey": self.public_key(), "nonce": nonce,
            "signature": url_base64(&self.key.sign(payload.as_bytes()).to_bytes()), "signedAt": signed_at,
        });
        signed
    }

    /// Connects with this device's identity; gives the answer.
    pub async fn connect(&self, address: SocketAddr, params: &Value) -> (WsClient, Value) {
        let (mut socket, nonce) = Self::challenged(address).await;
        let answer = socket.call("connect", &self.signed(params, &nonce, now())).await;
        (socket, answer)
    }
}

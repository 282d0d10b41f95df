//! A device that signs its `connect` as stock clients do.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claw_core::Clock;
use claw_runtime::SystemClock;
use claw_testkit::WsClient;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::house::House;

pub(crate) struct Device {
    pub(crate) key: SigningKey,
    /// Whether it signs the second version of the payload instead of the third.
    pub(crate) older: bool,
}

pub(crate) fn now() -> i64 {
    SystemClock.now().millis()
}

fn url_base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Device {
    pub(crate) fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]), older: false }
    }

    pub(crate) fn id(&self) -> String {
        Sha256::digest(self.key.verifying_key().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn public_key(&self) -> String {
        url_base64(self.key.verifying_key().as_bytes())
    }

    /// A socket and the nonce of its challenge.
    pub(crate) async fn challenged(house: &House) -> (WsClient, String) {
        let mut socket = WsClient::open(house.address, "/", &[]).await.unwrap();
        let challenge = socket.event("connect.challenge").await;
        (socket, challenge["payload"]["nonce"].as_str().unwrap().to_owned())
    }

    /// `params` with this device's identity.
    pub(crate) fn signed(&self, params: &Value, nonce: &str, signed_at: i64) -> Value {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (client, auth) = (&params["client"], &params["auth"]);
        let scopes: Vec<String> = params["scopes"].as_array().unwrap().iter().map(text).collect();
        let token = ["token", "deviceToken"].iter().find_map(|field| auth[field].as_str()).unwrap_or_default();
        let rest = format!(
            "{}|{}|{}|{}|{}|{signed_at}|{token}|{nonce}",
            self.id(),
            text(&client["id"]),
            text(&client["mode"]),
            text(&params["role"]),
            scopes.join(","),
        );
        let payload = if self.older {
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
    pub(crate) async fn connect(&self, house: &House, params: &Value) -> (WsClient, Value) {
        let (mut socket, nonce) = Self::challenged(house).await;
        let answer = socket.call("connect", &self.signed(params, &nonce, now())).await;
        (socket, answer)
    }
}

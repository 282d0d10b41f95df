use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NONCE: &str = "86eca1f0-ee04-4551-8ef3-4cbaa9f7e578";
const NOW: i64 = 1_795_201_900_500;
const MINUTE: i64 = 60_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn url_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn id_of(key: &SigningKey) -> String {
    hex(&Sha256::digest(key.verifying_key().as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A frame's parameters as a stock client sends them, signed over the text that `payload` makes of
/// the device's id.
fn signed(payload: impl Fn(&str) -> String) -> Value {
    let key = key(7);
    let id = id_of(&key);
    let signature = key.sign(payload(&id).as_bytes()).to_bytes();
    json!({
        "minProtocol": 3, "maxProtocol": 3, "role": "operator", "scopes": ["operator.read", "operator.write"],
        "client": {"id": "cli", "version": "1.0.0", "platform": "Linux", "mode": "cli", "deviceFamily": "Desk Top",
            "displayName": "a\u{1b}b"},
        "auth": {"token": "to|ken"},
        "device": {"id": id, "publicKey": url_base64(key.verifying_key().as_bytes()), "nonce": NONCE,
            "signature": url_base64(&signature), "signedAt": NOW},
    })
}

fn v2() -> Value {
    signed(|id| format!("v2|{id}|cli|cli|operator|operator.read,operator.write|{NOW}|to|ken|{NONCE}"))
}

fn v3() -> Value {
    signed(|id| format!("v3|{id}|cli|cli|operator|operator.read,operator.write|{NOW}|to|ken|{NONCE}|linux|desk top"))
}

fn judged_at(params: &Value, now: i64) -> Result<Option<DeviceId>, Untrusted> {
    let params = serde_json::from_value(params.clone()).unwrap();
    let identity = verify(&params, NONCE, Timestamp::from_millis(now))?;
    Ok(identity.map(|identity| identity.id()))
}

fn judged(params: &Value) -> Result<Option<DeviceId>, Untrusted> {
    judged_at(params, NOW)
}

fn own() -> Result<Option<DeviceId>, Untrusted> {
    Ok(Some(id_of(&key(7)).parse().unwrap()))
}

#[test]
fn both_payloads_are_accepted_and_what_is_shown_is_printable() {
    assert_eq!(judged(&v2()), own());
    assert_eq!(judged(&v3()), own());
    let params = serde_json::from_value(v3()).unwrap();
    let identity = verify(&params, NONCE, Timestamp::from_millis(NOW)).unwrap().unwrap();
    assert_eq!(identity.public_key(), *key(7).verifying_key().as_bytes());
    let shown = DeviceInfo {
        display_name: Some("ab".into()),
        platform: Some("Linux".into()),
        device_family: Some("Desk Top".into()),
        client_id: Some("cli".into()),
        client_mode: Some("cli".into()),
    };
    assert_eq!(*identity.info(), shown);
}

#[test]
fn without_a_device_there_is_nothing_to_verify() {
    let mut params = v2();
    params["device"] = Value::Null;
    assert_eq!(judged(&params), Ok(None));
}

#[test]
fn keys_and_signatures_come_in_every_usual_base64() {
    let raw = key(7).verifying_key().to_bytes();
    let padded = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let der = padded(&[&SPKI[..], &raw[..]].concat());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &der[..40], &der[40..]);
    for spelled in [padded(&raw), padded(&raw).replace('=', ""), url_base64(&raw), der, pem] {
        let mut params = v3();
        params["device"]["publicKey"] = json!(spelled);
        assert_eq!(judged(&params), own(), "{spelled}");
    }
    let mut params = v3();
    let signature = params["device"]["signature"].as_str().unwrap().replace('-', "+").replace('_', "/");
    params["device"]["signature"] = json!(format!("{signature}=="));
    assert_eq!(judged(&params), own());
}

#[test]
fn every_flaw_has_its_reason() {
    let weak = url_base64(&[0; 32]);
    let other = url_base64(key(8).verifying_key().as_bytes());
    let upper = id_of(&key(7)).to_uppercase();
    let table = [
        ("publicKey", Value::Null, Untrusted::PublicKey),
        ("publicKey", json!(""), Untrusted::PublicKey),
        ("publicKey", json!("not base64!"), Untrusted::PublicKey),
        ("publicKey", json!(url_base64(&[7; 31])), Untrusted::PublicKey),
        ("publicKey", json!(weak), Untrusted::PublicKey),
        ("publicKey", json!(other), Untrusted::Id),
        ("id", Value::Null, Untrusted::Id),
        ("id", json!("5d77"), Untrusted::Id),
        ("id", json!(upper), Untrusted::Id),
        ("signedAt", Value::Null, Untrusted::Expired),
        ("signedAt", json!(NOW - 10 * MINUTE - 1), Untrusted::Expired),
        ("signedAt", json!(NOW + 10 * MINUTE + 1), Untrusted::Expired),
        ("signedAt", json!(i64::MIN), Untrusted::Expired),
        ("signedAt", json!(i64::MAX), Untrusted::Expired),
        ("signedAt", json!(NOW + 1), Untrusted::Signature),
        ("nonce", Value::Null, Untrusted::NoNonce),
        ("nonce", json!(" "), Untrusted::NoNonce),
        ("nonce", json!("another"), Untrusted::Nonce),
        ("signature", Value::Null, Untrusted::Signature),
        ("signature", json!(""), Untrusted::Signature),
        ("signature", json!(url_base64(&[0; 64])), Untrusted::Signature),
        ("signature", json!(url_base64(&[255; 64])), Untrusted::Signature),
    ];
    for (field, value, reason) in table {
        for mut params in [v2(), v3()] {
            params["device"][field] = value.clone();
            assert_eq!(judged(&params), Err(reason), "{field}: {value}");
        }
    }
    let mut all: Vec<&str> = [
        Untrusted::PublicKey,
        Untrusted::Id,
        Untrusted::Expired,
        Untrusted::NoNonce,
        Untrusted::Nonce,
        Untrusted::Signature,
    ]
    .into_iter()
    .flat_map(|reason| [reason.words().0, reason.words().1])
    .collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 12, "no two flaws share a word");
}

#[test]
fn a_signature_counts_for_ten_minutes_either_way() {
    for skew in [-10 * MINUTE, 10 * MINUTE] {
        assert_eq!(judged_at(&v2(), NOW + skew), own());
        assert_eq!(judged_at(&v2(), NOW + skew + skew.signum()), Err(Untrusted::Expired));
    }
}

#[test]
fn whatever_the_frame_asks_for_is_signed() {
    for (path, value) in [
        ("/scopes", json!(["operator.admin"])),
        ("/scopes", json!(["operator.read,operator.write"])),
        ("/scopes", json!(["operator.read"])),
        ("/scopes", Value::Null),
        ("/role", json!("node")),
        ("/client/id", json!("cli2")),
        ("/client/mode", json!("ui")),
        ("/auth/token", json!("other")),
        ("/auth", Value::Null),
    ] {
        for mut params in [v2(), v3()] {
            *params.pointer_mut(path).unwrap() = value.clone();
            assert_eq!(judged(&params), Err(Untrusted::Signature), "{path}: {value}");
        }
    }
    for path in ["/client/platform", "/client/deviceFamily"] {
        let mut params = v3();
        *params.pointer_mut(path).unwrap() = json!("other");
        assert_eq!(judged(&params), Err(Untrusted::Signature), "{path}");
    }
}

#[test]
fn no_two_frames_share_a_text() {
    // One text, `…|a|b|c|…`, could be read as three different frames.
    let mut params = signed(|id| format!("v2|{id}|cli|cli|x|operator||{NOW}|to|ken|{NONCE}"));
    params["scopes"] = json!([]);
    params["client"]["mode"] = json!("cli|x");
    assert_eq!(judged(&params), Err(Untrusted::Signature));
    let mut params = signed(|id| format!("v2|{id}|cli|cli|operator|a,b|{NOW}|to|ken|{NONCE}"));
    params["scopes"] = json!(["a,b"]);
    assert_eq!(judged(&params), Err(Untrusted::Signature));
    params["scopes"] = json!(["a", "b"]);
    assert_eq!(judged(&params), own());
}

#[test]
fn the_token_that_is_signed_is_the_first_that_is_sent() {
    let with = |auth: Value, token: &str| {
        let mut params = signed(|id| format!("v2|{id}|cli|cli|operator||{NOW}|{token}|{NONCE}"));
        (params["auth"], params["scopes"]) = (auth, Value::Null);
        judged(&params)
    };
    assert_eq!(with(json!({"token": "t", "deviceToken": "d"}), "t"), own());
    assert_eq!(with(json!({"deviceToken": "d", "bootstrapToken": "b"}), "d"), own());
    assert_eq!(with(json!({"bootstrapToken": "b"}), "b"), own());
    assert_eq!(with(json!({"password": "p"}), ""), own());
    assert_eq!(with(Value::Null, ""), own());
    assert_eq!(with(json!({"token": "t", "deviceToken": "d"}), "d"), Err(Untrusted::Signature));
}

proptest! {
    #[test]
    fn any_flipped_bit_of_a_signature_is_refused(byte in 0..64usize, bit in 0..8u8) {
        let mut params = v3();
        let mut signature: [u8; 64] = base64(params["device"]["signature"].as_str().unwrap()).unwrap();
        signature[byte] ^= 1 << bit;
        params["device"]["signature"] = json!(url_base64(&signature));
        prop_assert_eq!(judged(&params), Err(Untrusted::Signature));
    }

    #[test]
    fn a_signature_over_any_other_text_is_refused(at in 0..170usize, bit in 0..7u8, old in any::<bool>()) {
        let flipped = |id: &str| {
            let scopes = "operator.read,operator.write";
            let rest = format!("{id}|cli|cli|operator|{scopes}|{NOW}|to|ken|{NONCE}");
            let text = if old { format!("v2|{rest}") } else { format!("v3|{rest}|linux|desk top") };
            let mut text = text.into_bytes();
            let at = at % text.len();
            text[at] ^= 1 << bit;
            String::from_utf8(text).unwrap()
        };
        prop_assert_eq!(judged(&signed(flipped)), Err(Untrusted::Signature));
    }

    #[test]
    fn no_text_breaks_the_verifier(id in ".*", key in ".*", signature in ".*", nonce in ".*", at in any::<i64>()) {
        let mut params = v2();
        params["device"] = json!({"id": id, "publicKey": key, "signature": signature, "nonce": nonce, "signedAt": at});
        prop_assert!(judged(&params).is_err());
    }
}

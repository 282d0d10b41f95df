//! Whether a `connect` comes from the device it names: Ed25519 over what the frame asks for.
//!
//! Pure: the frame, the socket's challenge and the time in, an identity or the reason against it
//! out. An [`Identity`] can be made nowhere else. It says who asks and nothing about what it may
//! do; and one that is wrong refuses the whole `connect`, whatever else is in it (adv_8).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use claw_app::devices::DeviceInfo;
use claw_core::{DeviceId, Role, Secret, Timestamp};
use claw_wire::ws::connect::{ClientInfo, ConnectDevice, ConnectParams};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::limits::{DEVICE_CLOCK_SKEW_MAX, DEVICE_WORD_CHARS_MAX};

/// A device that proved to hold its key, on this socket, just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    id: DeviceId,
    public_key: [u8; 32],
    info: DeviceInfo,
}

impl Identity {
    pub(crate) const fn id(&self) -> DeviceId {
        self.id
    }
    pub(crate) const fn public_key(&self) -> [u8; 32] {
        self.public_key
    }
    pub(crate) const fn info(&self) -> &DeviceInfo {
        &self.info
    }
}

/// What is wrong with a device's identity; stock clients know the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untrusted {
    #[error("device public key invalid")]
    PublicKey,
    #[error("device identity mismatch")]
    Id,
    #[error("device signature expired")]
    Expired,
    #[error("device nonce required")]
    NoNonce,
    #[error("device nonce mismatch")]
    Nonce,
    #[error("device signature invalid")]
    Signature,
}

impl Untrusted {
    /// `details.code` and `details.reason`.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::PublicKey => ("DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key"),
            Self::Id => ("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch"),
            Self::Expired => ("DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale"),
            Self::NoNonce => ("DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing"),
            Self::Nonce => ("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch"),
            Self::Signature => ("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature"),
        }
    }
}

/// Verifies the identity in a `connect`, if there is one.
///
/// `challenge` is the nonce of this very socket, which takes one `connect` and no more: so a nonce
/// counts once.
pub(crate) fn verify(params: &ConnectParams, challenge: &str, now: Timestamp) -> Result<Option<Identity>, Untrusted> {
    let Some(device) = &params.device else { return Ok(None) };
    let ConnectDevice { id, public_key, signature, signed_at, nonce } = device;
    let (public_key, key) = public_key.as_deref().and_then(read_key).ok_or(Untrusted::PublicKey)?;
    let own_id = DeviceId::of_digest(Sha256::digest(public_key).into());
    if id.as_deref() != Some(own_id.to_string().as_str()) {
        return Err(Untrusted::Id);
    }
    let signed_at = signed_at.ok_or(Untrusted::Expired)?;
    if skew(now, Timestamp::from_millis(signed_at)) > DEVICE_CLOCK_SKEW_MAX {
        return Err(Untrusted::Expired);
    }
    match nonce.as_deref().filter(|nonce| !nonce.trim().is_empty()) {
        None => return Err(Untrusted::NoNonce),
        Some(nonce) if nonce != challenge => return Err(Untrusted::Nonce),
        Some(_) => {}
    }
    let signature = signature.as_deref().and_then(base64::<64>).ok_or(Untrusted::Signature)?;
    let signature = Signature::from_bytes(&signature);
    let [newer, older] = payloads(params, own_id, signed_at, challenge).ok_or(Untrusted::Signature)?;
    let fits = |payload: &str| key.verify_strict(payload.as_bytes(), &signature).is_ok();
    if !fits(&newer) && !fits(&older) {
        return Err(Untrusted::Signature);
    }
    Ok(Some(Identity { id: own_id, public_key, info: info(params.client.as_ref()) }))
}

fn skew(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

/// The texts a device may have signed: version 3, then version 2.
///
/// Nothing when a field holds a separator: two different frames would have one text then. The
/// token may hold one, because what stands around it is known.
fn payloads(params: &ConnectParams, id: DeviceId, signed_at: i64, nonce: &str) -> Option<[String; 2]> {
    let word = |word: Option<&str>| {
        let word = word.unwrap_or_default();
        (!word.contains('|')).then(|| word.to_owned())
    };
    let client = params.client.as_ref();
    let of_client = |read: fn(&ClientInfo) -> &Option<String>| word(client.and_then(|client| read(client).as_deref()));
    let scopes = params.scopes.as_deref().unwrap_or_default();
    if scopes.iter().any(|scope| scope.contains([',', '|'])) {
        return None;
    }
    let (client_id, mode) = (of_client(|client| &client.id)?, of_client(|client| &client.mode)?);
    let role = word(Some(params.role.as_deref().unwrap_or(Role::Operator.name())))?;
    let metadata = |text: String| text.trim().to_ascii_lowercase();
    let platform = metadata(of_client(|client| &client.platform)?);
    let family = metadata(of_client(|client| &client.device_family)?);
    let token = params.auth.as_ref().and_then(|auth| {
        auth.token.as_ref().or(auth.device_token.as_ref()).or(auth.bootstrap_token.as_ref()).map(Secret::expose)
    });
    let token = token.unwrap_or_default();
    let scopes = scopes.join(",");
    let rest = format!("{id}|{client_id}|{mode}|{role}|{scopes}|{signed_at}|{token}|{nonce}");
    Some([format!("v3|{rest}|{platform}|{family}"), format!("v2|{rest}")])
}

/// What stands before the key's 32 bytes in the standard DER form of a public key (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The raw key in base64, or its standard form, with or without the lines of a PEM file around it.
fn read_key(text: &str) -> Option<([u8; 32], VerifyingKey)> {
    let text = text.trim();
    let bare = text
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .map_or_else(|| text.to_owned(), |lines| lines.split_ascii_whitespace().collect());
    let raw = base64::<32>(&bare).or_else(|| {
        let der = base64::<44>(&bare)?;
        der.strip_prefix(&SPKI)?.try_into().ok()
    })?;
    let key = VerifyingKey::from_bytes(&raw).ok().filter(|key| !key.is_weak())?;
    Some((raw, key))
}

/// Base64 of exactly so many bytes, in either alphabet, padded or not.
fn base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.trim_end_matches('=');
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let standard: String = text
        .chars()
        .map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    STANDARD_NO_PAD.decode(standard).ok()?.try_into().ok()
}

/// What is shown of a device; it chose these words itself, so they are short and printable.
fn info(client: Option<&ClientInfo>) -> DeviceInfo {
    let shown = |word: &Option<String>| {
        let word = word.as_deref()?.chars().filter(|letter| !letter.is_control());
        let word: String = word.take(DEVICE_WORD_CHARS_MAX).collect();
        let word = word.trim();
        (!word.is_empty()).then(|| word.to_owned())
    };
    let Some(client) = client else { return DeviceInfo::default() };
    let ClientInfo { id, version: _, platform, mode, display_name, device_family, model_identifier: _, instance_id: _ } =
        client;
    DeviceInfo {
        display_name: shown(display_name),
        platform: shown(platform),
        device_family: shown(device_family),
        client_id: shown(id),
        client_mode: shown(mode),
    }
}

#[cfg(test)]
mod tests;

//! The two signatures of a letter, both over its exact bytes (D24, K22).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claw_core::Secret;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// How a secret of the Standard Webhooks begins; what follows is its key in base64.
const STANDARD_PREFIX: &str = "whsec_";

/// Signs with one secret.
pub(super) struct Signer {
    plain: Hmac<Sha256>,
    standard: Hmac<Sha256>,
}

impl Signer {
    /// The text itself is the key of D24's signature. For the Standard Webhooks it is, too, unless
    /// it is written as they write theirs.
    pub(super) fn new(secret: &Secret) -> Self {
        let text = secret.expose();
        let decoded = text.strip_prefix(STANDARD_PREFIX).and_then(|key| STANDARD.decode(key).ok());
        let standard = decoded.as_deref().map_or_else(|| keyed(text.as_bytes()), keyed);
        Self { plain: keyed(text.as_bytes()), standard }
    }

    /// `sha256=` and hexadecimal digits (D24).
    pub(super) fn plain(&self, body: &[u8]) -> String {
        let mac = self.plain.clone().chain_update(body).finalize();
        format!("sha256={}", hex::encode(mac.into_bytes()))
    }

    /// `v1,` and base64, over `id.seconds.body` (Standard Webhooks).
    pub(super) fn standard(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mac = self.standard.clone().chain_update(format!("{id}.{seconds}.")).chain_update(body).finalize();
        format!("v1,{}", STANDARD.encode(mac.into_bytes()))
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_signature_is_the_published_one() {
        // RFC 4231, test case 2.
        let signer = Signer::new(&Secret::new("Jefe"));
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signer.plain(b"what do ya want for nothing?"), expected);
    }

    #[test]
    fn the_standard_signature_is_the_published_one() {
        // The example of the Standard Webhooks' reference libraries.
        let signer = Signer::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let found = signer.standard("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(found, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}

//! A fresh gateway token.

use std::fs::File;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::secret::SecretText;

/// Makes a token: `oc_gw_` and 32 random bytes in base64url.
///
/// The bytes are the kernel's; a generator of our own would only be one more thing to trust.
pub(crate) fn create() -> io::Result<SecretText> {
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(SecretText::new(format!("oc_gw_{}", URL_SAFE_NO_PAD.encode(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_their_shape_and_differ() {
        let (one, other) = (create().unwrap(), create().unwrap());
        assert_ne!(one, other);
        let body = one.expose().strip_prefix("oc_gw_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(body).unwrap().len(), 32);
    }
}

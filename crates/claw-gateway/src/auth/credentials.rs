//! The gateway's own secrets, as digests.
//!
//! A secret is hashed once when it is configured and once when it is presented; only digests meet,
//! in constant time, so that neither a prefix nor a length can be measured.

use claw_core::Secret;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// SHA-256 of a secret. Prints nothing of it.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
    /// Whether both are of one secret; constant time.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What the gateway asks of a caller.
#[derive(Debug, Clone)]
pub struct Credentials {
    token: Option<Digest>,
    password: Option<Digest>,
    is_open: bool,
}

impl Credentials {
    /// Either secret lets in; without any nobody comes in but holders of API keys.
    pub fn required(token: Option<&Secret>, password: Option<&Secret>) -> Self {
        let digest = |secret: Option<&Secret>| {
            secret.filter(|secret| !secret.is_empty()).map(|secret| Digest::of(secret.expose()))
        };
        Self { token: digest(token), password: digest(password), is_open: false }
    }
    /// Nothing, from this machine.
    pub const fn open() -> Self {
        Self { token: None, password: None, is_open: true }
    }
    /// Whether callers from this machine need none.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }
    /// The word of `/status` and `hello-ok`.
    pub const fn mode(&self) -> &'static str {
        match (self.is_open, &self.token) {
            (true, _) => "none",
            (false, Some(_)) => "token",
            (false, None) if self.password.is_some() => "password",
            (false, None) => "token",
        }
    }
    /// Whether this is one of the secrets; both are compared whatever the first says.
    pub(crate) fn admits(&self, presented: &Digest, as_token: bool) -> bool {
        let same = |own: &Option<Digest>| match own {
            Some(own) => own.0.ct_eq(&presented.0),
            None => Choice::from(0),
        };
        let (token, password) = (same(&self.token), same(&self.password));
        // A bearer may be either secret: OpenAI clients of a gateway with a password have no other field.
        (password | (token & Choice::from(u8::from(as_token)))).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_is_admitted_where_it_belongs() {
        let (token, password) = (Secret::new("t"), Secret::new("p"));
        let both = Credentials::required(Some(&token), Some(&password));
        let admitted = |secret: &str, as_token| both.admits(&Digest::of(secret), as_token);
        assert!(admitted("t", true) && admitted("p", true) && admitted("p", false));
        assert!(!admitted("t", false) && !admitted("", true) && !admitted("tt", true));
        assert_eq!(both.mode(), "token");
    }

    #[test]
    fn an_empty_or_absent_secret_admits_nobody() {
        let empty = Secret::new("");
        for credentials in [Credentials::required(None, None), Credentials::required(Some(&empty), Some(&empty))] {
            assert!(!credentials.admits(&Digest::of(""), true));
        }
        assert!(!Credentials::open().admits(&Digest::of(""), true));
        assert_eq!(format!("{:?}", Digest::of("t")), "***");
    }
}

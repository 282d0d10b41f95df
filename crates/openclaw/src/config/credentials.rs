//! Who may come in: from what the configuration says to what the gateway enforces.
//!
//! Pure. Fails closed: an address others can reach never goes without a credential, and a
//! credential that is spoken of but empty is refused, not replaced.

use super::file::AuthMode;
use super::secret::SecretText;
use super::values::Bind;

/// What was said about credentials, by flags, environment and file together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) mode: Option<AuthMode>,
    pub(crate) token: Option<SecretText>,
    pub(crate) password: Option<SecretText>,
}

/// What the gateway asks of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Nothing; only ever on loopback and only if the owner wrote so.
    Open,
    /// Any one of these; at least one is there.
    Required { token: Option<SecretText>, password: Option<SecretText> },
}

/// What to do with what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Enforce this.
    Enforce(Auth),
    /// Nothing was said and only this machine can come in: make a token and write it down.
    CreateToken,
    /// Do not start.
    Refuse(Refusal),
}

/// Why the gateway does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("gateway.auth.mode is \"none\", but gateway.bind lets other machines in")]
    OpenToOthers,
    #[error("gateway.auth.mode is \"token\", but there is no gateway.auth.token")]
    TokenMissing,
    #[error("gateway.auth.mode is \"password\", but there is no gateway.auth.password")]
    PasswordMissing,
    #[error("the token or password given for the gateway is empty")]
    Blank,
    #[error("gateway.bind lets other machines in, but there is no token and no password")]
    NothingForOthers,
}

impl Refusal {
    /// What the owner can do about it.
    pub(crate) fn mend(self) -> &'static str {
        match self {
            Self::PasswordMissing => {
                "set one with `openclaw config set gateway.auth.password …` or in OPENCLAW_GATEWAY_PASSWORD"
            }
            Self::OpenToOthers => {
                "set a token with `openclaw config set gateway.auth.token …` and gateway.auth.mode to \"token\", or gateway.bind to \"loopback\""
            }
            Self::TokenMissing | Self::Blank | Self::NothingForOthers => {
                "set a token with `openclaw config set gateway.auth.token …` or in OPENCLAW_GATEWAY_TOKEN"
            }
        }
    }
}

impl Credentials {
    /// Decides, for a gateway listening on `bind`.
    pub(crate) fn decide(&self, bind: Bind) -> Decision {
        let token = self.token.clone().filter(|token| !token.is_blank());
        let password = self.password.clone().filter(|password| !password.is_blank());
        match self.mode {
            Some(AuthMode::None) if bind.is_loopback() => Decision::Enforce(Auth::Open),
            Some(AuthMode::None) => Decision::Refuse(Refusal::OpenToOthers),
            Some(AuthMode::Token) => match token {
                None => Decision::Refuse(Refusal::TokenMissing),
                token => Decision::Enforce(Auth::Required { token, password: None }),
            },
            Some(AuthMode::Password) => match password {
                None => Decision::Refuse(Refusal::PasswordMissing),
                password => Decision::Enforce(Auth::Required { token: None, password }),
            },
            None if token.is_some() || password.is_some() => Decision::Enforce(Auth::Required { token, password }),
            None if self.token.is_some() || self.password.is_some() => Decision::Refuse(Refusal::Blank),
            None if bind.is_loopback() => Decision::CreateToken,
            None => Decision::Refuse(Refusal::NothingForOthers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mode: Option<AuthMode>, token: Option<&str>, password: Option<&str>) -> Credentials {
        Credentials { mode, token: token.map(SecretText::new), password: password.map(SecretText::new) }
    }

    fn required(token: Option<&str>, password: Option<&str>) -> Decision {
        Decision::Enforce(Auth::Required { token: token.map(SecretText::new), password: password.map(SecretText::new) })
    }

    #[test]
    fn every_statement_about_credentials_has_its_decision() {
        use AuthMode::{None as Open, Password, Token};
        use Refusal::{Blank, NothingForOthers, OpenToOthers, PasswordMissing, TokenMissing};
        let refuse = Decision::Refuse;
        let (here, lan) = (Bind::Loopback, Bind::Lan);
        let table = [
            (said(None, None, None), here, Decision::CreateToken),
            (said(None, None, None), lan, refuse(NothingForOthers)),
            (said(None, None, None), Bind::Tailnet, refuse(NothingForOthers)),
            (said(None, Some("t"), None), lan, required(Some("t"), None)),
            (said(None, Some("t"), Some("p")), here, required(Some("t"), Some("p"))),
            (said(None, None, Some("p")), here, required(None, Some("p"))),
            (said(None, Some(""), None), here, refuse(Blank)),
            (said(None, Some(" "), Some("")), lan, refuse(Blank)),
            (said(Some(Open), None, None), here, Decision::Enforce(Auth::Open)),
            (said(Some(Open), Some("t"), None), here, Decision::Enforce(Auth::Open)),
            (said(Some(Open), None, None), lan, refuse(OpenToOthers)),
            (said(Some(Open), Some("t"), None), lan, refuse(OpenToOthers)),
            (said(Some(Token), Some("t"), Some("p")), here, required(Some("t"), None)),
            (said(Some(Token), None, Some("p")), here, refuse(TokenMissing)),
            (said(Some(Token), Some(""), None), here, refuse(TokenMissing)),
            (said(Some(Password), None, Some("p")), lan, required(None, Some("p"))),
            (said(Some(Password), Some("t"), None), here, refuse(PasswordMissing)),
        ];
        for (credentials, bind, decision) in table {
            assert_eq!(credentials.decide(bind), decision, "{credentials:?} on {bind}");
        }
    }

    #[test]
    fn a_wildcard_address_is_never_loopback() {
        let table = [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("192.168.1.5", false),
        ];
        for (address, loopback) in table {
            let bind = Bind::Address(address.parse().unwrap());
            assert_eq!(bind.is_loopback(), loopback, "{address}");
        }
    }
}

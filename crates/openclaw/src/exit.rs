//! Every way the process can fail, its exit code and the line that says how to mend it.
//!
//! 1 to 4 are promised to process managers (contract E16); the others follow sysexits, so that a
//! command-line parser's customary 2 never reads as "port in use".

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::credentials::Refusal;
use crate::config::edit::EditError;
use crate::config::problem::ConfigError;

/// Why the process ends without having done what was asked.
#[derive(Debug)]
pub(crate) enum Fatal {
    /// The configuration cannot be read, understood or written. Text with the place.
    Config(String),
    /// A value asked for or given on the command line does not fit the configuration.
    Setting(String),
    /// Somebody else listens there.
    PortInUse {
        address: SocketAddr,
        /// Who, if we know.
        holder: Option<String>,
    },
    /// No credential resolves and the address needs one.
    AuthMissing(Refusal),
    /// A gateway does not accept the credential that it was shown, or wants one.
    Unauthorized { cause: String, mend: String },
    /// The database cannot be opened, or is not one. It is left as it was.
    Database { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    /// The command line makes no sense.
    Usage(String),
    /// It asks for what is not there, or in a way that is not taken; said by whoever was asked.
    Asked { cause: String, mend: String },
    /// Anything else.
    Other { cause: String, mend: String },
}

impl Fatal {
    /// Something without a code of its own, and what to do about it.
    pub(crate) fn other(cause: impl fmt::Display, mend: impl Into<String>) -> Self {
        Self::Other { cause: cause.to_string(), mend: mend.into() }
    }

    /// What was asked for is not there or not taken, and what to ask for instead.
    pub(crate) fn asked(cause: impl fmt::Display, mend: impl Into<String>) -> Self {
        Self::Asked { cause: cause.to_string(), mend: mend.into() }
    }

    /// The listener could not be had.
    pub(crate) fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::AddrInUse => Self::PortInUse { address, holder: None },
            std::io::ErrorKind::PermissionDenied => Self::other(
                format!("may not listen on {address}: {error}"),
                "choose a port above 1023 with --port or gateway.port",
            ),
            std::io::ErrorKind::AddrNotAvailable => {
                Self::Config(format!("gateway.bind names {}, which is no address of this machine", address.ip()))
            }
            _ => Self::other(format!("cannot listen on {address}: {error}"), "check gateway.bind and gateway.port"),
        }
    }

    /// The whole table of exit codes.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Config(_) => 1,
            Self::PortInUse { .. } => 2,
            Self::AuthMissing(_) | Self::Unauthorized { .. } => 3,
            Self::Database { .. } => 4,
            Self::Usage(_) | Self::Setting(_) | Self::Asked { .. } => 64,
            Self::Other { .. } => 70,
        }
    }

    /// Cause and remedy on one line, safe for a terminal.
    pub(crate) fn line(&self) -> String {
        one_line(&format!("openclaw: {}; {}", self.cause(), self.mend()))
    }

    /// What is wrong, without what can be done about it.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::Config(text) => format!("configuration: {text}"),
            Self::Setting(text) => text.clone(),
            Self::PortInUse { address, holder: Some(holder) } => {
                format!("port {} on {} is in use by {holder}", address.port(), address.ip())
            }
            Self::PortInUse { address, holder: None } => {
                format!("port {} on {} is in use", address.port(), address.ip())
            }
            Self::AuthMissing(refusal) => refusal.to_string(),
            Self::Database { path, source } => {
                format!("cannot open the database {}: {}", path.display(), chain(source.as_ref()))
            }
            Self::Usage(text) => text.clone(),
            Self::Unauthorized { cause, .. } | Self::Asked { cause, .. } | Self::Other { cause, .. } => cause.clone(),
        }
    }

    fn mend(&self) -> String {
        match self {
            Self::Config(_) => "correct it and try `openclaw config validate`".to_owned(),
            Self::Setting(_) => "see `openclaw config schema`".to_owned(),
            Self::PortInUse { holder: Some(_), .. } => {
                "stop it with `openclaw gateway stop`, or choose another port with --port".to_owned()
            }
            Self::PortInUse { holder: None, .. } => {
                "stop the program that holds it, or choose another port with --port or gateway.port".to_owned()
            }
            Self::AuthMissing(refusal) => refusal.mend().to_owned(),
            Self::Database { .. } => {
                "the file is untouched: restore a backup, mend its permissions, or name another with store.path"
                    .to_owned()
            }
            Self::Usage(_) => "see `openclaw --help`".to_owned(),
            Self::Unauthorized { mend, .. } | Self::Asked { mend, .. } | Self::Other { mend, .. } => mend.clone(),
        }
    }
}

impl From<ConfigError> for Fatal {
    fn from(error: ConfigError) -> Self {
        if error.is_flag() { Self::Usage(chain(&error)) } else { Self::Config(chain(&error)) }
    }
}

impl From<EditError> for Fatal {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Config(error) => error.into(),
            other @ (EditError::Refused(_)
            | EditError::NotAnObject { .. }
            | EditError::NoSuchEntry { .. }
            | EditError::NoAgent(_)) => Self::Setting(format!("nothing was changed: {other}")),
        }
    }
}

impl From<anyhow::Error> for Fatal {
    fn from(error: anyhow::Error) -> Self {
        Self::other(format!("{error:#}"), "if it stays so, report it with the output of `openclaw logs`")
    }
}

/// An error and what caused it, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // Some libraries repeat their source in their own text.
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        next = cause.source();
    }
    line
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' {
            line.push(' ');
        } else if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fatal_error_has_its_code_and_says_how_to_mend_it() {
        let address: SocketAddr = "127.0.0.1:18789".parse().unwrap();
        let table = [
            (
                Fatal::Config("openclaw.json:3:5: expected comma".to_owned()),
                1,
                "openclaw: configuration: openclaw.json:3:5: expected comma; correct it and try `openclaw config validate`",
            ),
            (
                Fatal::Setting("gateway.x is not set".to_owned()),
                64,
                "openclaw: gateway.x is not set; see `openclaw config schema`",
            ),
            (
                Fatal::PortInUse { address, holder: None },
                2,
                "openclaw: port 18789 on 127.0.0.1 is in use; stop the program that holds it, or choose another port with --port or gateway.port",
            ),
            (
                Fatal::PortInUse { address, holder: Some("the gateway with pid 7".to_owned()) },
                2,
                "openclaw: port 18789 on 127.0.0.1 is in use by the gateway with pid 7; stop it with `openclaw gateway stop`, or choose another port with --port",
            ),
            (
                Fatal::AuthMissing(Refusal::NothingForOthers),
                3,
                "openclaw: gateway.bind lets other machines in, but there is no token and no password; set a token with `openclaw config set gateway.auth.token …` or in OPENCLAW_GATEWAY_TOKEN",
            ),
            (
                Fatal::Database { path: "/s/openclaw.db".into(), source: "file is not a database".into() },
                4,
                "openclaw: cannot open the database /s/openclaw.db: file is not a database; the file is untouched: restore a backup, mend its permissions, or name another with store.path",
            ),
            (
                Fatal::Unauthorized { cause: "it is the wrong one".to_owned(), mend: "correct it".to_owned() },
                3,
                "openclaw: it is the wrong one; correct it",
            ),
            (Fatal::Usage("no such thing".to_owned()), 64, "openclaw: no such thing; see `openclaw --help`"),
            (Fatal::asked("no such memory", "look again"), 64, "openclaw: no such memory; look again"),
            (Fatal::other("it broke", "try again"), 70, "openclaw: it broke; try again"),
            (
                Fatal::from(anyhow::anyhow!("inner").context("outer\n\u{1b}[31m")),
                70,
                "openclaw: outer \\u{1b}[31m: inner; if it stays so, report it with the output of `openclaw logs`",
            ),
        ];
        for (fatal, code, line) in table {
            assert_eq!((fatal.code(), fatal.line().as_str()), (code, line));
        }
    }

    #[test]
    fn every_refusal_of_credentials_says_how_to_mend_it() {
        use Refusal::{Blank, NothingForOthers, OpenToOthers, PasswordMissing, TokenMissing};
        for refusal in [OpenToOthers, TokenMissing, PasswordMissing, Blank, NothingForOthers] {
            let fatal = Fatal::AuthMissing(refusal);
            assert_eq!(fatal.code(), 3);
            assert!(fatal.line().contains("openclaw config set"), "{}", fatal.line());
        }
    }
}

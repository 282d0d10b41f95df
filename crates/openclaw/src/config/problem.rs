//! What can be wrong with a configuration, in words for the person who wrote it.
//!
//! A [`Problem`] stops the gateway; a [`Warning`] never does. Neither ever holds a secret: a
//! wrong value at a secret's place is described by its kind alone.

use std::fmt;
use std::path::{Path, PathBuf};

use super::tree::{Origin, SyntaxError};

/// How the names of secrets end, whatever comes before: `token` and `botToken`, not `maxTokens`.
const SECRET_ENDINGS: &[&str] =
    &["apikey", "apikeys", "credential", "passphrase", "password", "privatekey", "secret", "token"];

/// Whether the value at this path is a secret. Entries of a list are what the list is.
pub(crate) fn is_secret<Name: AsRef<str>>(path: &[Name]) -> bool {
    let is_index = |name: &&str| name.bytes().all(|byte| byte.is_ascii_digit());
    let mut names = path.iter().map(AsRef::as_ref);
    path.iter().map(AsRef::as_ref).rev().find(|name| !is_index(name)).is_some_and(is_secret_name)
        || path.iter().any(|name| name.as_ref() == "headers")
        // Variables that stock OpenClaw sets from the file; what they hold is anybody's guess.
        || names.next() == Some("env") && names.next().is_some()
        // And those that it sets for a skill.
        || matches!(path, [first, second, _, fourth, _, ..]
            if [first, second, fourth].map(AsRef::as_ref) == ["skills", "entries", "env"])
}

/// Whether a key of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name: String = name.chars().filter(|letter| *letter != '_' && *letter != '-').collect();
    let name = name.to_ascii_lowercase();
    SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// One value that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    /// Where in the tree; empty for the whole.
    pub(crate) path: Vec<String>,
    /// Where it was written; absent only until the reader fills it in.
    pub(crate) origin: Option<Origin>,
    pub(crate) cause: Cause,
}

/// Why a value cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cause {
    /// Another type, or outside what is allowed.
    Unfit { found: String, allowed: String },
    /// `${NAME}` with nothing behind it.
    Unset { variable: String },
    /// A key that has no default is not there.
    Missing { key: &'static str },
    /// Anything else, said by the value's own type.
    Other(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit { found, allowed } => {
                write!(formatter, "found {found}; allowed: {allowed}")
            }
            Self::Unset { variable } => {
                write!(formatter, "refers to ${{{variable}}}, but the environment variable {variable} is not set")
            }
            Self::Missing { key } => write!(formatter, "the key {key:?} is missing"),
            Self::Other(message) => formatter.write_str(message),
        }
    }
}

impl Problem {
    /// Something wrong with the whole.
    pub(crate) fn whole(message: String) -> Self {
        Self { path: Vec::new(), origin: None, cause: Cause::Other(message) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path.join("."))?;
        }
        self.cause.fmt(formatter)
    }
}

/// Something odd that the gateway can live with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) path: Vec<String>,
    pub(crate) origin: Option<Origin>,
    pub(crate) kind: Oddity,
}

/// Why a warning is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// Nobody knows this key; the nearest that somebody does.
    Unknown { nearest: Option<&'static str> },
    /// Stock OpenClaw has it, this version does not use it.
    Unused,
    /// The same key stands later again, and that one counts.
    Twice,
    /// Anything else.
    Other(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.join(".");
        match &self.kind {
            Oddity::Unknown { nearest: Some(nearest) } => {
                write!(formatter, "unknown key {path:?}; did you mean {nearest:?}? It is ignored")
            }
            Oddity::Unknown { nearest: None } => {
                write!(formatter, "unknown key {path:?}; it is ignored")
            }
            Oddity::Unused => write!(formatter, "{path:?} is not used by this version"),
            Oddity::Twice => write!(formatter, "{path:?} stands here and again later; the last one counts"),
            Oddity::Other(message) => formatter.write_str(message),
        }
    }
}

/// Puts the place a value was written before what is said about it.
pub(crate) fn located(file: &Path, origin: Option<&Origin>, message: &dyn fmt::Display) -> String {
    match origin {
        Some(Origin::File { line, column }) => {
            format!("{}:{line}:{column}: {message}", file.display())
        }
        Some(Origin::Environment(name)) => format!("environment variable {name}: {message}"),
        Some(Origin::Flag(name)) => format!("{name}: {message}"),
        None => format!("{}: {message}", file.display()),
    }
}

/// Why no configuration could be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file is there and cannot be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is not JSON5.
    #[error("{}:{}:{}: {}", path.display(), source.line, source.column, source.message)]
    Syntax { path: PathBuf, source: SyntaxError },
    /// Values that cannot be used; never empty.
    #[error("{}", list(path, problems))]
    Invalid { path: PathBuf, problems: Vec<Problem> },
    /// The file could not be written; it is as it was.
    #[error("{}: cannot be written", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// No home directory, and none was named.
    #[error("no state directory: HOME is not set; set OPENCLAW_STATE_DIR")]
    NoHome,
}

impl ConfigError {
    /// Whether a flag is to blame, which is a usage error and not one of the file.
    pub(crate) fn is_flag(&self) -> bool {
        matches!(self, Self::Invalid { problems, .. }
            if problems.iter().any(|problem| matches!(problem.origin, Some(Origin::Flag(_)))))
    }
}

/// The first problem in full and the number of the others: errors are one line.
fn list(path: &Path, problems: &[Problem]) -> String {
    let Some(first) = problems.first() else {
        return format!("{}: invalid", path.display());
    };
    let line = located(path, first.origin.as_ref(), first);
    match problems.len() - 1 {
        0 => line,
        1 => format!("{line} (and one more problem)"),
        more => format!("{line} (and {more} more problems)"),
    }
}

//! Typed ids: sixteen bytes inside, a prefix outside.
//!
//! `task_…` and `run_…` are two spellings of one id: a run is the task that carries it out.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Where new ids come from; a seeded one in tests.
pub trait IdSource: Send + Sync {
    /// A fresh time-ordered UUID (version 7 in production).
    fn next(&self) -> Uuid;
    /// `bytes` filled with unpredictable bytes, for nonces and secrets.
    fn fill(&self, bytes: &mut [u8]);
}

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id: expected `{kind}_` and 32 hexadecimal digits, found {found:?}")]
pub struct ParseIdError {
    /// The prefix that was expected, without the underscore.
    pub kind: &'static str,
    /// What stood there instead, cut to 64 characters.
    pub found: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// What the id starts with, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The id around these bytes.
            pub const fn from_uuid(uuid: Uuid) -> Self { Self(uuid) }
            /// A fresh id.
            pub fn new(ids: &dyn IdSource) -> Self { Self(ids.next()) }
            /// The sixteen bytes, as stored.
            pub const fn uuid(self) -> Uuid { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.as_simple())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse(text, $prefix).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A durable piece of work.
    TaskId = "task";
    /// A conversation's history.
    SessionId = "sess";
    /// One HTTP request or WebSocket call, in logs and `x-request-id`.
    RequestId = "req";
    /// One open socket.
    ConnectionId = "conn";
    /// A stored API key.
    ApiKeyId = "key";
    /// A question whether a call may be made.
    ApprovalId = "appr";
    /// A device's wish to be paired.
    PairingId = "pair";
    /// Something an agent remembers.
    MemoryId = "mem";
}

impl SessionId {
    /// As stock clients know a session: the sixteen bytes as a UUID, without the prefix.
    pub fn shown(self) -> String {
        self.0.hyphenated().to_string()
    }

    /// What [`shown`](Self::shown) gives, read back; nothing for any other name.
    pub fn from_shown(text: &str) -> Option<Self> {
        let text = text.trim();
        Some(Self(Uuid::try_parse(text).ok()?)).filter(|id| id.shown().eq_ignore_ascii_case(text))
    }
}

impl TaskId {
    /// The same id as runs are called outside: `run_…`.
    pub fn as_run(self) -> String {
        format!("run_{}", self.0.as_simple())
    }

    /// Reads either spelling, `task_…` or `run_…`.
    pub fn from_either(text: &str) -> Result<Self, ParseIdError> {
        parse(text, "run").map(Self).or_else(|_| text.parse())
    }
}

fn parse(text: &str, prefix: &'static str) -> Result<Uuid, ParseIdError> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|hex| hex.len() == 32)
        .and_then(|hex| Uuid::try_parse(hex).ok())
        .ok_or_else(|| ParseIdError { kind: prefix, found: text.chars().take(64).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: Uuid = Uuid::from_u128(7);

    #[test]
    fn an_id_prints_with_its_prefix_and_reads_back() {
        let id = TaskId::from_uuid(SEVEN);
        assert_eq!(id.to_string(), "task_00000000000000000000000000000007");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_refuses_another_prefix_dashes_and_bad_lengths() {
        for text in [
            "run_00000000000000000000000000000007",
            "task_7",
            "task-00000000000000000000000000000007",
            "",
            "task_",
            "task_00000000-0000-0000-0000-000000000007",
            "task_0000000000000000000000000000000g",
        ] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_session_is_shown_as_a_uuid_and_nothing_else_is_one() {
        let id = SessionId::from_uuid(SEVEN);
        assert_eq!(id.shown(), "00000000-0000-0000-0000-000000000007");
        assert_eq!(SessionId::from_shown(&id.shown()), Some(id));
        for other in ["00000000000000000000000000000007", "{00000000-0000-0000-0000-000000000007}", "main", ""] {
            assert_eq!(SessionId::from_shown(other), None, "{other}");
        }
    }

    #[test]
    fn a_run_is_spelled_from_its_task() {
        let id = TaskId::from_uuid(SEVEN);
        assert_eq!(id.as_run(), "run_00000000000000000000000000000007");
        assert_eq!(TaskId::from_either(&id.as_run()), Ok(id));
        assert_eq!(TaskId::from_either(&id.to_string()), Ok(id));
        assert!(TaskId::from_either("sess_00000000000000000000000000000007").is_err());
    }
}

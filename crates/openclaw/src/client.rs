//! The command line as a client: one WebSocket to the gateway, dialect B.
//!
//! Knows how to get in, ask and listen; knows no command. [`target`] says where the gateway is and
//! what opens it, [`connection`] holds the socket, [`answers`] reads as much of an answer as the
//! commands show. Whatever goes wrong becomes one line that says how to mend it.

pub(crate) mod answers;
pub(crate) mod connection;
pub(crate) mod target;

use std::future::Future;

use serde::Deserialize;
use tokio_tungstenite::tungstenite;

pub(crate) use self::connection::{Connection, Incoming, Payload};
pub(crate) use self::target::{Reach, Target};
use crate::exit::{Fatal, chain};

/// Why a gateway gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens there.
    #[error("no gateway answers on {place}")]
    NotRunning { place: String, is_local: bool },
    /// Somebody may, but no WebSocket came of it.
    #[error("cannot open a WebSocket to {place}")]
    Unreachable {
        place: String,
        #[source]
        source: Box<tungstenite::Error>,
    },
    /// It wants another credential, or any.
    #[error("the gateway on {place} does not accept {credential}: {message}")]
    Unauthorized { place: String, credential: String, message: String, mend: String },
    /// It said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection ended before the answer.
    #[error("the connection to the gateway broke: {reason}")]
    Lost { reason: String },
    /// The answer is overdue.
    #[error("the gateway has not answered {what} within {seconds} s")]
    TooSlow { what: &'static str, seconds: u64 },
    /// The answer is not of this protocol.
    #[error("the gateway's answer to {what} cannot be read")]
    Unexpected {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
}

/// The error of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// An upper-case word.
    #[serde(default)]
    pub(crate) code: String,
    /// For people.
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) details: Option<RefusalDetails>,
}

/// What programs read of a refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct RefusalDetails {
    #[serde(default)]
    pub(crate) code: Option<String>,
}

impl Refusal {
    /// Whether what was asked for is to blame, and not what happened on the way.
    fn is_about_the_question(&self) -> bool {
        let failed = self.details.as_ref().and_then(|details| details.code.as_deref()) == Some("RUN_FAILED");
        matches!(self.code.as_str(), "INVALID_REQUEST" | "NOT_FOUND") && !failed
    }

    /// Whether the credential is to blame.
    pub(crate) fn is_about_credentials(&self) -> bool {
        let detail = self.details.as_ref().and_then(|details| details.code.as_deref()).unwrap_or_default();
        detail.starts_with("AUTH_") || self.code == "UNAUTHORIZED" || self.message.starts_with("unauthorized")
    }
}

impl From<ClientError> for Fatal {
    fn from(error: ClientError) -> Self {
        let cause = chain(&error);
        let mend = match error {
            ClientError::NotRunning { is_local: true, .. } => "start one with `openclaw gateway start`".to_owned(),
            ClientError::NotRunning { is_local: false, .. } | ClientError::Unreachable { .. } => {
                "check the address and whether a gateway runs there".to_owned()
            }
            ClientError::Unauthorized { mend, .. } => return Self::Unauthorized { cause, mend },
            ClientError::Refused(refusal) => {
                let mend = refusal_mend(&refusal);
                return if refusal.is_about_the_question() {
                    Self::asked(cause, mend)
                } else {
                    Self::other(cause, mend)
                };
            }
            ClientError::Lost { .. } => "see `openclaw gateway status` and try again".to_owned(),
            ClientError::TooSlow { .. } => "see `openclaw gateway status` and the log".to_owned(),
            ClientError::Unexpected { .. } => "use the same version of openclaw on both sides".to_owned(),
        };
        Self::other(cause, mend)
    }
}

/// What can be done about a refusal: one line for each kind there is.
fn refusal_mend(refusal: &Refusal) -> String {
    let has = |text: &str| refusal.message.contains(text);
    let detail = refusal.details.as_ref().and_then(|details| details.code.as_deref()).unwrap_or_default();
    if has("missing scope") {
        return "use a key with that scope, or the gateway's own token".to_owned();
    }
    if has("unknown method") {
        return "the gateway is of another version; restart it with `openclaw gateway restart`".to_owned();
    }
    if has(r#"no tool "sessions_send""#) {
        return "only a run may call it: ask an agent".to_owned();
    }
    if [r#"no tool "exec""#, r#"no tool "process""#, r#"no tool "bash""#].into_iter().any(has) {
        return "commands are denied while `tools.exec.security` is \"deny\" or `tools` denies them; \
                `openclaw tools list` shows what there is"
            .to_owned();
    }
    let mend = match (refusal.code.as_str(), detail) {
        ("NOT_FOUND", _) => return format!("`openclaw {}` shows what there is", list_of(&refusal.message)),
        (_, "RUN_FAILED") => "see `openclaw providers test` and `openclaw logs`",
        ("INVALID_REQUEST", _) if has("no configured provider has the model") => {
            "choose one that `openclaw models list` shows"
        }
        ("INVALID_REQUEST", _) => "correct it; `--help` behind the command says what it takes",
        ("CONFLICT", _) => "look at it again: it is not in a state for that",
        ("FORBIDDEN", _) => "use the gateway's own token, or one that may",
        ("RATE_LIMITED", _) => "wait a little and try again",
        ("UNAVAILABLE" | "AGENT_TIMEOUT", _) => "try again later; `openclaw health` says how the gateway is",
        _ => "see `openclaw logs`",
    };
    mend.to_owned()
}

/// The command that lists what was not found: `no task "x"` is about tasks.
fn list_of(message: &str) -> &'static str {
    let what = message.strip_prefix("no ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    match what {
        "task" => "tasks list",
        "session" => "sessions list",
        "approval" => "approvals list",
        "memory" => "memory list",
        "tool" => "tools list",
        "key" => "keys list",
        "skill" => "skills list",
        "agent" => "config get agents",
        "device" | "pairing" | "request" => "devices list",
        _ => "status",
    }
}

/// Runs a command's future on a small runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Fatal>>) -> Result<T, Fatal> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fatal::other(format!("cannot start the runtime: {error}"), "free some memory"))?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_fail_says_what_to_do() {
        let place = || "127.0.0.1:1".to_owned();
        let refusal = |text: &str| serde_json::from_str::<Refusal>(text).unwrap();
        let unread = serde_json::from_str::<u8>("x").unwrap_err();
        let table = [
            (ClientError::NotRunning { place: place(), is_local: true }, "; start one with `openclaw gateway start`"),
            (ClientError::NotRunning { place: place(), is_local: false }, "; check the address"),
            (
                ClientError::Unauthorized {
                    place: place(),
                    credential: "the token in OPENCLAW_GATEWAY_TOKEN".to_owned(),
                    message: "mismatch".to_owned(),
                    mend: "unset it".to_owned(),
                },
                "does not accept the token in OPENCLAW_GATEWAY_TOKEN: mismatch; unset it",
            ),
            (
                ClientError::Refused(refusal(r#"{"code":"FORBIDDEN","message":"missing scope: operator.admin"}"#)),
                "missing scope: operator.admin; use a key",
            ),
            (
                ClientError::Refused(refusal(r#"{"code":"NOT_FOUND","message":"no memory \"x\""}"#)),
                "no memory \"x\"; `openclaw memory list` shows what there is",
            ),
            (
                ClientError::Refused(refusal(r#"{"code":"NOT_FOUND","message":"no tool \"exec\""}"#)),
                "no tool \"exec\"; commands are denied while `tools.exec.security` is \"deny\" or `tools` denies them; \
                 `openclaw tools list` shows what there is",
            ),
            (
                ClientError::Refused(refusal(r#"{"code":"NOT_FOUND","message":"no tool \"sessions_send\""}"#)),
                "no tool \"sessions_send\"; only a run may call it",
            ),
            (
                ClientError::Refused(refusal(r#"{"code":"INVALID_REQUEST","message":"text: must not be empty"}"#)),
                "must not be empty; correct it; `--help`",
            ),
            (
                ClientError::Refused(refusal(
                    r#"{"code":"INVALID_REQUEST","message":"p answered HTTP 400","details":{"code":"RUN_FAILED"}}"#,
                )),
                "HTTP 400; see `openclaw providers test`",
            ),
            (ClientError::Refused(refusal(r#"{"code":"CONFLICT","message":"done"}"#)), "done; look at it again"),
            (ClientError::Refused(refusal(r#"{"code":"UNAVAILABLE","message":"full"}"#)), "full; try again later"),
            (ClientError::Refused(refusal(r#"{"code":"ODD","message":"odd"}"#)), "odd; see `openclaw logs`"),
            (ClientError::Lost { reason: "x".to_owned() }, "broke: x; see"),
            (ClientError::TooSlow { what: "health", seconds: 3 }, "answered health within 3 s; see"),
            (ClientError::Unexpected { what: "health", source: unread }, "; use the same version"),
        ];
        for (error, words) in table {
            let fatal = Fatal::from(error);
            let expected = match words {
                words if words.contains("does not accept") => 3,
                words if words.starts_with("no ") || words.contains("--help") => 64,
                _ => 70,
            };
            assert_eq!(fatal.code(), expected, "{}", fatal.line());
            assert!(fatal.line().contains(words), "{}", fatal.line());
        }
    }

    #[test]
    fn a_wrong_token_is_told_from_other_refusals() {
        let read = |text: &str| serde_json::from_str::<Refusal>(text).unwrap().is_about_credentials();
        assert!(read(r#"{"code":"INVALID_REQUEST","message":"x","details":{"code":"AUTH_TOKEN_MISMATCH"}}"#));
        assert!(read(r#"{"message":"unauthorized: no token"}"#));
        assert!(!read(r#"{"code":"INVALID_REQUEST","message":"x","details":{"code":"PROTOCOL_MISMATCH","more":1}}"#));
    }
}

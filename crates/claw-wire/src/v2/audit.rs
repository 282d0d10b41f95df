//! The audit log: what is asked for, and how an entry is shown, over both doors.

use std::collections::BTreeMap;

use claw_core::Timestamp;
use claw_core::audit::{self, Actor, Kind, Recorded, hex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::BadRequest;

/// Parameters of `audit.list`, and the query of `GET /v2/audit`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Question {
    /// A kind, as `key.created`, or the word that several begin with, as `key`.
    pub kind: Option<String>,
    /// A principal's id, `nobody` or `gateway`.
    pub actor: Option<String>,
    /// ISO 8601 with an offset; only entries from then on.
    pub since: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
    /// The `nextCursor` of an earlier page.
    pub cursor: Option<String>,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// All when empty.
    pub kinds: Vec<Kind>,
    /// By whom.
    pub actor: Option<String>,
    /// From when on.
    pub since: Option<Timestamp>,
    /// How many at most.
    pub limit: Option<u32>,
    /// Where the page begins.
    pub cursor: Option<i64>,
}

impl TryFrom<Question> for Asked {
    type Error = BadRequest;

    fn try_from(question: Question) -> Result<Self, BadRequest> {
        let Question { kind, actor, since, limit, cursor } = question;
        let kinds = kind.as_deref().map(Kind::matching).unwrap_or_default();
        if let Some(kind) = kind
            && kinds.is_empty()
        {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            let shown: String = kind.chars().take(80).collect();
            return Err(BadRequest::of("kind", format!("must be one of {}, found {shown:?}", known.join(", "))));
        }
        let moment = |text: String| {
            let bad = || BadRequest::of("since", "must be a moment such as \"2026-02-16T00:00:00Z\"");
            Timestamp::parse(&text).ok_or_else(bad)
        };
        let place = |text: String| {
            text.parse().map_err(|_| BadRequest::of("cursor", "must be the nextCursor of an earlier page"))
        };
        Ok(Self { kinds, actor, since: since.map(moment).transpose()?, limit, cursor: cursor.map(place).transpose()? })
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub n: u64,
    /// ISO 8601.
    pub at: String,
    /// As `login.failed`.
    pub kind: &'static str,
    /// A principal's id, `nobody` or `gateway`.
    pub actor: String,
    /// As `websocket`.
    pub door: &'static str,
    /// What it was done to.
    pub subject: String,
    /// As `done`.
    pub outcome: &'static str,
    /// More of it; names depend on the kind.
    pub details: BTreeMap<String, String>,
    /// SHA-256 over the entry before and this one, in hexadecimal.
    pub hash: String,
}

impl From<Recorded> for Entry {
    fn from(recorded: Recorded) -> Self {
        let Recorded { n, entry, hash } = recorded;
        let audit::Entry { at, kind, actor: Actor { name, door }, subject, outcome, details } = entry;
        Self {
            n,
            at: at.to_string(),
            kind: kind.as_str(),
            actor: name.to_string(),
            door: door.as_str(),
            subject,
            outcome: outcome.as_str(),
            details,
            hash: hex(&hash),
        }
    }
}

/// Entries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// Perhaps none, although there are more.
    pub entries: Vec<Entry>,
    /// What to write into `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_understood_or_its_wrong_part_is_named() {
        let whole = Question {
            kind: Some("login".into()),
            actor: Some("nobody".into()),
            since: Some("1970-01-01T00:00:01Z".into()),
            limit: Some(3),
            cursor: Some("7".into()),
        };
        let asked = Asked {
            kinds: vec![Kind::LoginFailed, Kind::LoginLocked],
            actor: Some("nobody".into()),
            since: Some(Timestamp::from_millis(1000)),
            limit: Some(3),
            cursor: Some(7),
        };
        assert_eq!(Asked::try_from(whole).unwrap(), asked);
        for (name, question) in [
            ("kind", Question { kind: Some("log".into()), ..Question::default() }),
            ("kind", Question { kind: Some(String::new()), ..Question::default() }),
            ("since", Question { since: Some("yesterday".into()), ..Question::default() }),
            ("cursor", Question { cursor: Some("x".into()), ..Question::default() }),
        ] {
            assert_eq!(Asked::try_from(question).unwrap_err().param.as_deref(), Some(name));
        }
    }
}

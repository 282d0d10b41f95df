//! What is written down for good: who did what that matters to safety, by which door, and what came of it.
//!
//! An entry names things and never holds them: no value of a setting, no text of a key, no output of a
//! command. The store appends entries to a chain of hashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::approval::visible;
use crate::principal::PrincipalId;
use crate::time::Timestamp;

/// Longest value of one detail, in bytes; what is longer is cut.
pub const DETAIL_BYTES_MAX: usize = 4096;
/// Longest subject, in bytes; what is longer is cut.
pub const SUBJECT_BYTES_MAX: usize = 512;

/// Makes a plain enum with the names it is stored and shown by.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
            /// The one of that name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

words! {
    /// What happened.
    Kind {
        /// A wrong credential.
        LoginFailed = "login.failed",
        /// One too many: nothing of that address is tried for a while.
        LoginLocked = "login.locked",
        /// An API key was made.
        KeyCreated = "key.created",
        /// An API key was made worthless.
        KeyRevoked = "key.revoked",
        /// A device's wish was granted.
        DeviceApproved = "device.approved",
        /// A device's wish was refused.
        DeviceRejected = "device.rejected",
        /// A device was forgotten.
        DeviceRemoved = "device.removed",
        /// A device got a token.
        TokenIssued = "device.token.issued",
        /// A device's token was replaced.
        TokenRotated = "device.token.rotated",
        /// A device's token was made worthless.
        TokenRevoked = "device.token.revoked",
        /// Somebody may do more than before.
        ScopesGrown = "scopes.grown",
        /// The configuration changed, or a change of it was refused.
        ConfigChanged = "config.changed",
        /// A run asks whether it may make a call.
        ApprovalAsked = "approval.asked",
        /// Somebody said whether.
        ApprovalDecided = "approval.decided",
        /// The question came to its end: its call is made, or never will be.
        ApprovalClosed = "approval.closed",
        /// A command is about to begin.
        ExecStarted = "exec.started",
        /// A command has ended.
        ExecEnded = "exec.ended",
        /// A skill was installed.
        SkillInstalled = "skill.installed",
        /// A skill was removed.
        SkillRemoved = "skill.removed",
        /// A changed skill was accepted as it is.
        SkillPinned = "skill.pinned",
        /// Strangers' words in files were accepted as they are.
        FilesTrusted = "files.trusted",
        /// Old rows of the log itself were taken away, up to the one that is named with its hash.
        AuditPruned = "audit.pruned",
    }
}

words! {
    /// What came of it.
    Outcome {
        /// It was done.
        Done = "done",
        /// It was refused.
        Refused = "refused",
        /// It was tried and did not work.
        Failed = "failed",
        /// It may be done.
        Allowed = "allowed",
        /// It may not.
        Denied = "denied",
        /// It was allowed and is done now.
        Used = "used",
        /// Nobody decided in time, or it was not done in time.
        Expired = "expired",
        /// What it was about is gone.
        Void = "void",
    }
}

words! {
    /// How it came here.
    Door {
        /// A plain request.
        Http = "http",
        /// A socket.
        WebSocket = "websocket",
        /// A hook.
        Hook = "hook",
        /// The command line, beside the gateway.
        Cli = "cli",
        /// The configuration file, which has changed on the disk.
        File = "file",
        /// A signal.
        Signal = "signal",
        /// The start of the gateway.
        Start = "start",
        /// A run of an agent.
        Run = "run",
        /// Nobody: the gateway itself.
        Gateway = "gateway",
    }
}

impl Kind {
    /// Those of that name, or whose names begin with that word: `key` means `key.created` and `key.revoked`.
    pub fn matching(word: &str) -> Vec<Self> {
        let is_meant = |kind: &Self| {
            let rest = kind.as_str().strip_prefix(word);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        Self::ALL.iter().copied().filter(is_meant).collect()
    }
}

/// Who did it, and by which door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A principal's id; `nobody` for whoever has not come in, `gateway` for the gateway itself.
    pub name: Arc<str>,
    /// How it came here.
    pub door: Door,
}

impl Actor {
    /// A principal.
    pub fn of(principal: &PrincipalId, door: Door) -> Self {
        Self { name: principal.shared(), door }
    }
    /// Whoever has not come in.
    pub fn nobody(door: Door) -> Self {
        Self { name: "nobody".into(), door }
    }
    /// The gateway itself.
    pub fn gateway(door: Door) -> Self {
        Self { name: "gateway".into(), door }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: Kind,
    /// Who did it.
    pub actor: Actor,
    /// To what: an id, an address, a name.
    pub subject: String,
    /// What came of it.
    pub outcome: Outcome,
    /// More of it, by name.
    pub details: BTreeMap<String, String>,
}

impl Entry {
    /// It was done. What a stranger may have written of the subject is made [`visible`].
    pub fn new(at: Timestamp, kind: Kind, actor: Actor, subject: &str) -> Self {
        let subject = short(subject, SUBJECT_BYTES_MAX);
        Self { at, kind, actor, subject, outcome: Outcome::Done, details: BTreeMap::new() }
    }

    /// What came of it.
    #[must_use]
    pub fn ended(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// One more detail; an empty one is left out, a long one cut.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if !value.as_ref().is_empty() {
            self.details.insert(name.to_owned(), short(value.as_ref(), DETAIL_BYTES_MAX));
        }
        self
    }

    /// A digest among the details.
    #[must_use]
    pub fn with_digest(self, name: &str, digest: &[u8; 32]) -> Self {
        self.with(name, hex(digest))
    }
}

/// A digest as it is shown.
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(half), 16));
        }
        text
    })
}

fn short(text: &str, bytes_max: usize) -> String {
    let mut shown = visible(text);
    if shown.len() > bytes_max {
        let mut end = bytes_max - "…".len();
        while !shown.is_char_boundary(end) {
            end -= 1;
        }
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// An entry in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its number, from 1, without gaps.
    pub n: u64,
    /// What happened.
    pub entry: Entry,
    /// Of everything up to it.
    pub hash: [u8; 32],
}

/// The port to where entries are kept.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Writes an entry down; it is on disk when this returns. Errors: it is not, so what it is about must not be done.
    async fn record(&self, entry: Entry) -> Result<(), String>;
    /// Writes an entry down while the caller goes on. Never waits.
    fn note(&self, entry: Entry);
    /// The wall-clock time of entries.
    fn now(&self) -> Timestamp;
}

/// Nobody writes anything down.
#[async_trait]
impl Ledger for () {
    async fn record(&self, _: Entry) -> Result<(), String> {
        Ok(())
    }
    fn note(&self, _: Entry) {}
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_all_kinds_that_begin_with_it() {
        assert_eq!(Kind::matching("key"), [Kind::KeyCreated, Kind::KeyRevoked]);
        assert_eq!(Kind::matching("device.token"), [Kind::TokenIssued, Kind::TokenRotated, Kind::TokenRevoked]);
        assert_eq!(Kind::matching("exec.ended"), [Kind::ExecEnded]);
        for nothing in ["", "ke", "key.", "keys"] {
            assert_eq!(Kind::matching(nothing), [], "{nothing}");
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn what_strangers_wrote_is_shown_and_short() {
        let entry = Entry::new(Timestamp::default(), Kind::LoginFailed, Actor::nobody(Door::Http), "a\u{1b}[2K\nb")
            .with("empty", "")
            .with("long", "ü".repeat(DETAIL_BYTES_MAX));
        assert_eq!(entry.subject, "a\\u{1b}[2K\\nb");
        assert_eq!(entry.details.keys().collect::<Vec<_>>(), ["long"]);
        let long = &entry.details["long"];
        assert!(long.len() <= DETAIL_BYTES_MAX && long.ends_with("ü…"), "{}", long.len());
        assert_eq!(hex(&[0x0f; 32]), "0f".repeat(32));
    }
}

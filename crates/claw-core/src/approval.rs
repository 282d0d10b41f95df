//! What a call would do exactly, and the question whether it may.
//!
//! A question is bound to the digest of one exact plan, is answered once, lets one call be made
//! once, and runs out. Whatever goes wrong with it denies.

use std::fmt::Write as _;

use crate::principal::PrincipalId;
use crate::session::{AgentId, SessionKey};
use crate::time::Timestamp;
use crate::{ApprovalId, TaskId};

/// Longest text that is shown to whoever decides, in bytes; a longer plan is denied, never cut.
pub const SHOWN_BYTES_MAX: usize = 16 * 1024;

/// What a call would do, and whether it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whether it may.
    pub verdict: Verdict,
    /// Whether it reaches beyond the agent's own things: commands, messages, the configuration.
    pub acts: bool,
    /// The plan for people, made by [`visible`] wherever it holds what others wrote. None where the
    /// name of the tool and its arguments say everything.
    pub shown: Option<String>,
    /// SHA-256 of all that the plan is made of: also of what cannot be shown, as a program's bytes.
    pub digest: [u8; 32],
}

/// Whether a call may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As far as the tool is concerned.
    Allow,
    /// The same, but where somebody had to be asked nobody could be: what it is made of cannot be bound to an answer.
    /// Why, for the model.
    Unbound(String),
    /// If somebody says so.
    Ask,
    /// Not at all; why, for the model.
    Deny(String),
}

impl Plan {
    /// Nobody has to be asked, and the arguments say everything.
    pub const fn free() -> Self {
        Self { verdict: Verdict::Allow, acts: false, shown: None, digest: [0; 32] }
    }

    /// It is not done; why, for the model.
    pub fn denied(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Deny(why.into()), ..Self::free() }
    }
}

/// A question whether a call may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The task that wants to make the call.
    pub task: TaskId,
    /// In which round of its turn, from 0.
    pub round: u32,
    /// The call's own id.
    pub call_id: String,
    /// The tool, by its own name.
    pub tool: String,
    /// Whose task it is; who may decide must see it.
    pub owner: PrincipalId,
    /// The agent.
    pub agent: AgentId,
    /// The conversation.
    pub session: SessionKey,
    /// The whole plan, for people; this text is part of what is hashed.
    pub shown: String,
    /// Why somebody is asked.
    pub reason: Reason,
    /// Of the exact plan and what is shown of it.
    pub digest: [u8; 32],
    /// When it was asked.
    pub created_at: Timestamp,
    /// From then on it is denied.
    pub expires_at: Timestamp,
    /// What became of it.
    pub state: ApprovalState,
    /// Who decided: a principal, or the gateway itself; absent while nobody has.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
}

impl Approval {
    /// The state as it counts at this moment: what nobody has decided in time is denied.
    pub fn state_at(&self, now: Timestamp) -> ApprovalState {
        match self.state {
            ApprovalState::Pending | ApprovalState::Allowed if self.expires_at <= now => ApprovalState::Expired,
            state => state,
        }
    }
}

/// Why somebody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The tool's own rules want it: `tools.exec.ask`.
    Tool,
    /// The tool is listed in `tools.ask`.
    Listed,
    /// The conversation holds what strangers wrote.
    Untrusted,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tool, Self::Listed, Self::Untrusted];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Listed => "listed",
            Self::Untrusted => "untrusted",
        }
    }
    /// The reason of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApprovalState {
    /// Nobody has decided.
    Pending,
    /// The call may be made once.
    Allowed,
    /// It may not.
    Denied,
    /// Nobody decided in time, or the call was not made in time: it may not.
    Expired,
    /// It was allowed, and the call was made.
    Used,
    /// What it was about is gone: its task ended, or the plan changed.
    Void,
}

impl ApprovalState {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Allowed, Self::Denied, Self::Expired, Self::Used, Self::Void];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Void => "void",
        }
    }
    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
    /// Whether nothing can come of it any more.
    pub const fn is_closed(self) -> bool {
        !matches!(self, Self::Pending | Self::Allowed)
    }
}

/// What somebody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The call may be made, once.
    AllowOnce,
    /// It may not.
    Deny,
}

/// A text as it can be shown without deceiving: every character that a terminal or a page would act
/// on, hide or turn around stands escaped, so that two different texts never look the same.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            letter if deceives(letter) => {
                let _infallible = write!(shown, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => shown.push(letter),
        }
    }
    shown
}

/// Controls, spaces that are no plain one, marks without width and those that turn the direction of
/// writing, fillers, variation selectors, tags, private letters.
fn deceives(letter: char) -> bool {
    let invisible = [
        0xad..=0xad,
        0x34f..=0x34f,
        0x61c..=0x61c,
        0x115f..=0x1160,
        0x17b4..=0x17b5,
        0x180b..=0x180f,
        0x200b..=0x200f,
        0x202a..=0x202e,
        0x2060..=0x206f,
        0x2800..=0x2800,
        0x3164..=0x3164,
        0xd7b0..=0xf8ff,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xffa0..=0xffa0,
        0xfff0..=0xffff,
        0x1_d173..=0x1_d17a,
        0xe_0000..=0x10_ffff,
    ];
    letter.is_control()
        || (letter.is_whitespace() && letter != ' ')
        || invisible.iter().any(|range| range.contains(&u32::from(letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// adv_61: what is shown is what there is.
    #[test]
    fn adv_61_nothing_in_a_shown_text_acts_on_the_screen_or_hides() {
        let table = [
            ("ls -la", "ls -la"),
            ("a\u{1b}[2Kb", "a\\u{1b}[2Kb"),
            ("a\rb\nc\td", "a\\rb\\nc\\td"),
            ("\\u{1b}", "\\\\u{1b}"),
            ("rm\u{a0}x\u{202e}txt.exe", "rm\\u{a0}x\\u{202e}txt.exe"),
            (
                "a\u{200b}b\u{feff}c\u{e0041}d\u{7f}e\u{85}f\u{2028}g",
                "a\\u{200b}b\\u{feff}c\\u{e0041}d\\u{7f}e\\u{85}f\\u{2028}g",
            ),
            ("grün 漢字", "grün 漢字"),
        ];
        for (text, shown) in table {
            assert_eq!(visible(text), shown);
        }
        assert_ne!(visible("a\nb"), visible("a\\nb"), "no two texts look the same");
    }

    #[test]
    fn what_nobody_decided_in_time_is_denied() {
        let at = Timestamp::from_millis;
        let mut approval = Approval {
            id: ApprovalId::from_uuid(uuid::Uuid::from_u128(1)),
            task: TaskId::from_uuid(uuid::Uuid::from_u128(2)),
            round: 0,
            call_id: "c".into(),
            tool: "exec".into(),
            owner: PrincipalId::operator(),
            agent: AgentId::main(),
            session: SessionKey::main(&AgentId::main()),
            shown: "ls".into(),
            reason: Reason::Tool,
            digest: [0; 32],
            created_at: at(0),
            expires_at: at(10),
            state: ApprovalState::Pending,
            decided_by: None,
            decided_at: None,
        };
        assert_eq!(
            (approval.state_at(at(9)), approval.state_at(at(10))),
            (ApprovalState::Pending, ApprovalState::Expired)
        );
        approval.state = ApprovalState::Allowed;
        assert_eq!(approval.state_at(at(10)), ApprovalState::Expired, "what was allowed does not wait for ever");
        approval.state = ApprovalState::Used;
        assert_eq!(approval.state_at(at(10)), ApprovalState::Used);
        for state in ApprovalState::ALL {
            assert_eq!(ApprovalState::parse(state.as_str()), Some(state));
        }
    }
}

//! What happens while an agent works, as every reader sees it.

use serde::{Deserialize, Serialize};

use crate::message::{Thoughts, ToolCall};
use crate::provider::Usage;
use crate::task::{Failure, Output};
use crate::text::Text;
use crate::time::Timestamp;
use crate::{ApprovalId, TaskId};

/// An event with its place in the run.
///
/// Numbers rise strictly within a task. They may jump: a new attempt starts beyond any number
/// that the attempt before could have shown without having stored it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequenced {
    /// From 1.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: RunEvent,
}

/// One thing that happened. Stored; version 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunEvent {
    /// A worker began; text of an earlier attempt no longer counts.
    Started {
        /// From 1.
        attempt: u32,
        /// `<provider>/<model>`.
        model: String,
    },
    /// More of the answer.
    Text {
        /// What to append.
        delta: String,
    },
    /// More of the words with which the model refuses; they end the answer's text.
    Refusal {
        /// What to append.
        delta: String,
    },
    /// More of the model's reasoning.
    Thinking {
        /// What to append.
        delta: String,
    },
    /// A tool is about to run, or is handed to the caller.
    ToolCall {
        /// Which, with what.
        call: ToolCall,
    },
    /// A tool said something while it works. What it answers is told by its result, whole or cut.
    ToolOutput {
        /// The call that is being made.
        call_id: String,
        /// The tool's name.
        name: String,
        /// What to append to what was shown of it.
        delta: String,
    },
    /// A tool answered.
    ToolResult {
        /// The call this answers.
        call_id: String,
        /// The tool's name.
        name: String,
        /// The answer.
        text: Text,
        /// Whether it failed.
        is_error: bool,
    },
    /// How far it is, in percent.
    Progress {
        /// 0 to 100.
        percent: u8,
    },
    /// Tokens used so far.
    Usage {
        /// Of the whole run.
        usage: Usage,
    },
    /// The model that was asked gave no answer; another one is asked, and nothing is lost.
    Switched {
        /// `<provider>/<model>` that gave none.
        from: String,
        /// `<provider>/<model>` that is asked now.
        to: String,
        /// Why.
        reason: String,
    },
    /// Another gateway had ended the run when the time it gives one was over; it was told to go on.
    Continued {
        /// How often by now, from 1.
        number: u32,
        /// How it had ended it.
        reason: String,
    },
    /// Something said meanwhile was taken up; the model reads it next.
    Steered {
        /// The task that said it. It ends with this run, if this run completes.
        task: TaskId,
        /// What was said.
        text: String,
    },
    /// A call may not be made before somebody allows it; the run waits and holds no worker.
    ApprovalRequested {
        /// The question.
        approval: ApprovalId,
        /// The call.
        call_id: String,
        /// The tool, by its own name.
        name: String,
        /// The whole plan, as it is shown to whoever decides.
        shown: String,
        /// From then on it is denied.
        expires_at: Timestamp,
    },
    /// The run goes on.
    ApprovalResolved {
        /// The question.
        approval: ApprovalId,
        /// The call.
        call_id: String,
        /// What came of it: `allowed`, `denied`, `expired` or `void`.
        state: String,
    },
    /// This attempt failed and another follows.
    Retrying {
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// Not before.
        at: Timestamp,
    },
    /// The end: it worked.
    Completed {
        /// What came of it.
        output: Output,
    },
    /// The end: it did not.
    Failed {
        /// Why.
        failure: Failure,
        /// What the model had said by then.
        partial: String,
    },
    /// The end: somebody stopped it.
    Cancelled {
        /// What the model had said by then.
        partial: String,
    },
}

impl RunEvent {
    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text { delta }
            | Self::Refusal { delta }
            | Self::Thinking { delta }
            | Self::ToolOutput { delta, .. } => delta.len(),
            Self::ToolCall { call } => call.arguments.as_str().len(),
            Self::ToolResult { text, .. } => text.len(),
            Self::Steered { text, .. } | Self::ApprovalRequested { shown: text, .. } => text.len(),
            Self::Completed { output } => output.bytes(),
            Self::Failed { partial, .. } | Self::Cancelled { partial } => partial.len(),
            Self::Started { .. }
            | Self::Progress { .. }
            | Self::Usage { .. }
            | Self::Switched { .. }
            | Self::Continued { .. }
            | Self::ApprovalResolved { .. }
            | Self::Retrying { .. } => 0,
        }
    }
    /// Whether nothing follows.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Failed { .. } | Self::Cancelled { .. })
    }
}

/// A completed tool step of an earlier attempt, replayed instead of repeated (G3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Which round of the turn loop, from 0.
    pub round: u32,
    /// What the model said before it called.
    pub text: Text,
    /// Its reasoning's words, if it reasoned and the turn keeps that; with the round's first call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoned: Option<String>,
    /// What it thought, for its provider alone; with the round's first call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thoughts: Option<Box<Thoughts>>,
    /// What its attempt had used by then; with the round's first call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Box<Used>>,
    /// What else the model asked for in that round, where some of it is the caller's: nobody asks it again, so it must
    /// not be forgotten; with the round's first call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Box<Beside>>,
    /// The call.
    pub call: ToolCall,
    /// Whether a repeat does no harm.
    pub is_idempotent: bool,
    /// Whether it has not been begun: it waits for an approval, or behind one that does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_planned: bool,
    /// The answer; absent while the tool runs, or when it was cut off.
    pub result: Option<ToolOutcome>,
}

impl JournalEntry {
    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let thoughts = self.thoughts.as_ref().map_or(0, |thoughts| thoughts.payload.as_str().len());
        let result = self.result.as_ref().map_or(0, |outcome| outcome.text.len());
        let beside = self.beside.iter().flat_map(|beside| beside.ours.iter().chain(&beside.callers));
        let beside: usize = beside.map(|call| call.arguments.as_str().len()).sum();
        let reasoned = self.reasoned.as_ref().map_or(0, String::len);
        self.text.len() + reasoned + thoughts + beside + self.call.arguments.as_str().len() + result
    }
    /// Whether it was begun and its answer is not known.
    pub const fn is_open(&self) -> bool {
        self.result.is_none() && !self.is_planned
    }
}

/// The other calls of a round in which a model asked the gateway and its caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// The gateway's, behind the first.
    pub ours: Vec<ToolCall>,
    /// The caller's, which are handed over when the gateway's are answered.
    pub callers: Vec<ToolCall>,
}

/// What an attempt has used so far; it counts if the attempt comes to no other end than a death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Which attempt.
    pub attempt: u32,
    /// Its own tokens, of all its rounds.
    pub usage: Usage,
    /// `<provider>/<model>` that answered last.
    pub model: String,
}

/// What a tool answered, as journaled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolOutcome {
    /// The answer.
    pub text: Text,
    /// Whether it failed.
    pub is_error: bool,
}

//! Approvals: what runs ask for, and the answers.

use claw_core::approval::{Approval as CoreApproval, Decision};
use serde::{Deserialize, Serialize};

use crate::BadRequest;

/// A question as whoever decides sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval<'a> {
    /// `appr_…`.
    pub id: String,
    /// `pending`, `allowed`, `denied`, `expired`, `used` or `void`.
    pub state: &'static str,
    /// The task that waits.
    pub task_id: String,
    /// Its conversation.
    pub session_key: &'a str,
    /// Its agent.
    pub agent_id: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// The whole plan; what is allowed is this and nothing else.
    pub shown: &'a str,
    /// `tool`, `listed` or `untrusted`.
    pub reason: &'static str,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601; from then on it is denied.
    pub expires_at: String,
    /// Who decided.
    pub decided_by: Option<&'a str>,
}

impl<'a> From<&'a CoreApproval> for Approval<'a> {
    fn from(approval: &'a CoreApproval) -> Self {
        Self {
            id: approval.id.to_string(),
            state: approval.state.as_str(),
            task_id: approval.task.to_string(),
            session_key: approval.session.as_str(),
            agent_id: approval.agent.as_str(),
            tool: &approval.tool,
            shown: &approval.shown,
            reason: approval.reason.as_str(),
            created_at: approval.created_at.to_string(),
            expires_at: approval.expires_at.to_string(),
            decided_by: approval.decided_by.as_deref(),
        }
    }
}

/// The list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approvals<'a> {
    /// Newest first.
    pub approvals: Vec<Approval<'a>>,
}

/// An answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// `allow-once` or `deny`.
    pub decision: String,
}

impl Answer {
    /// What it says.
    ///
    /// # Errors
    /// It is neither.
    pub fn decision(&self) -> Result<Decision, BadRequest> {
        match self.decision.as_str() {
            "allow-once" => Ok(Decision::AllowOnce),
            "deny" => Ok(Decision::Deny),
            _ => Err(BadRequest::of("decision", "must be \"allow-once\" or \"deny\"")),
        }
    }
}

//! `exec.approval.*`: calls that somebody has to allow, in stock clients' shape, whatever their tool.

use claw_core::Timestamp;
use claw_core::approval::{Approval as CoreApproval, ApprovalState, Decision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::BadRequest;
use crate::v2::approval::Answer;

/// Parameters of `exec.approval.get`.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ApprovalParams {
    pub id: String,
}

/// Parameters of `exec.approval.resolve`.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ResolveParams {
    pub id: String,
    /// `allow-once` or `deny`.
    pub decision: String,
}

impl ResolveParams {
    /// What it says.
    ///
    /// # Errors
    /// It is neither.
    pub fn decision(&self) -> Result<Decision, BadRequest> {
        Answer { decision: self.decision.clone() }.decision()
    }
}

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Approval<'a> {
    pub id: String,
    pub request: Request<'a>,
    pub created_at_ms: i64,
    pub expires_at_ms: i64,
    /// `pending`, `allowed`, `denied`, `expired`, `used` or `void`.
    pub state: &'static str,
    pub allowed_decisions: [&'static str; 2],
    pub resolved_by: Option<&'a str>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Request<'a> {
    /// The whole plan; what is allowed is this and nothing else.
    pub command: &'a str,
    pub tool: &'a str,
    /// `tool`, `listed` or `untrusted`: why somebody is asked.
    pub reason: &'static str,
    pub host: &'static str,
    pub agent_id: &'a str,
    pub session_key: &'a str,
    pub task_id: String,
}

impl<'a> From<&'a CoreApproval> for Approval<'a> {
    fn from(approval: &'a CoreApproval) -> Self {
        Self {
            id: approval.id.to_string(),
            request: Request {
                command: &approval.shown,
                tool: &approval.tool,
                reason: approval.reason.as_str(),
                host: "gateway",
                agent_id: approval.agent.as_str(),
                session_key: approval.session.as_str(),
                task_id: approval.task.to_string(),
            },
            created_at_ms: approval.created_at.millis(),
            expires_at_ms: approval.expires_at.millis(),
            state: approval.state.as_str(),
            allowed_decisions: ["allow-once", "deny"],
            resolved_by: approval.decided_by.as_deref(),
        }
    }
}

/// The answer to `exec.approval.resolve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Decided<'a> {
    pub ok: bool,
    pub approval: Approval<'a>,
}

/// The event `exec.approval.resolved`; nobody's decision is a `deny`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct Resolved<'a> {
    pub id: String,
    pub decision: &'static str,
    pub state: &'static str,
    pub resolved_by: Option<&'a str>,
    pub session_key: &'a str,
    pub ts: i64,
}

impl<'a> Resolved<'a> {
    /// As it stands at this moment.
    pub fn of(approval: &'a CoreApproval, now: Timestamp) -> Self {
        let decision = match approval.state {
            ApprovalState::Allowed | ApprovalState::Used => "allow-once",
            ApprovalState::Pending | ApprovalState::Denied | ApprovalState::Expired | ApprovalState::Void => "deny",
        };
        Self {
            id: approval.id.to_string(),
            decision,
            state: approval.state.as_str(),
            resolved_by: approval.decided_by.as_deref(),
            session_key: approval.session.as_str(),
            ts: approval.decided_at.unwrap_or(now).millis(),
        }
    }
}

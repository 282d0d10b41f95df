//! Approvals: what runs want to do and somebody has to allow, and the answers.
//!
//! Who decides needs the scope for it and must see the task (G13). An answer counts once, before the
//! question runs out, and the run that waits goes on at once.

use std::sync::Arc;

use claw_agent::RunEnd;
use claw_core::approval::{ApprovalState, Decision};
use claw_core::audit::{Actor, Door};
use claw_core::{ApprovalId, Principal, Scope, TaskId, Visibility};
use claw_store::Resolved;
use tokio::sync::broadcast;

pub use claw_core::approval::Approval;

use crate::Error;
use crate::engine::Engine;
use crate::limits::APPROVALS_SHOWN_MAX;
use crate::tasks::require;

/// Approvals.
#[derive(Clone)]
pub struct Approvals(pub(crate) Arc<Engine>);

/// What happens to approvals, for those who may decide about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalNotice {
    /// A run asks.
    Requested(Box<Approval>),
    /// Somebody decided, or nobody did in time, or it is of no use any more.
    Resolved(Box<Approval>),
}

impl ApprovalNotice {
    /// About which.
    pub fn approval(&self) -> &Approval {
        match self {
            Self::Requested(approval) | Self::Resolved(approval) => approval,
        }
    }
}

impl Approvals {
    /// Hears of questions and answers; a listener that is too slow misses the oldest.
    pub fn notices(&self) -> broadcast::Receiver<ApprovalNotice> {
        self.0.approval_notices.listen()
    }

    /// The newest ones first; with `open_only` those that still wait for a decision.
    ///
    /// Errors: `Forbidden` without the scope for approvals.
    pub async fn list(&self, principal: &Principal, open_only: bool) -> Result<Vec<Approval>, Error> {
        require(principal, Scope::Approvals)?;
        self.0.store.settled().await?;
        let now = self.0.clock.now();
        let found = self.0.store.approvals(open_only, &principal.visibility(), APPROVALS_SHOWN_MAX).await?;
        let found = found.into_iter().map(|approval| Approval { state: approval.state_at(now), ..approval });
        Ok(found.filter(|approval| !open_only || approval.state == ApprovalState::Pending).collect())
    }

    /// One of them, as it stands now. Errors: `Forbidden`, `NotFound`.
    pub async fn get(&self, principal: &Principal, reference: &str) -> Result<Approval, Error> {
        require(principal, Scope::Approvals)?;
        let absent = || Error::NotFound { what: "approval", id: reference.chars().take(80).collect() };
        let id: ApprovalId = reference.parse().map_err(|_| absent())?;
        self.0.store.settled().await?;
        let found = self.0.store.approval(id, &principal.visibility()).await?.ok_or_else(absent)?;
        Ok(Approval { state: found.state_at(self.0.clock.now()), ..found })
    }

    /// Decides, once; the run goes on.
    ///
    /// Errors: `Forbidden`, `NotFound`, `Decided` – somebody was faster, or it is too late.
    pub async fn resolve(
        &self,
        principal: &Principal,
        door: Door,
        reference: &str,
        decision: Decision,
    ) -> Result<Approval, Error> {
        let engine = &self.0;
        let Approval { id, task, .. } = self.get(principal, reference).await?;
        let (by, at) = (Actor::of(&principal.id, door), engine.clock.now());
        let resolved = engine.store.resolve_approval(id, task, decision, by, at).await.await;
        match engine.noted(resolved)? {
            Resolved::Done { approval, ticket } => {
                tracing::info!(approval.id = %id, task.id = %task, principal.id = %principal.id, tool = approval.tool,
                    "{id} of {task} is {} by {}", approval.state.as_str(), principal.id);
                engine.approval_notices.tell(ApprovalNotice::Resolved(approval.clone()));
                if let Some(due) = ticket {
                    engine.issue(due).await;
                }
                Ok(*approval)
            }
            Resolved::Decided(approval) => Err(Error::Decided { approval: id, state: approval.state }),
            Resolved::Absent => Err(Error::NotFound { what: "approval", id: id.to_string() }),
        }
    }
}

impl Engine {
    /// Tells of what an attempt asks.
    pub(crate) fn tell_asked(&self, end: &RunEnd) {
        if let Some(approval) = &end.asked {
            self.approval_notices.tell(ApprovalNotice::Requested(approval.clone()));
        }
    }

    /// Tells of approvals of a task that came to their end without anybody's decision.
    pub(crate) async fn tell_closed(&self, task: TaskId) {
        if !self.approval_notices.are_heard() {
            return;
        }
        let now = self.clock.now();
        let Ok(approvals) = self.store.approvals_of(task).await else { return };
        let closed = approvals.into_iter().map(|approval| Approval { state: approval.state_at(now), ..approval });
        for approval in closed.filter(|approval| matches!(approval.state, ApprovalState::Expired | ApprovalState::Void))
        {
            self.approval_notices.tell(ApprovalNotice::Resolved(Box::new(approval)));
        }
    }

    /// A delayed ticket was issued for a task that waits for an approval: had somebody decided just
    /// before, its own ticket was replaced by this later one.
    pub(crate) async fn reissue(&self, task: TaskId) {
        let Ok(Some(known)) = self.store.task(task, &Visibility::All).await else { return };
        let claw_core::TaskState::Queued { not_before } = known.state else { return };
        if not_before <= self.clock.now() {
            let (attempt, lane, priority) = (known.attempt, known.lane, known.priority);
            self.issue(claw_store::DueTicket { id: task, attempt, lane, priority, not_before }).await;
        }
    }
}

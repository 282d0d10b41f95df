//! The verbs of approvals, over the same writer and readers.

use async_trait::async_trait;
use claw_core::approval::{Approval, Decision};
use claw_core::audit::Actor;
use claw_core::{ApprovalId, SessionKey, TaskId, Timestamp, Visibility};
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use super::fault::Fault;
use crate::stored::approval_state_number;
use crate::verbs::{MarkSession, MarkUntrusted, ResolveApproval};
use crate::{ApprovalUse, Approvals, Commit, Resolved, StoreError, UseApproval};

#[async_trait]
impl Approvals for SqliteStore {
    async fn resolve_approval(
        &self,
        id: ApprovalId,
        task: TaskId,
        decision: Decision,
        by: Actor,
        at: Timestamp,
    ) -> Commit<Resolved> {
        self.put(Ok(ResolveApproval { id, task, decision, by, at })).await
    }
    async fn use_approval(&self, wish: UseApproval) -> Commit<ApprovalUse> {
        self.put(Ok(wish)).await
    }
    async fn mark_untrusted(&self, task: TaskId, attempt: u32) -> Commit<bool> {
        self.put(Ok(MarkUntrusted { task, attempt })).await
    }
    async fn mark_session_untrusted(&self, key: SessionKey) -> Commit<()> {
        self.put(Ok(MarkSession { key })).await
    }
    async fn approval(&self, id: ApprovalId, visibility: &Visibility) -> Result<Option<Approval>, StoreError> {
        Ok(self.reader.approval(id, visibility).await?)
    }
    async fn approvals(
        &self,
        open_only: bool,
        visibility: &Visibility,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        Ok(self.reader.approvals(open_only, visibility, limit).await?)
    }
    async fn approvals_of(&self, task: TaskId) -> Result<Vec<Approval>, StoreError> {
        Ok(self.reader.approvals_of(task).await?)
    }
}

const PUT: &str = "INSERT INTO approvals (id, task, round, call_id, tool, shown, reason, digest, created_at, expires_at, \
     state, decided_by, decided_at) SELECT ?1, n, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 FROM tasks \
     WHERE id = ?2 ON CONFLICT (id) DO UPDATE SET state = excluded.state, decided_by = excluded.decided_by, \
     decided_at = excluded.decided_at";

/// Writes those that a batch asked for or changed.
pub(super) async fn write(connection: &mut SqliteConnection, approvals: &[Approval]) -> Result<(), Fault> {
    for approval in approvals {
        let Approval { id, task, round, call_id, tool, shown, reason, digest, .. } = approval;
        sqlx::query(PUT)
            .bind(id.uuid().as_bytes().as_slice())
            .bind(task.uuid().as_bytes().as_slice())
            .bind(i64::from(*round))
            .bind(call_id)
            .bind(tool)
            .bind(shown)
            .bind(reason.as_str())
            .bind(digest.as_slice())
            .bind(approval.created_at.millis())
            .bind(approval.expires_at.millis())
            .bind(approval_state_number(approval.state))
            .bind(&approval.decided_by)
            .bind(approval.decided_at.map(Timestamp::millis))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

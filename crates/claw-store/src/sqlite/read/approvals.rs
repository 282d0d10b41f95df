//! Approvals; those of a deleted conversation are not shown any more.

use claw_core::approval::Approval;
use claw_core::{ApprovalId, TaskId, Visibility};
use sqlx::AssertSqlSafe;

use super::Reader;
use crate::limits::PAGE_ROWS_MAX;
use crate::sqlite::decode::approvals::{APPROVAL_COLUMNS, approval};
use crate::sqlite::fault::Fault;

fn select(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT {APPROVAL_COLUMNS} FROM approvals a CROSS JOIN tasks t ON t.n = a.task \
         CROSS JOIN sessions s ON s.n = t.session {rest}"
    ))
}

impl Reader {
    /// One approval.
    pub(in crate::sqlite) async fn approval(
        &self,
        id: ApprovalId,
        visibility: &Visibility,
    ) -> Result<Option<Approval>, Fault> {
        let query = sqlx::query(select("WHERE a.id = ?1")).bind(id.uuid().as_bytes().to_vec());
        let found = query.fetch_optional(&self.pool).await?.as_ref().map(approval).transpose()?;
        Ok(found.filter(|approval| visibility.sees(&approval.owner)))
    }

    /// The last ones, newest first.
    pub(in crate::sqlite) async fn approvals(
        &self,
        open_only: bool,
        visibility: &Visibility,
        limit: u32,
    ) -> Result<Vec<Approval>, Fault> {
        let open = if open_only { "a.state < 2" } else { "1" };
        let (owner, of) = match visibility {
            Visibility::All => (None, ""),
            Visibility::Owner(owner) => (Some(owner.as_str()), " AND t.owner = ?2"),
        };
        let query = sqlx::query(select(&format!("WHERE {open}{of} ORDER BY a.n DESC LIMIT ?1")));
        let query = query.bind(i64::from(limit.clamp(1, PAGE_ROWS_MAX))).bind(owner);
        query.fetch_all(&self.pool).await?.iter().map(approval).collect()
    }

    /// Those of a task, oldest first.
    pub(in crate::sqlite) async fn approvals_of(&self, task: TaskId) -> Result<Vec<Approval>, Fault> {
        let rest = "WHERE a.task = (SELECT n FROM tasks WHERE id = ?1) ORDER BY a.n LIMIT ?2";
        let query = sqlx::query(select(rest)).bind(task.uuid().as_bytes().to_vec()).bind(i64::from(PAGE_ROWS_MAX));
        query.fetch_all(&self.pool).await?.iter().map(approval).collect()
    }
}

//! Rows about approvals.

use claw_core::approval::{Approval, Reason};
use claw_core::{ApprovalId, PrincipalId, SessionKey, TaskId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::StoreError;
use crate::sqlite::fault::Fault;
use crate::stored::approval_state;

/// The columns of [`approval`], of `a`, its task `t` and that one's session `s`.
pub(in crate::sqlite) const APPROVAL_COLUMNS: &str = "a.id, t.id, a.round, a.call_id, a.tool, t.owner, s.agent, s.key, \
     a.shown, a.reason, a.digest, a.created_at, a.expires_at, a.state, a.decided_by, a.decided_at";

/// An approval.
pub(in crate::sqlite) fn approval(row: &SqliteRow) -> Result<Approval, Fault> {
    let reason: &str = row.try_get(9)?;
    Ok(Approval {
        id: ApprovalId::from_uuid(super::uuid(row, 0)?),
        task: TaskId::from_uuid(super::uuid(row, 1)?),
        round: super::number(row, 2, "round")?,
        call_id: row.try_get(3)?,
        tool: row.try_get(4)?,
        owner: PrincipalId::from_stored(row.try_get(5)?),
        agent: super::agent(row.try_get(6)?)?,
        session: SessionKey::from_stored(row.try_get(7)?),
        shown: row.try_get(8)?,
        reason: Reason::parse(reason).ok_or_else(|| StoreError::Corrupt(format!("reason cannot be {reason:?}")))?,
        digest: super::digest(row.try_get(10)?)?,
        created_at: super::moment(row, 11)?,
        expires_at: super::moment(row, 12)?,
        state: approval_state(row.try_get(13)?)?,
        decided_by: row.try_get(14)?,
        decided_at: row.try_get::<Option<i64>, _>(15)?.map(Timestamp::from_millis),
    })
}

//! The audit log as both doors show it.

use claw_app::{AuditFilter, Cursor, Page};
use claw_core::Principal;
use claw_wire::v2::audit::{Asked, AuditPage, Entry};

use crate::doors::Doors;
use crate::error::Problem;

/// The entries that were asked for.
pub(crate) async fn page(doors: &Doors, principal: &Principal, asked: Asked) -> Result<AuditPage, Problem> {
    let Asked { kinds, actor, since, limit, cursor } = asked;
    let filter = AuditFilter { kinds, actor, since };
    let Page { items, next } = doors.app.audit.list(principal, &filter, cursor.map(Cursor), limit).await?;
    let next = next.map(|Cursor(n)| n.to_string());
    Ok(AuditPage { entries: items.into_iter().map(Entry::from).collect(), has_more: next.is_some(), next_cursor: next })
}

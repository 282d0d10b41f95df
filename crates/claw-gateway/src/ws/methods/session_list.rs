//! `session.list` (C15): conversations in the API reference's words.

use claw_app::{PageStart, Session, SessionFilter};
use claw_core::Scope;
use claw_wire::ws::session::{self, ListParams, SessionList};

use super::{Call, Method};
use crate::error::Problem;
use crate::http::tasks::parse_cursor;

pub(super) struct SessionListing;

impl Method for SessionListing {
    const NAME: &'static str = "session.list";
    const SCOPE: Scope = Scope::Read;
    type Params = ListParams;

    async fn run(call: &Call, params: ListParams) -> Result<(), Problem> {
        let ListParams { limit, cursor } = params;
        let from = cursor.as_deref().map(parse_cursor).transpose()?;
        let from = from.map_or(PageStart::Offset(0), PageStart::Cursor);
        let all = SessionFilter::default();
        let page = call.doors().app.sessions.list(call.principal(), &all, from, limit).await?;
        let next_cursor = page.next.map(|place| place.0.to_string());
        let sessions = page.items.iter().map(shown).collect();
        call.answer(&SessionList { sessions, has_more: next_cursor.is_some(), next_cursor });
        Ok(())
    }
}

/// One conversation (C25).
pub(super) fn shown(session: &Session) -> session::Session {
    session::Session {
        session_key: session.key.to_string(),
        agent_id: session.agent.to_string(),
        channel: None,
        created_at: session.created_at.to_string(),
        updated_at: session.updated_at.to_string(),
        message_count: session.message_count,
    }
}

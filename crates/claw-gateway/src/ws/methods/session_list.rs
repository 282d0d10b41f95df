//! `session.list` (C15): conversations in the API reference's words.

use claw_app::{PageStart, SessionFilter};
use claw_core::Scope;
use claw_wire::ws::session::ListParams;

use super::{Call, Method};
use crate::error::Problem;
use crate::http::tasks::parse_cursor;
use crate::sessions;

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
        call.answer(&sessions::list(&page));
        Ok(())
    }
}

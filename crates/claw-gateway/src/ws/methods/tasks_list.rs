//! `tasks.list`: tasks, newest first.

use claw_app::TaskFilter;
use claw_core::Scope;
use claw_wire::target::Target;
use claw_wire::ws::tasks::ListParams;

use super::{Call, Method};
use crate::error::Problem;
use crate::http::tasks::{page, parse_cursor, parse_status};

pub(super) struct TasksList;

impl Method for TasksList {
    const NAME: &'static str = "tasks.list";
    const SCOPE: Scope = Scope::Read;
    type Params = ListParams;

    async fn run(call: &Call, params: ListParams) -> Result<(), Problem> {
        let ListParams { status, session_key, session_id, limit, cursor } = params;
        let app = &call.doors().app;
        let state = status.as_deref().map(parse_status).transpose()?;
        let mut filter = TaskFilter { state, ..TaskFilter::default() };
        let names = [("sessionKey", session_key.as_deref()), ("sessionId", session_id.as_deref())];
        if let Some(key) = Target::resolve(("agentId", None), &names)?.session {
            let Some(session) = app.sessions.get(call.principal(), &key).await? else {
                call.answer(&page(&[], None));
                return Ok(());
            };
            filter.session = Some(session.id);
        }
        let from = cursor.as_deref().map(parse_cursor).transpose()?;
        let found = app.tasks.list(call.principal(), filter, from, limit).await?;
        call.answer(&page(&found.items, found.next));
        Ok(())
    }
}

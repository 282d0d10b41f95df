//! `session.get` (C16): one conversation and what was said in it, in the API reference's words.

use claw_app::Error;
use claw_core::Scope;
use claw_wire::ws::session::SessionDetail;
use claw_wire::ws::sessions::{HistoryMessage, HistoryParams};

use super::{Call, Method, session_list};
use crate::error::Problem;

/// Messages in one answer when nothing is said.
const LIMIT_DEFAULT: u32 = 100;
/// And at most.
const LIMIT_MAX: u32 = 1000;

pub(super) struct SessionGet;

impl Method for SessionGet {
    const NAME: &'static str = "session.get";
    const SCOPE: Scope = Scope::Read;
    type Params = HistoryParams;

    async fn run(call: &Call, params: HistoryParams) -> Result<(), Problem> {
        let key = params.key()?;
        let limit = params.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let sessions = &call.doors().app.sessions;
        let found = sessions.get(call.principal(), &key).await?;
        let found = found.ok_or_else(|| Error::NotFound { what: "session", id: key.to_string() })?;
        let stored = sessions.history(call.principal(), &key, params.before, limit).await?;
        let messages = stored
            .iter()
            .map(|said| HistoryMessage::new(said.seq, said.at, said.task.map(|task| task.as_run()), &said.message));
        call.answer(&SessionDetail::of(session_list::shown(&found), messages.collect()));
        Ok(())
    }
}

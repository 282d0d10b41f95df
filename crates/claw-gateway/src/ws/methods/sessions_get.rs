//! `sessions.get`: one conversation and its last messages.

use claw_app::Error;
use claw_core::Scope;
use claw_wire::ws::sessions::NameParams;
use claw_wire::ws::sessions::transcript::SessionMessages;

use super::chat_history::shown;
use super::{Call, Method};
use crate::error::Problem;
use crate::limits::{MESSAGES_DEFAULT, MESSAGES_MAX};
use crate::sessions;

pub(super) struct SessionsGet;

impl Method for SessionsGet {
    const NAME: &'static str = "sessions.get";
    const SCOPE: Scope = Scope::Read;
    type Params = NameParams;

    async fn run(call: &Call, params: NameParams) -> Result<(), Problem> {
        let key = params.key()?;
        let limit = params.limit.unwrap_or(MESSAGES_DEFAULT).clamp(1, MESSAGES_MAX);
        let app = &call.doors().app;
        let found = app.sessions.get(call.principal(), &key).await?;
        let found = found.ok_or_else(|| Error::NotFound { what: "session", id: key.to_string() })?;
        let messages = app.sessions.messages(&found, None, limit).await?;
        call.answer(&SessionMessages {
            key: key.to_string(),
            session_key: key.to_string(),
            session_id: found.id.shown(),
            messages: shown(&found, &messages),
            session: sessions::row(&found, call.is_stock()),
        });
        Ok(())
    }
}

//! `chat.inject`: says something in a conversation, as its agent but by no run.

use claw_core::Scope;
use claw_wire::ws::sessions::transcript::{InjectParams, Injected, message_id};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ChatInject;

impl Method for ChatInject {
    const NAME: &'static str = "chat.inject";
    const SCOPE: Scope = Scope::Write;
    type Params = InjectParams;

    async fn run(call: &Call, params: InjectParams) -> Result<(), Problem> {
        let key = params.key()?;
        let InjectParams { message, label, .. } = params;
        let sessions = &call.doors().app.sessions;
        let session = sessions.inject(call.principal(), &key, message, label.as_deref()).await?;
        let session_id = session.id.shown();
        call.answer(&Injected { ok: true, message_id: message_id(&session_id, session.last_seq) });
        Ok(())
    }
}

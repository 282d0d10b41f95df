//! `chat.history`: what was said in a conversation, in stock clients' shape.

use claw_app::{Session, StoredMessage};
use claw_core::Scope;
use claw_wire::ws::sessions::HistoryParams;
use claw_wire::ws::sessions::transcript::{ChatHistory, ChatMessage, Place, message_id};

use super::{Call, Method};
use crate::error::Problem;
use crate::limits::{MESSAGES_DEFAULT, MESSAGES_MAX};
use crate::{sessions, view};

pub(super) struct ChatHistoryOf;

impl Method for ChatHistoryOf {
    const NAME: &'static str = "chat.history";
    const SCOPE: Scope = Scope::Read;
    type Params = HistoryParams;

    async fn run(call: &Call, params: HistoryParams) -> Result<(), Problem> {
        let key = params.key()?;
        let limit = params.limit.unwrap_or(MESSAGES_DEFAULT).clamp(1, MESSAGES_MAX);
        let app = &call.doors().app;
        let found = app.sessions.get(call.principal(), &key).await?;
        // Who reads a conversation shows it, and wants to see what others do there.
        call.line().viewed.look(&call.place(&key).await?);
        let messages = match &found {
            Some(found) => shown(found, &app.sessions.messages(found, params.before, limit).await?),
            None => Vec::new(),
        };
        let profile = found.as_ref().map(|found| found.profile.clone()).unwrap_or_default();
        call.answer(&ChatHistory {
            session_key: params.name().unwrap_or_default().to_owned(),
            session_id: found.as_ref().map(|found| found.id.shown()),
            session_info: found.as_ref().map(|found| sessions::row(found, call.is_stock())),
            defaults: view::defaults(call.doors()),
            messages,
            thinking_level: profile.thinking.unwrap_or_else(|| "off".to_owned()),
            verbose_level: profile.verbose,
        });
        Ok(())
    }
}

/// Messages as stock clients read them.
pub(super) fn shown(session: &Session, messages: &[StoredMessage]) -> Vec<ChatMessage> {
    let session = session.id.shown();
    let place = |stored: &StoredMessage| Place {
        id: message_id(&session, stored.seq),
        seq: stored.seq,
        run_id: stored.task.map(|task| task.as_run()),
    };
    messages.iter().map(|stored| ChatMessage::new(place(stored), stored.at, &stored.message)).collect()
}

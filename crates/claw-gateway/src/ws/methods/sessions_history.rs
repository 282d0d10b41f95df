//! `sessions.history` (B14): what was said in a conversation.

use claw_core::Scope;
use claw_wire::ws::sessions::{History, HistoryMessage, HistoryParams};

use super::{Call, Method};
use crate::error::Problem;

/// Messages in one answer when nothing is said.
const LIMIT_DEFAULT: u32 = 100;
/// And at most.
const LIMIT_MAX: u32 = 1000;

pub(super) struct SessionsHistory;

impl Method for SessionsHistory {
    const NAME: &'static str = "sessions.history";
    const SCOPE: Scope = Scope::Read;
    type Params = HistoryParams;

    async fn run(call: &Call, params: HistoryParams) -> Result<(), Problem> {
        let key = params.key()?;
        let limit = params.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let stored = call.doors().app.sessions.history(call.principal(), &key, params.before, limit).await?;
        let messages = stored.iter().map(|stored| {
            HistoryMessage::new(stored.seq, stored.at, stored.task.map(|task| task.as_run()), &stored.message)
        });
        call.answer(&History {
            session_id: params.name().unwrap_or_default().to_owned(),
            session_key: key.to_string(),
            messages: messages.collect(),
        });
        Ok(())
    }
}

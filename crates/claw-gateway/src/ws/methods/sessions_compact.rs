//! `sessions.compact`: shows a model the last messages of a conversation only.

use claw_core::Scope;
use claw_wire::ws::sessions::NameParams;
use claw_wire::ws::sessions::settings::Compacted;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SessionsCompact;

impl Method for SessionsCompact {
    const NAME: &'static str = "sessions.compact";
    const SCOPE: Scope = Scope::Write;
    type Params = NameParams;

    async fn run(call: &Call, params: NameParams) -> Result<(), Problem> {
        let key = params.key()?;
        let done = call.doors().app.sessions.compact(call.principal(), &key, params.max_lines).await?;
        call.answer(&Compacted {
            ok: true,
            key: key.to_string(),
            compacted: done.is_changed,
            kept: done.session.context_count,
        });
        Ok(())
    }
}

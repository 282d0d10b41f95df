//! `sessions.update` (B21): changes a conversation's metadata and settings.

use claw_core::Scope;
use claw_wire::ws::sessions::settings::PatchParams;

use super::{Call, Method};
use crate::error::Problem;
use crate::sessions;

pub(super) struct SessionsUpdate;

impl Method for SessionsUpdate {
    const NAME: &'static str = "sessions.update";
    const SCOPE: Scope = Scope::Write;
    type Params = PatchParams;

    async fn run(call: &Call, params: PatchParams) -> Result<(), Problem> {
        let key = params.key()?;
        let settings = sessions::patch(params);
        let (session, _) = call.doors().app.sessions.change(call.principal(), key, settings, false).await?;
        call.answer(&sessions::changed(call.doors(), call.principal(), &session));
        Ok(())
    }
}

//! `sessions.patch`: changes a conversation's settings; the operator may so make one, too.

use claw_core::Scope;
use claw_wire::ws::sessions::settings::PatchParams;

use super::{Call, Method};
use crate::error::Problem;
use crate::sessions;

pub(super) struct SessionsPatch;

impl Method for SessionsPatch {
    const NAME: &'static str = "sessions.patch";
    const SCOPE: Scope = Scope::Write;
    type Params = PatchParams;

    async fn run(call: &Call, params: PatchParams) -> Result<(), Problem> {
        // An API key may not learn whether a key is somebody else's by trying to make it (G13).
        let may_make = call.principal().id.is_operator();
        let key = params.key()?;
        let settings = sessions::patch(params);
        let (session, _) = call.doors().app.sessions.change(call.principal(), key, settings, may_make).await?;
        call.answer(&sessions::changed(call.doors(), call.principal(), &session));
        Ok(())
    }
}

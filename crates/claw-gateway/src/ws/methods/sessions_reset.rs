//! `sessions.reset`: lets a conversation begin anew.

use claw_core::Scope;
use claw_wire::ws::sessions::NameParams;

use super::{Call, Method};
use crate::error::Problem;
use crate::sessions;

pub(super) struct SessionsReset;

impl Method for SessionsReset {
    const NAME: &'static str = "sessions.reset";
    const SCOPE: Scope = Scope::Write;
    type Params = NameParams;

    async fn run(call: &Call, params: NameParams) -> Result<(), Problem> {
        let session = call.doors().app.sessions.reset(call.principal(), &params.key()?).await?;
        call.answer(&sessions::changed(call.doors(), call.principal(), &session));
        Ok(())
    }
}

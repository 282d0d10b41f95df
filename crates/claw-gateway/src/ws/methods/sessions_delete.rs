//! `sessions.delete` (B15): deletes a conversation and everything that was said in it.

use claw_core::Scope;
use claw_wire::ws::sessions::NameParams;
use claw_wire::ws::sessions::settings::Deleted;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SessionsDelete;

impl Method for SessionsDelete {
    const NAME: &'static str = "sessions.delete";
    const SCOPE: Scope = Scope::Write;
    type Params = NameParams;

    async fn run(call: &Call, params: NameParams) -> Result<(), Problem> {
        let key = params.key()?;
        let deleted = call.doors().app.sessions.delete(call.principal(), &key).await?;
        call.answer(&Deleted { ok: true, key: key.to_string(), deleted: deleted.is_some(), archived: [] });
        Ok(())
    }
}

//! `sessions.describe`: one row of the list, with everything that is known of it; null before anything was said there.

use claw_core::Scope;
use claw_wire::ws::sessions::{Described, NameParams};

use super::sessions_list::rows;
use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SessionsDescribe;

impl Method for SessionsDescribe {
    const NAME: &'static str = "sessions.describe";
    const SCOPE: Scope = Scope::Read;
    type Params = NameParams;

    async fn run(call: &Call, params: NameParams) -> Result<(), Problem> {
        let key = params.key()?;
        let found = call.doors().app.sessions.get(call.principal(), &key).await?;
        let rows = rows(call, found.as_slice(), (true, true)).await?;
        call.answer(&Described { session: rows.into_iter().next() });
        Ok(())
    }
}

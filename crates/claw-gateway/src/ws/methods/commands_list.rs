//! `commands.list`: there are no slash commands yet.

use claw_core::Scope;
use claw_wire::ws::none::{CommandList, NoParams};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct Commands;

impl Method for Commands {
    const NAME: &'static str = "commands.list";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&CommandList::default());
        Ok(())
    }
}

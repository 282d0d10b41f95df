//! `memory.delete`: forgets one memory.

use claw_core::Scope;
use claw_wire::ws::memory::{Deleted, IdParams};

use super::memory_get::absent;
use super::{Call, Method};
use crate::error::Problem;

pub(super) struct MemoryDelete;

impl Method for MemoryDelete {
    const NAME: &'static str = "memory.delete";
    const SCOPE: Scope = Scope::Write;
    type Params = IdParams;

    async fn run(call: &Call, params: IdParams) -> Result<(), Problem> {
        let (text, id) = params.id()?;
        let id = id.ok_or_else(|| absent(text))?;
        call.doors().app.memory.delete(call.principal(), id).await?;
        call.answer(&Deleted { id: id.to_string(), deleted: true });
        Ok(())
    }
}

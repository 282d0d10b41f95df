//! `memory.get`: shows one memory whole.

use claw_core::Scope;
use claw_wire::ws::memory::{IdParams, OneMemory};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct MemoryGet;

impl Method for MemoryGet {
    const NAME: &'static str = "memory.get";
    const SCOPE: Scope = Scope::Read;
    type Params = IdParams;

    async fn run(call: &Call, params: IdParams) -> Result<(), Problem> {
        let (text, id) = params.id()?;
        let id = id.ok_or_else(|| absent(text))?;
        let memory = call.doors().app.memory.get(call.principal(), id).await?;
        call.answer(&OneMemory { memory: (&memory).into() });
        Ok(())
    }
}

/// No memory has such an id.
pub(super) fn absent(id: &str) -> claw_app::Error {
    claw_app::Error::NotFound { what: "memory", id: id.chars().take(80).collect() }
}

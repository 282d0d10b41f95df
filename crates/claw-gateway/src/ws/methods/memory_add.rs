//! `memory.add`: makes an agent remember something.

use claw_core::Scope;
use claw_wire::ws::memory::{AddParams, OneMemory, agent};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct MemoryAdd;

impl Method for MemoryAdd {
    const NAME: &'static str = "memory.add";
    const SCOPE: Scope = Scope::Write;
    type Params = AddParams;

    async fn run(call: &Call, params: AddParams) -> Result<(), Problem> {
        let agent = agent(params.agent_id.as_deref())?;
        let text = params.text.unwrap_or_default();
        let memory = call.doors().app.memory.add(call.principal(), agent.as_ref(), text).await?;
        call.answer(&OneMemory { memory: (&memory).into() });
        Ok(())
    }
}

//! `memory.search`: finds what an agent remembers by its words.

use claw_core::Scope;
use claw_wire::ws::memory::{Found, SearchParams, agent};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct MemorySearch;

impl Method for MemorySearch {
    const NAME: &'static str = "memory.search";
    const SCOPE: Scope = Scope::Read;
    type Params = SearchParams;

    async fn run(call: &Call, params: SearchParams) -> Result<(), Problem> {
        let (query, max) = params.wanted()?;
        let agent = agent(params.agent_id.as_deref())?;
        let memory = &call.doors().app.memory;
        let hits = memory.search(call.principal(), agent.as_ref(), query, max).await?;
        call.answer(&Found { results: hits.into_iter().map(Into::into).collect() });
        Ok(())
    }
}

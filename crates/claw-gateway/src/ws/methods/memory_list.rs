//! `memory.list`: what the agents remember on the caller's behalf, newest first.

use claw_core::Scope;
use claw_wire::ws::memory::{ListParams, Page, agent};

use super::{Call, Method};
use crate::error::Problem;
use crate::http::tasks::parse_cursor;

pub(super) struct MemoryList;

impl Method for MemoryList {
    const NAME: &'static str = "memory.list";
    const SCOPE: Scope = Scope::Read;
    type Params = ListParams;

    async fn run(call: &Call, params: ListParams) -> Result<(), Problem> {
        let agent = agent(params.agent_id.as_deref())?;
        let from = params.cursor.as_deref().map(parse_cursor).transpose()?;
        let page = call.doors().app.memory.list(call.principal(), agent.as_ref(), from, params.limit).await?;
        let next_cursor = page.next.map(|place| place.0.to_string());
        let memories = page.items.iter().map(Into::into).collect();
        call.answer(&Page { memories, has_more: next_cursor.is_some(), next_cursor });
        Ok(())
    }
}

//! `node.list`: no node is connected; nodes come later.

use claw_core::Scope;
use claw_wire::ws::none::{NoParams, NodeList};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct Nodes;

impl Method for Nodes {
    const NAME: &'static str = "node.list";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&NodeList { ts: call.doors().app.now().millis(), nodes: [] });
        Ok(())
    }
}

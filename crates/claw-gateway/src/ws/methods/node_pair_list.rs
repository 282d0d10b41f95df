//! `node.pair.list`: no node can be paired; nodes come later.

use claw_core::Scope;
use claw_wire::ws::none::{NoParams, NodePairs};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct NodePairList;

impl Method for NodePairList {
    const NAME: &'static str = "node.pair.list";
    const SCOPE: Scope = Scope::Pairing;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&NodePairs::NONE);
        Ok(())
    }
}

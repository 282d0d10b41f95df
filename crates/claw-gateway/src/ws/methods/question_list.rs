//! `question.list`: agents cannot ask their operator anything yet.

use claw_core::Scope;
use claw_wire::ws::none::{NoParams, Questions};

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct QuestionList;

impl Method for QuestionList {
    const NAME: &'static str = "question.list";
    const SCOPE: Scope = Scope::Read;
    type Params = NoParams;

    async fn run(call: &Call, NoParams {}: NoParams) -> Result<(), Problem> {
        call.answer(&Questions::NONE);
        Ok(())
    }
}

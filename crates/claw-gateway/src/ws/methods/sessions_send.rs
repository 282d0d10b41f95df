//! `sessions.send`: a message to an existing or new conversation, as `chat.send`.

use claw_core::Scope;
use claw_wire::ws::agent::{AgentCall, RunParams};

use super::{Call, Method, chat_send};
use crate::error::Problem;

pub(super) struct SessionsSend;

impl Method for SessionsSend {
    const NAME: &'static str = "sessions.send";
    const SCOPE: Scope = Scope::Write;
    type Params = RunParams;

    async fn run(call: &Call, params: RunParams) -> Result<(), Problem> {
        chat_send::send(call, AgentCall::in_session(params)?).await
    }
}

//! `tools.invoke`: one call of one tool, under the caller's permissions (K9).

use claw_app::Invoked;
use claw_core::Scope;
use claw_core::run::ToolOutcome;
use claw_wire::ws::tools::{Invocation, InvokeParams, InvokedHere};
use http::StatusCode;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct ToolsInvoke;

impl Method for ToolsInvoke {
    const NAME: &'static str = "tools.invoke";
    const SCOPE: Scope = Scope::Write;
    type Params = InvokeParams;

    async fn run(call: &Call, params: InvokeParams) -> Result<(), Problem> {
        let Invocation { tool, arguments, session } = params.invocation()?;
        let app = &call.doors().app;
        let wait = app.wait_max();
        let called = app.models.invoke(call.principal(), session, &tool, &arguments);
        let Ok(called) = tokio::time::timeout(wait, called).await else {
            let message = format!("the tool gave no result within {} s", wait.as_secs());
            return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message).settled());
        };
        let Invoked { outcome: ToolOutcome { text, is_error }, blames_arguments } = called?;
        let failure = is_error.then_some(if blames_arguments { "invalid_arguments" } else { "tool_error" });
        call.answer(&InvokedHere::new(&tool, &text, failure));
        Ok(())
    }
}

//! `POST /v1/tools/invoke` and `/tools/invoke`: one tool, under the caller's permissions (E11, K9).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use claw_core::SessionKey;
use claw_core::run::ToolOutcome;
use claw_wire::target::Target;
use claw_wire::v1::tool::{InvokeRequest, Invoked};
use http::StatusCode;

use super::body::Json;
use super::caller::{Allowed, Write};
use super::render;
use crate::doors::Doors;
use crate::error::Problem;

/// Calls it, and says what it says. A caller who hangs up ends the call.
pub(crate) async fn invoke(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Json { value, bytes: _ }: Json<InvokeRequest>,
) -> Result<Response, Problem> {
    let names = [("sessionKey", value.session_key.as_deref()), ("sessionId", value.session_id.as_deref())];
    let Target { agent, session } = Target::resolve(("agentId", value.agent_id.as_deref()), &names)?;
    let session = session.unwrap_or_else(|| SessionKey::main(&agent));
    let (tool, arguments) = value.call()?;
    let wait = doors.app.wait_max();
    let called = doors.app.models.invoke(allowed.principal(), session, &tool, &arguments);
    let Ok(called) = tokio::time::timeout(wait, called).await else {
        let message = format!("the tool gave no result within {} s", wait.as_secs());
        return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message).settled());
    };
    let ToolOutcome { text, is_error } = called?.outcome;
    if is_error {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "tool_error", String::from(text)));
    }
    Ok(render::json(StatusCode::OK, &Invoked::new(&text)))
}

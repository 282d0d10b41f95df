//! `POST /v1/tools/invoke` and `/tools/invoke`: one tool, under the caller's permissions (E11, K9).
//!
//! With `dryRun` nothing is done: arguments and permissions are checked, and the answer says what would become of it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use claw_app::{App, Error};
use claw_core::SessionKey;
use claw_core::permission::canonical;
use claw_core::provider::ToolSpec;
use claw_core::run::ToolOutcome;
use claw_wire::target::Target;
use claw_wire::v1::tool::{InvokeRequest, Invoked, Rehearsed};
use http::StatusCode;
use http::header::HeaderMap;
use serde_json::Value;

use super::body::Json;
use super::caller::{Allowed, Write};
use super::render;
use crate::doors::Doors;
use crate::error::Problem;
use crate::submit;

/// Calls it, and says what it says. A caller who hangs up ends the call.
pub(crate) async fn invoke(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    headers: HeaderMap,
    Json { value, bytes: _ }: Json<InvokeRequest>,
) -> Result<Response, Problem> {
    submit::without_key(&headers)?;
    let names = [("sessionKey", value.session_key.as_deref()), ("sessionId", value.session_id.as_deref())];
    let Target { agent, session } = Target::resolve(("agentId", value.agent_id.as_deref()), &names)?;
    let session = session.unwrap_or_else(|| SessionKey::main(&agent));
    let field = if value.args.is_some() { "args" } else { "arguments" };
    let is_dry = value.dry_run == Some(true);
    let (app, principal) = (&doors.app, allowed.principal());
    let (tool, arguments) = value.call(|tool| {
        let tools = app.models.tools(&agent, principal);
        tools.iter().any(|spec| spec.name == canonical(tool) && takes(spec, "action"))
    })?;
    let called = if is_dry {
        match in_time(app, app.models.rehearse(principal, session, &tool, &arguments)).await? {
            Ok(verdict) => return Ok(render::json(StatusCode::OK, &Rehearsed::new(&tool, &verdict))),
            Err(refused) => refused,
        }
    } else {
        in_time(app, app.models.invoke(principal, session, &tool, &arguments)).await?
    };
    let ToolOutcome { text, is_error } = called.outcome;
    if is_error {
        let param = called.blames_arguments.then(|| blamed(field, &text).into());
        return Err(Problem { param, ..Problem::new(StatusCode::BAD_REQUEST, "tool_error", String::from(text)) });
    }
    Ok(render::json(StatusCode::OK, &Invoked::new(&text)))
}

/// Whether a tool has an argument of that name.
fn takes(spec: &ToolSpec, argument: &str) -> bool {
    let schema = serde_json::from_str::<Value>(spec.parameters.as_str()).unwrap_or_default();
    schema.get("properties").is_some_and(|properties| properties.get(argument).is_some())
}

/// Waits for a tool as long as for an answer (K18).
pub(crate) async fn in_time<T>(app: &App, called: impl Future<Output = Result<T, Error>>) -> Result<T, Problem> {
    let wait = app.wait_max();
    match tokio::time::timeout(wait, called).await {
        Ok(called) => Ok(called?),
        Err(_elapsed) => {
            let message = format!("the tool gave no result within {} s", wait.as_secs());
            Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message).settled())
        }
    }
}

/// The argument that a tool's complaint begins with, below the field that the arguments came in.
fn blamed(field: &str, text: &str) -> String {
    let complaint = text.strip_prefix("bad arguments: ").unwrap_or(text);
    let is_path = |path: &&str| {
        let is_plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '[' | ']' | '$');
        !path.is_empty() && path.chars().all(is_plain)
    };
    let path = complaint.split_once(": ").map(|(path, _)| path).filter(is_path);
    path.map_or_else(|| field.to_owned(), |path| format!("{field}.{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_about_an_argument_names_it() {
        for (text, param) in [
            ("bad arguments: path: is missing, expected a string", "args.path"),
            ("bad arguments: at.line: is missing, expected a whole number", "args.at.line"),
            ("bad arguments: edits[2].old: is missing, expected a string", "args.edits[2].old"),
            ("bad arguments: this does not fit: no", "args"),
            ("bad arguments: no", "args"),
        ] {
            assert_eq!(blamed("args", text), param, "{text}");
        }
    }
}

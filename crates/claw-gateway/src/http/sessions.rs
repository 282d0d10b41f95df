//! `/v1/sessions`: conversations over HTTP (B15, C27).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use claw_app::Error;
use claw_wire::target::Target;
use claw_wire::ws::sessions::settings::Deleted;
use http::StatusCode;

use super::caller::{Allowed, Write};
use super::render;
use crate::doors::Doors;
use crate::error::Problem;

/// `DELETE /v1/sessions/{key}`; the key's colons may be written as they are or as `%3A` (C26).
pub(crate) async fn delete(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let target = Target::resolve(("agentId", None), &[("key", Some(&name))])?;
    let absent = || Error::NotFound { what: "session", id: name.chars().take(80).collect() };
    let key = target.session.ok_or_else(absent)?;
    let deleted = doors.app.sessions.delete(allowed.principal(), &key).await?.ok_or_else(absent)?;
    let key = deleted.session.key.to_string();
    Ok(render::json(StatusCode::OK, &Deleted { ok: true, key, deleted: true, archived: [] }))
}

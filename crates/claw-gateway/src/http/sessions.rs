//! `/v1/sessions`: conversations over HTTP, in the API reference's words (B15, C25–C27).

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use claw_app::{Error, PageStart, SessionFilter};
use claw_core::SessionKey;
use claw_wire::target::Target;
use claw_wire::ws::session::SessionDetail;
use claw_wire::ws::sessions::settings::Deleted;
use http::StatusCode;

use super::caller::{Allowed, Read, Write};
use super::render;
use super::tasks::{parse_cursor, parse_number};
use crate::auth::presented::query_pairs;
use crate::doors::Doors;
use crate::error::Problem;
use crate::limits::{MESSAGES_DEFAULT, MESSAGES_MAX};
use crate::sessions;

/// `GET /v1/sessions?limit=&cursor=` (C25), last changed first.
pub(crate) async fn list(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut from, mut limit) = (PageStart::Offset(0), None);
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match name {
            "limit" => limit = Some(parse_number(name, &value)?),
            "cursor" => from = PageStart::Cursor(parse_cursor(&value)?),
            _ => {}
        }
    }
    let page = doors.app.sessions.list(allowed.principal(), &SessionFilter::default(), from, limit).await?;
    Ok(render::json(StatusCode::OK, &sessions::list(&page)))
}

/// `GET /v1/sessions/{key}?limit=&before=`: the conversation and its last messages (C26).
pub(crate) async fn one(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut before, mut limit) = (None, MESSAGES_DEFAULT);
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match name {
            "limit" => limit = parse_number(name, &value)?,
            "before" => before = Some(parse_number(name, &value)?),
            _ => {}
        }
    }
    let key = resolve(&name)?;
    let verbs = &doors.app.sessions;
    let found = verbs.get(allowed.principal(), &key).await?.ok_or_else(|| absent(&name))?;
    let messages = verbs.messages(&found, before, limit.clamp(1, MESSAGES_MAX)).await?;
    let messages = messages.iter().map(sessions::message).collect();
    Ok(render::json(StatusCode::OK, &SessionDetail::of(sessions::short(&found), messages)))
}

/// `DELETE /v1/sessions/{key}` (C27).
pub(crate) async fn delete(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let key = resolve(&name)?;
    let deleted = doors.app.sessions.delete(allowed.principal(), &key).await?.ok_or_else(|| absent(&name))?;
    let key = deleted.session.key.to_string();
    Ok(render::json(StatusCode::OK, &Deleted { ok: true, key, deleted: true, archived: [] }))
}

/// The key in a path; its colons may be written as they are or as `%3A` (C26).
fn resolve(name: &str) -> Result<SessionKey, Problem> {
    let target = Target::resolve(("agentId", None), &[("key", Some(name))])?;
    Ok(target.session.ok_or_else(|| absent(name))?)
}

fn absent(name: &str) -> Error {
    Error::NotFound { what: "session", id: name.chars().take(80).collect() }
}

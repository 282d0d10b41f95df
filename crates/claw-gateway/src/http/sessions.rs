//! `/v1/sessions`: conversations over HTTP, in the API reference's words (B15, C25–C27).

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use claw_app::{Error, PageStart, SessionFilter};
use claw_core::{AgentId, SessionKey};
use claw_wire::BadRequest;
use claw_wire::target::Target;
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

/// `GET /v1/sessions?limit=&cursor=&agentId=` (C25), last changed first.
pub(crate) async fn list(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut from, mut limit, mut filter) = (PageStart::Offset(0), None, SessionFilter::default());
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match name {
            "limit" => limit = Some(parse_number(name, &value)?),
            "cursor" => from = PageStart::Cursor(parse_cursor(&value)?),
            "agentId" => filter.agent = Some(known(&doors, &value)?),
            _ => {}
        }
    }
    let page = doors.app.sessions.list(allowed.principal(), &filter, from, limit).await?;
    Ok(render::json(StatusCode::OK, &sessions::list(&page)))
}

/// `GET /v1/sessions/{key}?limit=&before=&agentId=`: the conversation and its last messages (C26).
pub(crate) async fn one(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut before, mut limit, mut agent) = (None, MESSAGES_DEFAULT, None);
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match name {
            "limit" => limit = messages(parse_number(name, &value)?)?,
            "before" => before = Some(parse_number(name, &value)?),
            "agentId" => agent = Some(known(&doors, &value)?),
            _ => {}
        }
    }
    let key = resolve(&name, agent.as_ref())?;
    let verbs = &doors.app.sessions;
    let found = verbs.get(allowed.principal(), &key).await?.ok_or_else(|| absent(&name))?;
    let detail = sessions::detail(verbs, &found, before, limit).await?;
    Ok(render::json(StatusCode::OK, &detail))
}

/// `DELETE /v1/sessions/{key}` (C27).
pub(crate) async fn delete(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let key = resolve(&name, None)?;
    let deleted = doors.app.sessions.delete(allowed.principal(), &key).await?.ok_or_else(|| absent(&name))?;
    let key = deleted.session.key.to_string();
    Ok(render::json(StatusCode::OK, &Deleted { ok: true, key, deleted: true, archived: [] }))
}

/// The key in a path; its colons may be written as they are or as `%3A` (C26).
fn resolve(name: &str, agent: Option<&AgentId>) -> Result<SessionKey, Problem> {
    let target = Target::resolve(("agentId", agent.map(AgentId::as_str)), &[("key", Some(name))])?;
    Ok(target.session.ok_or_else(|| absent(name))?)
}

/// The agent that a query names.
fn known(doors: &Doors, name: &str) -> Result<AgentId, Problem> {
    let agent = AgentId::parse(name).map_err(|error| BadRequest::of("agentId", error.to_string()))?;
    doors.app.models.agent(&agent)?;
    Ok(agent)
}

/// So many messages of a conversation.
fn messages(limit: u32) -> Result<u32, BadRequest> {
    if !(1..=MESSAGES_MAX).contains(&limit) {
        return Err(BadRequest::of("limit", format!("must be 1 to {MESSAGES_MAX}, found {limit}")));
    }
    Ok(limit)
}

fn absent(name: &str) -> Error {
    Error::NotFound { what: "session", id: name.chars().take(80).collect() }
}

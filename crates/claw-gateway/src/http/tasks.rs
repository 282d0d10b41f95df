//! `/v2/tasks`: runs that outlive their caller (D6, D20, D21).

mod events;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use claw_app::{Cursor, TaskFilter};
use claw_core::task::StateName;
use claw_wire::BadRequest;
use claw_wire::target::Target;
use claw_wire::v2::task::{NewTask, Submission, Task, TaskPage};
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, LOCATION};

use super::body::Json;
use super::caller::{Allowed, Read, Write};
use super::front::Arrival;
use super::render;
use crate::auth::presented::query_pairs;
use crate::doors::Doors;
use crate::error::Problem;
use crate::submit::{self, Fresh};

/// `POST /v2/tasks`: 202 once it is on disk (G1).
pub(crate) async fn submit(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    headers: HeaderMap,
    Json { value, bytes }: Json<NewTask>,
) -> Result<Response, Problem> {
    let idempotency = submit::idempotency_of(&headers, &bytes)?;
    drop(bytes);
    let submission = Submission::try_from(value)?;
    let fresh = match submit::new_run(&doors.app, allowed.principal(), &submission, idempotency) {
        Ok(run) => Fresh::submit(&doors.app, allowed.principal(), run).await,
        Err(problem) => Err(problem),
    };
    let fresh = fresh.map_err(|problem| problem.named(submission.named))?;
    let id = fresh.accepted().id.to_string();
    let mut response = if fresh.accepted().is_replay {
        let task = doors.app.tasks.find(allowed.principal(), &id).await?;
        let mut response = render::json(StatusCode::ACCEPTED, &Task::from(&task));
        response.headers_mut().insert(render::REPLAYED, HeaderValue::from_static("true"));
        response
    } else {
        render::json(StatusCode::ACCEPTED, &fresh.shown())
    };
    if let Ok(location) = HeaderValue::from_str(&format!("/v2/tasks/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// `GET /v2/tasks?status=&sessionKey=&limit=&cursor=`, newest first.
pub(crate) async fn list(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let principal = allowed.principal();
    let (mut filter, mut from, mut limit) = (TaskFilter::default(), None, None);
    let mut sessions = Vec::new();
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match name {
            "status" => filter.state = Some(parse_status(&value)?),
            "limit" => limit = Some(parse_number(name, &value)?),
            "cursor" => from = Some(parse_cursor(&value)?),
            "sessionKey" | "sessionId" | "session_key" | "session_id" | "conversationId" | "conversation_id" => {
                sessions.push((name, value));
            }
            _ => {}
        }
    }
    let sessions: Vec<_> = sessions.iter().map(|(name, value)| (*name, Some(&**value))).collect();
    if let Some(key) = Target::resolve(("agentId", None), &sessions)?.session {
        let Some(session) = doors.app.sessions.get(principal, &key).await? else {
            return Ok(render::json(StatusCode::OK, &page(&[], None)));
        };
        filter.session = Some(session.id);
    }
    let found = doors.app.tasks.list(principal, filter, from, limit).await?;
    Ok(render::json(StatusCode::OK, &page(&found.items, found.next)))
}

/// `GET /v2/tasks/{id}`.
pub(crate) async fn one(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let task = doors.app.tasks.find(allowed.principal(), &id).await?;
    // What waits for another attempt says why.
    let waits = task.state.name() == StateName::Queued && task.attempt > 0;
    let attempts = if waits { doors.app.tasks.runs(task.id).await? } else { Vec::new() };
    let last = attempts.last().and_then(|attempt| attempt.error.as_deref());
    Ok(render::json(StatusCode::OK, &Task::from(&task).waiting_since(last)))
}

/// `GET /v2/tasks/{id}/events`: from the beginning, or behind `Last-Event-ID` or `?after=`.
pub(crate) async fn events(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    Extension(arrival): Extension<Arrival>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let by_header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default().to_owned());
    let by_query = query_pairs(query.as_deref().unwrap_or_default()).find(|(name, _)| *name == "after");
    let after = match by_header.map(|value| ("Last-Event-ID", value)).or(by_query) {
        Some((name, value)) => parse_number(name, &value)?,
        None => 0,
    };
    let task = doors.app.tasks.find(allowed.principal(), &id).await?;
    events::answer(doors, allowed.caller, &task, after, arrival.request_id).await
}

/// `POST /v2/tasks/{id}/cancel`.
pub(crate) async fn cancel(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let task = doors.app.tasks.cancel(allowed.principal(), &id).await?;
    Ok(render::json(StatusCode::OK, &Task::from(&task)))
}

/// `POST /v2/tasks/{id}/retry`.
pub(crate) async fn retry(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let task = doors.app.tasks.retry(allowed.principal(), &id).await?;
    Ok(render::json(StatusCode::ACCEPTED, &Task::from(&task)))
}

/// A page as both doors show it.
pub(crate) fn page(tasks: &[claw_core::Task], next: Option<Cursor>) -> TaskPage<'_> {
    let next_cursor = next.map(|Cursor(place)| place.to_string());
    TaskPage { tasks: tasks.iter().map(Task::from).collect(), has_more: next_cursor.is_some(), next_cursor }
}

/// A state's name.
pub(crate) fn parse_status(text: &str) -> Result<StateName, BadRequest> {
    let unknown = || {
        let known = StateName::ALL.map(StateName::as_str).join(", ");
        BadRequest::of("status", format!("status must be one of {known}; found {text:?}"))
    };
    StateName::parse(text).ok_or_else(unknown)
}

/// A cursor of an earlier page.
pub(crate) fn parse_cursor(text: &str) -> Result<Cursor, BadRequest> {
    let unknown = || BadRequest::of("cursor", "cursor must be the nextCursor of an earlier page");
    text.parse().map(Cursor).map_err(|_| unknown())
}

/// A number in a query.
pub(crate) fn parse_number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, BadRequest> {
    text.trim().parse().map_err(|_| BadRequest::of(name, format!("{name} must be a whole number, found {text:?}")))
}

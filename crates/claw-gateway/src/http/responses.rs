//! `/v1/responses`: runs whose answers can be looked at again, continued and cancelled (E10, K10).
//!
//! A response is a task; what its object says again of the request is kept with the task. Without a
//! conversation of the client's own each response has one to itself, and `previous_response_id` gives it what
//! was said before: so two responses may go on from the same one, and one can be deleted alone.

mod asked;
pub(crate) mod compact;
mod events;
mod references;
pub(crate) mod socket;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response as Answer};
use claw_app::limiter::{Claim, Pass};
use claw_app::tasks::{Accepted, NewRun};
use claw_app::{Error, Idempotency};
use claw_core::task::StateName;
use claw_core::{Lane, Principal, Task, Turn};
use claw_wire::BadRequest;
use claw_wire::openai::responses::events::{EventWriter, Framing};
use claw_wire::openai::responses::object::{Deleted, Response};
use claw_wire::openai::responses::request::{ResponsesRequest, includes_sealed};
use claw_wire::openai::responses::shown::{ItemPage, ShownItem, asked_of, shown};
use claw_wire::openai::responses::{Kept, response_id, task_of};
use http::StatusCode;
use http::header::HeaderMap;

use super::body::Json;
use super::caller::{Allowed, Generating, Read, Write};
use super::chat::idempotency;
use super::front::Arrival;
use super::tasks::parse_number;
use super::{render, stream};
use crate::auth::presented::query_pairs;
use crate::doors::Doors;
use crate::error::Problem;
use crate::limits::{CANCEL_WAIT, INPUT_ITEMS_DEFAULT, INPUT_ITEMS_MAX};

use asked::{Asked, Memory};
use events::Events;

/// `POST /v1/responses`: whole, streamed, or in the background.
pub(crate) async fn create(
    State(doors): State<Arc<Doors>>,
    caller: Generating,
    Extension(arrival): Extension<Arrival>,
    headers: HeaderMap,
    body: Json<ResponsesRequest>,
) -> Result<Answer, Problem> {
    // Whoever sends slowly takes no room for an answer.
    Box::pin(created(doors, caller, arrival, headers, body)).await
}

async fn created(
    doors: Arc<Doors>,
    caller: Generating,
    arrival: Arrival,
    headers: HeaderMap,
    Json { value, bytes }: Json<ResponsesRequest>,
) -> Result<Answer, Problem> {
    let key = idempotency(&headers, &bytes)?;
    drop(bytes);
    let Asked { turn, place, kept, stream, named } =
        asked::read(&doors, caller.principal(), value, &headers, &Memory::default()).await?;
    let claim = if kept.background { Claim::LATER } else { Claim::ONE };
    let pass = caller.admit(&doors, claim, key.as_ref()).await?;
    if kept.background {
        // Counted, and without a place: it queues like any task.
        let begun = begin(&doors, caller.principal(), (turn, kept, key), pass, stream, arrival.request_id).await;
        return begun.map_err(|problem| problem.named(named));
    }
    let (chat, principal) = (&doors.app.chat, caller.principal());
    let begun = match key {
        None => chat.start(principal, turn, place).await.map(|run| run.holding(pass)),
        Some(_) => {
            chat.start_keyed(principal, NewRun { idempotency: key, ..NewRun::of(turn, Lane::Interactive) }, pass).await
        }
    };
    let run = begun.map_err(|error| Problem::from(error).named(named))?;
    let (task, created, is_replay) = (run.id, run.created_at.seconds(), run.is_replay);
    let answered = if stream {
        let writer = EventWriter::new(task, created, kept, None, Framing::Sse);
        stream::answer(&doors, run, Events(writer), arrival.request_id).await
    } else {
        let (output, id) = (run.output().await, response_id(task));
        let now = doors.app.now().seconds();
        let open = Response::open(&id, created, "in_progress", &kept);
        output
            .map(|output| render::json(StatusCode::OK, &open.with_output(task, &output, now)))
            .map_err(|error| Problem::of_run(error, is_replay))
    };
    Ok(render::of_task(answered.unwrap_or_else(IntoResponse::into_response), task, is_replay))
}

/// Accepts a run that goes on without its caller.
async fn begin(
    doors: &Doors,
    principal: &Principal,
    (turn, kept, idempotency): (Turn, Kept, Option<Idempotency>),
    mut pass: Pass,
    is_stream: bool,
    request_id: Arc<str>,
) -> Result<Answer, Problem> {
    let created = doors.app.now();
    let run = NewRun { idempotency, ..NewRun::of(turn, Lane::Interactive) };
    let Accepted { id, run_id: _, session: _, is_replay } = doors.app.tasks.submit(principal, run).await?;
    if is_replay {
        pass.refund();
    }
    drop(pass);
    let answer = if is_stream {
        let task = doors.app.tasks.find(principal, &id.to_string()).await?;
        let writer = EventWriter::new(id, task.created_at.seconds(), kept, None, Framing::Sse);
        stream::streaming(doors.app.chat.rejoin(task).await?, Events(writer), None, request_id)
    } else if is_replay {
        let task = doors.app.tasks.find(principal, &id.to_string()).await?;
        as_it_stands(doors, &task, &kept).await?
    } else {
        render::json(StatusCode::OK, &Response::open(&response_id(id), created.seconds(), "queued", &kept))
    };
    Ok(render::of_task(answer, id, is_replay))
}

/// `GET /v1/responses/{id}?stream=&starting_after=&include[]=`. A stream is told as it was asked for at first.
pub(crate) async fn one(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    Extension(arrival): Extension<Arrival>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let (mut is_stream, mut seen, mut include) = (false, None, Vec::new());
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match (name, value.as_str()) {
            ("stream", "true" | "false") => is_stream = value == "true",
            ("stream", found) => {
                return Err(BadRequest::of("stream", format!("stream must be true or false, found {found:?}")).into());
            }
            ("starting_after", _) => seen = Some(parse_number(name, &value)?),
            ("include" | "include[]", _) => include.push(value),
            _ => {}
        }
    }
    let is_sealed = includes_sealed(&include)?;
    let (task, mut kept) = found(&doors, allowed.principal(), &id, false).await?;
    kept.sealed |= is_sealed && !is_stream;
    let name = task.id;
    let answer = if is_stream {
        let writer = EventWriter::new(name, task.created_at.seconds(), kept, seen, Framing::Sse);
        let run = doors.app.chat.rejoin(task).await?;
        if let Some(seen) = seen.filter(|seen| writer.is_outdated(*seen, run.attempt)) {
            let message = format!(
                "the answer broke off behind event {seen} and began anew, with other words; stream it without starting_after"
            );
            let outdated = Problem::new(StatusCode::CONFLICT, "conflict", message).settled();
            return Err(Problem { param: Some("starting_after".into()), ..outdated });
        }
        let writer = writer.from_attempt(run.attempt);
        stream::streaming(run, Events(writer), None, arrival.request_id)
    } else {
        as_it_stands(&doors, &task, &kept).await?
    };
    Ok(render::of_task(answer, name, false))
}

/// The response as it is now; of one that broke off or was cancelled what it had said.
async fn as_it_stands(doors: &Doors, task: &Task, kept: &Kept) -> Result<Answer, Problem> {
    let id = response_id(task.id);
    let response = Response::of(&id, task, kept);
    if !matches!(task.state.name(), StateName::Failed | StateName::Cancelled) {
        return Ok(render::json(StatusCode::OK, &response));
    }
    let told = events::broken_off(doors, task, kept).await?;
    Ok(render::json(StatusCode::OK, &response.with_items(told.items())))
}

/// `DELETE /v1/responses/{id}`.
pub(crate) async fn delete(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    let (task, kept) = found(&doors, allowed.principal(), &id, false).await?;
    if !kept.is_alone {
        let message = format!("{id} is part of the conversation {}, which is deleted as a whole", task.turn.session);
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", message).settled());
    }
    doors.app.sessions.delete(allowed.principal(), &task.turn.session).await?.ok_or_else(|| absent(&id))?;
    Ok(render::json(StatusCode::OK, &Deleted::new(&id)))
}

/// `POST /v1/responses/{id}/cancel`: what has ended stays as it is. Only what was made in the background is
/// cancelled by its id; whoever waits on the line hangs up.
pub(crate) async fn cancel(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Write>,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    let (task, kept) = found(&doors, allowed.principal(), &id, false).await?;
    if !kept.background {
        let message = format!("{id} was not made with background: true, and only such responses can be cancelled");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_request", message));
    }
    let name = task.id.to_string();
    let task = match doors.app.tasks.cancel(allowed.principal(), &name).await {
        Ok(task) if task.state.name().is_terminal() => task,
        Ok(task) => doors.app.tasks.wait(task.id, CANCEL_WAIT).await?.unwrap_or(task),
        Err(Error::Conflict { .. }) => doors.app.tasks.find(allowed.principal(), &name).await?,
        Err(error) => return Err(error.into()),
    };
    Ok(render::of_task(as_it_stands(&doors, &task, &kept).await?, task.id, false))
}

/// `GET /v1/responses/{id}/input_items?limit=&order=&after=`.
pub(crate) async fn input_items(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Read>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let (mut limit, mut is_ascending, mut after) = (INPUT_ITEMS_DEFAULT, false, None);
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match (name, value.as_str()) {
            ("limit", _) => limit = parse_number(name, &value)?,
            ("order", "asc" | "desc") => is_ascending = value == "asc",
            ("order", found) => {
                return Err(BadRequest::of("order", format!("order must be asc or desc, found {found:?}")).into());
            }
            ("after", _) => after = Some(value),
            _ => {}
        }
    }
    if !(1..=INPUT_ITEMS_MAX).contains(&limit) {
        let message = format!("limit must be 1 to {INPUT_ITEMS_MAX}, found {limit}");
        return Err(BadRequest::of("limit", message).into());
    }
    let (task, _) = found(&doors, allowed.principal(), &id, false).await?;
    let said = asked_of(&task);
    let mut items = shown(task.id, &said);
    if !is_ascending {
        items.reverse();
    }
    let from = match after {
        None => 0,
        Some(after) => {
            let place = items.iter().position(|item| item.id() == after);
            let absent = || BadRequest::of("after", format!("there is no item {after:?}"));
            place.ok_or_else(absent)? + 1
        }
    };
    let rest: Vec<ShownItem<'_>> = items.split_off(from);
    let page = rest.get(..limit).unwrap_or(&rest);
    Ok(render::json(StatusCode::OK, &ItemPage::new(page, rest.len() > limit)))
}

/// A response of this caller's, and what was kept with it; one that is not to be looked at again only `unstored`.
async fn found(doors: &Doors, principal: &Principal, id: &str, unstored: bool) -> Result<(Task, Kept), Problem> {
    let task = task_of(id).ok_or_else(|| absent(id))?;
    let task = match doors.app.tasks.find(principal, &task.to_string()).await {
        Err(Error::NotFound { .. }) => return Err(absent(id).into()),
        found => found?,
    };
    let kept = Kept::read(task.turn.extra.as_ref()).filter(|kept| kept.store || unstored);
    Ok((task, kept.ok_or_else(|| absent(id))?))
}

/// One to go on from: the caller's own. The operator sees others', and their words are no words of the operator's.
async fn own(doors: &Doors, principal: &Principal, id: &str, unstored: bool) -> Result<(Task, Kept), Problem> {
    let (task, kept) = found(doors, principal, id, unstored).await?;
    if task.principal.id != principal.id {
        return Err(absent(id).into());
    }
    Ok((task, kept))
}

fn absent(id: &str) -> Error {
    Error::NotFound { what: "response", id: id.chars().take(80).collect() }
}

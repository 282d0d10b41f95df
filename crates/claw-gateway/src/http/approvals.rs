//! `/v2/approvals`: what runs want to do and somebody has to allow.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use claw_app::limits::APPROVALS_SHOWN_MAX;
use claw_core::approval::ApprovalState;
use claw_core::audit::Door;
use claw_wire::BadRequest;
use claw_wire::v2::approval::{Answer, Approval, Approvals as List};
use http::StatusCode;

use super::body::Json;
use super::caller::{Allowed, Approvals};
use super::render;
use super::tasks::parse_number;
use crate::auth::presented::query_pairs;
use crate::doors::Doors;
use crate::error::Problem;

/// `GET /v2/approvals?state=&limit=`: those that wait, newest first, unless another state or `all` is asked for.
pub(crate) async fn list(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Approvals>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut wanted, mut limit) = (Some(ApprovalState::Pending), APPROVALS_SHOWN_MAX);
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match name {
            "state" => wanted = state(&value)?,
            "limit" => limit = parse_number(name, &value)?,
            _ => {}
        }
    }
    if limit == 0 || limit > APPROVALS_SHOWN_MAX {
        let message = format!("limit must be 1 to {APPROVALS_SHOWN_MAX}, found {limit}");
        return Err(BadRequest::of("limit", message).into());
    }
    let mut found = doors.app.approvals.list(allowed.principal(), wanted == Some(ApprovalState::Pending)).await?;
    found.retain(|approval| wanted.is_none_or(|wanted| approval.state == wanted));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(render::json(StatusCode::OK, &List { approvals: found.iter().map(Approval::from).collect() }))
}

/// A state by its name; none for all.
fn state(text: &str) -> Result<Option<ApprovalState>, BadRequest> {
    let known = || ApprovalState::ALL.map(ApprovalState::as_str).join(", ");
    match ApprovalState::parse(text) {
        None if text != "all" => {
            Err(BadRequest::of("state", format!("state must be all or one of {}, found {text:?}", known())))
        }
        state => Ok(state),
    }
}

/// `GET /v2/approvals/{id}`.
pub(crate) async fn one(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Approvals>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = doors.app.approvals.get(allowed.principal(), &id).await?;
    Ok(render::json(StatusCode::OK, &Approval::from(&found)))
}

/// `POST /v2/approvals/{id}`: decides, once; 409 when that was done.
pub(crate) async fn decide(
    State(doors): State<Arc<Doors>>,
    allowed: Allowed<Approvals>,
    Path(id): Path<String>,
    Json { value, bytes: _ }: Json<Answer>,
) -> Result<Response, Problem> {
    let decided = doors.app.approvals.resolve(allowed.principal(), Door::Http, &id, value.decision()?).await?;
    Ok(render::json(StatusCode::OK, &Approval::from(&decided)))
}

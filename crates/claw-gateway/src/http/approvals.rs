//! `/v2/approvals`: what runs want to do and somebody has to allow.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use claw_core::audit::Door;
use claw_wire::v2::approval::{Answer, Approval, Approvals as List};
use http::StatusCode;

use super::body::Json;
use super::caller::{Allowed, Approvals};
use super::render;
use crate::doors::Doors;
use crate::error::Problem;

/// `GET /v2/approvals`: those that wait, newest first.
pub(crate) async fn list(State(doors): State<Arc<Doors>>, allowed: Allowed<Approvals>) -> Result<Response, Problem> {
    let found = doors.app.approvals.list(allowed.principal(), true).await?;
    Ok(render::json(StatusCode::OK, &List { approvals: found.iter().map(Approval::from).collect() }))
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

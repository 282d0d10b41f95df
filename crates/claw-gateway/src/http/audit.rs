//! `/v2/audit`: what is written down for good.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use claw_wire::v2::audit::{Asked, Question};
use http::StatusCode;

use super::caller::Operator;
use super::render;
use super::tasks::parse_number;
use crate::auth::presented::query_pairs;
use crate::doors::Doors;
use crate::error::Problem;
use crate::view::audit;

/// `GET /v2/audit?kind=&actor=&since=&limit=&cursor=`, newest first.
pub(crate) async fn list(
    State(doors): State<Arc<Doors>>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut question = Question::default();
    for (name, value) in query_pairs(query.as_deref().unwrap_or_default()) {
        match name {
            "kind" => question.kind = Some(value),
            "actor" => question.actor = Some(value),
            "since" => question.since = Some(value),
            "cursor" => question.cursor = Some(value),
            "limit" => question.limit = Some(parse_number(name, &value)?),
            _ => {}
        }
    }
    let page = audit::page(&doors, operator.principal(), Asked::try_from(question)?).await?;
    Ok(render::json(StatusCode::OK, &page))
}

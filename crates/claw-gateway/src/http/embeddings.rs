//! `POST /v1/embeddings`: passed on to a provider that makes them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use claw_app::limiter::Claim;
use claw_core::embedding::EmbeddingRequest;
use claw_wire::openai::embeddings::{EmbeddingList, EmbeddingsRequest, Wanted};
use http::StatusCode;
use http::header::HeaderMap;

use super::body::Json;
use super::caller::Generating;
use super::render;
use crate::doors::Doors;
use crate::error::Problem;
use crate::submit;

/// Answers whole. A caller who hangs up closes the upstream's connection.
pub(crate) async fn create(
    State(doors): State<Arc<Doors>>,
    caller: Generating,
    headers: HeaderMap,
    Json { value, bytes }: Json<EmbeddingsRequest>,
) -> Result<Response, Problem> {
    drop(bytes);
    submit::without_key(&headers)?;
    let Wanted { model, input, encoding, dimensions, user } = Wanted::try_from(value)?;
    let request = EmbeddingRequest { model: model.clone(), input, dimensions, user };
    let _place = caller.admit(&doors, Claim::ONE, None).await?;
    let wait = doors.app.wait_max();
    let Ok(made) = tokio::time::timeout(wait, doors.app.models.embed(caller.principal(), request)).await else {
        let message = format!("there was no answer within {} s", wait.as_secs());
        return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message));
    };
    Ok(render::json(StatusCode::OK, &EmbeddingList::new(&model, encoding, &made?)))
}

//! Reads a JSON body: its type, its size, its deadline, its shape.
//!
//! Comes after authentication, so that a stranger's body is never read.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use claw_wire::{BadRequest, json};
use futures::StreamExt;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use crate::doors::Doors;
use crate::error::Problem;
use crate::limits::BODY_BYTES_MAX;

/// Bodies from this size on are parsed beside the control plane: it takes more than a millisecond.
const PARSE_INLINE_BYTES_MAX: usize = 256 * 1024;

/// A JSON body.
pub(crate) struct Json<T> {
    /// What it says.
    pub(crate) value: T,
    /// As it came, for digests; to be dropped before anything that takes long.
    pub(crate) bytes: Bytes,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<Arc<Doors>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        read_json(doors, &parts.headers, body, BODY_BYTES_MAX).await
    }
}

/// Reads a JSON body of at most so many bytes.
pub(crate) async fn read_json<T: DeserializeOwned + Send + 'static>(
    doors: &Doors,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Json<T>, Problem> {
    check_head(headers, bytes_max)?;
    let Ok(bytes) = tokio::time::timeout(doors.settings.body_deadline, read(body, bytes_max, announced(headers))).await
    else {
        let message = format!("the body did not arrive within {} s", doors.settings.body_deadline.as_secs());
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message));
    };
    let bytes = bytes?;
    Ok(Json { value: parse(bytes.clone()).await?, bytes })
}

/// Reads a JSON text; a large one beside the control plane.
pub(crate) async fn parse<T: DeserializeOwned + Send + 'static>(bytes: Bytes) -> Result<T, BadRequest> {
    if bytes.len() <= PARSE_INLINE_BYTES_MAX {
        return json::from_slice(&bytes);
    }
    let parsed = tokio::task::spawn_blocking(move || json::from_slice(&bytes)).await;
    parsed.unwrap_or_else(|_panicked| Err(BadRequest::whole("the body cannot be read")))
}

fn check_head(headers: &HeaderMap, bytes_max: usize) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if let Some(found) = kind.filter(|kind| kind != "application/json" && !kind.ends_with("+json")) {
        let message = format!("the body must be application/json, found {found:?}");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    if announced(headers).is_some_and(|bytes| bytes > bytes_max) { Err(too_large(bytes_max)) } else { Ok(()) }
}

/// How long the body is said to be.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// Reads at most the limit; a body of one piece is not copied.
async fn read(body: Body, bytes_max: usize, announced: Option<usize>) -> Result<Bytes, Problem> {
    let mut whole = Bytes::new();
    let mut gathered = BytesMut::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "the body broke off"));
        };
        if whole.is_empty() && gathered.is_empty() {
            whole = piece;
        } else {
            if gathered.is_empty() {
                // What grows by doubling is twice as large in the end.
                gathered.reserve(announced.unwrap_or(0).min(bytes_max));
                gathered.extend_from_slice(&std::mem::take(&mut whole));
            }
            gathered.extend_from_slice(&piece);
        }
        if whole.len() + gathered.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
    }
    Ok(if gathered.is_empty() { whole } else { gathered.freeze() })
}

fn too_large(bytes_max: usize) -> Problem {
    let message = format!("the body is larger than {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
}

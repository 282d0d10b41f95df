//! How the gateway is: open probes, and what only callers may see.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use claw_core::{Scope, Visibility};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::caller::{Allowed, Read};
use super::render;
use crate::doors::Doors;
use crate::error::{Problem, millis};
use crate::view;

#[derive(Serialize)]
struct Live {
    ok: bool,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready: bool,
    failing: Vec<&'static str>,
    uptime_ms: u64,
}

#[derive(Serialize)]
struct Welcome<'a> {
    name: &'static str,
    version: &'a str,
    websocket: &'static str,
    status: &'static str,
}

/// `GET /health`, `/healthz`: the process lives.
pub(crate) async fn live() -> Response {
    render::json(StatusCode::OK, &Live { ok: true, status: "live" })
}

/// `GET /ready`, `/readyz`: it takes work; 503 when it does not.
pub(crate) async fn ready(State(doors): State<Arc<Doors>>) -> Response {
    let snapshot = doors.app.health.snapshot().await;
    let ready = snapshot.failing.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    render::json(status, &Ready { ready, failing: snapshot.failing, uptime_ms: millis(snapshot.uptime) })
}

/// `GET /status` (C22).
pub(crate) async fn status(State(doors): State<Arc<Doors>>, allowed: Allowed<Read>) -> Response {
    render::json(StatusCode::OK, &view::status(&doors, allowed.principal()).await)
}

/// `GET /metrics`: of the whole gateway, so not for whoever sees only its own (G13).
pub(crate) async fn metrics(State(doors): State<Arc<Doors>>, allowed: Allowed<Read>) -> Result<Response, Problem> {
    let principal = allowed.principal();
    if principal.visibility() != Visibility::All && !principal.scopes.allows(Scope::Admin) {
        return Err(claw_app::Error::Forbidden(Scope::Admin.name()).into());
    }
    let render = doors.settings.metrics.as_ref().ok_or_else(Problem::no_route)?;
    let mut response = render().into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// `GET /`: what this is.
pub(crate) fn welcome(doors: &Doors) -> Response {
    let version = &doors.settings.version;
    render::json(StatusCode::OK, &Welcome { name: "openclaw", version, websocket: "/", status: "/status" })
}

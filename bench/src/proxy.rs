//! Reference A: the least an HTTP proxy can do – bytes in, bytes out, no product.
//!
//! axum in front, reqwest behind, the answer's body passed on as it comes.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::serving;

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    url: String,
}

/// Serves until the driver is gone.
pub(crate) async fn serve(upstream: String) -> anyhow::Result<()> {
    let listener = serving::listen().await?;
    let upstream = Upstream { client: client()?, url: format!("{upstream}/v1/chat/completions") };
    let router = Router::new().route("/v1/chat/completions", post(pass)).with_state(upstream);
    serving::serve(listener, router).await
}

/// A client that keeps every connection it may need again.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    // A second caller finds the first one's.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tcp_nodelay(true).pool_max_idle_per_host(usize::MAX).build()
}

async fn pass(State(upstream): State<Upstream>, body: Bytes) -> Response {
    let asked = upstream.client.post(&upstream.url).header(CONTENT_TYPE, "application/json").body(body).send().await;
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    };
    let (status, kind) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

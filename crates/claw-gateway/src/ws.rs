//! The WebSocket door: two dialects, one set of methods (K3).
//!
//! A socket's life: [`upgrade`] (origin and host are checked by then; credentials of the request, if
//! any, have to fit) → `opening` (challenge, then `connect` and hello, or dialect C's first request;
//! obeys the pure `handshake`) → `connection` (one future: socket, calls, outbox, news, shutdown) → a
//! close code with a reason.
//!
//! - `intake` what a socket may send before it is trusted; `outbox` what waits to be sent, in the
//!   socket's dialect; `pipe` both at work, `outflow` frames on their way out
//! - `methods` the table of methods, one file each; `begin` how all of them start a run; `unknown`
//!   parameters nobody reads
//! - `relay` a run's events on their way out; `viewed` the conversations a socket has in view
//! - `stage` what everybody may hear: presence, health, heartbeats
//!
//! The upgrade is written out here instead of using the framework's: its future must belong to our
//! scope, and the byte limit has to change when the socket is authenticated.

mod begin;
mod connection;
mod handshake;
mod intake;
pub(crate) mod methods;
mod opening;
mod outbox;
mod outflow;
mod pipe;
pub(crate) mod relay;
pub(crate) mod stage;
pub(crate) mod unknown;
mod viewed;

use std::sync::Arc;

pub(crate) use handshake::Close;
pub(crate) use opening::{Incoming, answer_close, of_error, of_message, say_goodbye};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claw_core::ConnectionId;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Method, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::Instrument;

use crate::auth::presented::Presented;
use crate::auth::{Caller, Client, Denied};
use crate::doors::{Counted, Doors};
use crate::error::Problem;
use crate::http::front::Arrival;
use crate::limits::{FRAME_BYTES_MAX, SOCKET_BUFFER_BYTES};

/// A socket as it is read and written here.
pub(crate) type Socket = WebSocketStream<intake::Intake<outflow::Outflow<TokioIo<hyper::upgrade::Upgraded>>>>;

/// Where a socket comes from and what its upgrade carried.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) id: ConnectionId,
    pub(crate) client: Client,
    pub(crate) presented: Presented,
    /// Who it is, if the upgrade itself proved it.
    pub(crate) caller: Option<Caller>,
}

/// Turns a request into a socket; answers 101 and goes on in a future of its own.
pub(crate) async fn upgrade(doors: &Arc<Doors>, request: Request) -> Result<Response, Problem> {
    let accept = match accept_key(&request)? {
        Opening::Accept(accept) => accept,
        Opening::OtherVersion(answer) => return Ok(answer),
    };
    let presented = Presented::read(request.headers(), request.uri().query());
    let arrival = request.extensions().get::<Arrival>().ok_or_else(Problem::no_route)?;
    let caller = match doors.gate.admit_socket(&presented, arrival.client).await {
        Ok(caller) => Some(caller),
        // It may come with `connect`.
        Err(Denied::Missing) => None,
        Err(denied) => return Err(denied.into()),
    };
    let visitor = Visitor { id: ConnectionId::new(doors.app.ids()), client: arrival.client, presented, caller };
    let Ok(permit) = Arc::clone(&doors.handshakes).try_acquire_owned() else {
        let message = "too many sockets wait for their authentication";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message));
    };
    let (id, served) = (visitor.id, Arc::clone(doors));
    Ok(switch(doors, request, (&accept, id, FRAME_BYTES_MAX), move |socket| async move {
        let Some(ready) = Box::pin(opening::open(&served, socket, visitor, permit)).await else { return };
        connection::run(&served, ready).await;
    }))
}

/// Answers 101, and hands the socket over in a future of its own.
pub(crate) fn switch<F: Future<Output = ()> + Send + 'static>(
    doors: &Arc<Doors>,
    mut request: Request,
    (accept, id, frame_bytes_max): (&str, ConnectionId, usize),
    serve: impl FnOnce(Socket) -> F + Send + 'static,
) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    let doors = Arc::clone(doors);
    let scope = doors.scope.clone();
    let span = tracing::info_span!(parent: None, "socket", connection.id = %id);
    let live = async move {
        let _counted = Counted::one(&doors.sockets);
        match upgraded.await {
            Ok(upgraded) => {
                let intake = intake::Intake::new(outflow::Outflow::new(TokioIo::new(upgraded)));
                let config = config(frame_bytes_max);
                serve(WebSocketStream::from_raw_socket(intake, Role::Server, Some(config)).await).await;
            }
            Err(error) => tracing::debug!("a socket broke off during its upgrade: {error}"),
        }
    };
    drop(scope.spawn(|_the_doors_have_it| live.instrument(span)));
    switching(accept)
}

/// What is answered to a request that wants to become a socket.
pub(crate) enum Opening {
    /// The answer to the client's key.
    Accept(String),
    /// The client speaks another version of the protocol, and is told ours.
    OtherVersion(Response),
}

/// RFC 6455, sections 4.2.1 and 4.4.
pub(crate) fn accept_key(request: &Request) -> Result<Opening, Problem> {
    let refuse = |message: &str| Problem::new(StatusCode::BAD_REQUEST, "invalid_request", message);
    let headers = request.headers();
    let wants = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade")))
    };
    let is_get = request.method() == Method::GET && request.version() >= Version::HTTP_11;
    if !is_get || !headers.get_all(CONNECTION).iter().any(wants) {
        return Err(refuse("a WebSocket is opened by GET of HTTP/1.1 with Connection: Upgrade"));
    }
    let version = headers.get(SEC_WEBSOCKET_VERSION).ok_or_else(|| refuse("Sec-WebSocket-Version is missing"))?;
    if version != "13" {
        let message = "Sec-WebSocket-Version must be 13";
        let mut answer = Problem::new(StatusCode::UPGRADE_REQUIRED, "invalid_request", message).into_response();
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Ok(Opening::OtherVersion(answer));
    }
    let is_whole = |key: &&HeaderValue| STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16);
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(is_whole);
    let key = key.ok_or_else(|| refuse("Sec-WebSocket-Key must be 16 bytes in base64"))?;
    Ok(Opening::Accept(derive_accept_key(key.as_bytes())))
}

fn switching(accept: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn config(frame_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(SOCKET_BUFFER_BYTES)
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max))
}

//! The upstream: OpenAI's chat completions from canned bytes, never the bottleneck.
//!
//! The model's name says how it answers: `instant` at once; `chunks-<n>-<ms>` as a stream of
//! `n` chunks, one every `ms`, the first at once; `hold` not before `POST /release`; `read-<file>` by a call of
//! `read`, and, once that is answered, at once, or, named `read-<file>-hold`, not before the release.
//! It reads no JSON: two substrings of the body decide, wherever a provider prefix stands.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::serving;

/// The text of one chunk; the driver counts its occurrences.
pub(crate) const TOKEN: &str = "tok ";

/// The model whose streams are paced: 64 chunks, one every 25 ms.
pub(crate) const PACED: &str = "chunks-64-25";

const WHOLE: &str = r#"{"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":"mock","choices":[{"index":0,"message":{"role":"assistant","content":"tok tok tok tok "},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":4,"total_tokens":12}}"#;
const FIRST: &str = "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"tok \"},\"finish_reason\":null}]}\n\n";
const NEXT: &str = "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"tok \"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\",\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":64,\"total_tokens\":72}}\n\ndata: [DONE]\n\n";

struct State {
    /// Goes up with each release; whoever holds an older number goes on.
    releases: watch::Sender<u64>,
    held: AtomicU64,
    served: AtomicU64,
}

/// How a request is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Manner {
    hold: bool,
    stream: bool,
    chunks: u32,
    pace: Duration,
    /// Whether the tool is to be called first.
    reads: bool,
}

/// Serves until the driver is gone.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = serving::listen().await?;
    let state = Arc::new(State { releases: watch::Sender::new(0), held: AtomicU64::new(0), served: AtomicU64::new(0) });
    tokio::select! {
        () = accept(listener, state) => {}
        () = serving::driver_gone() => {}
    }
    Ok(())
}

async fn accept(listener: tokio::net::TcpListener, state: Arc<State>) {
    while let Ok((socket, _peer)) = listener.accept().await {
        // A socket that cannot be set so is only slower.
        let _delayed = socket.set_nodelay(true);
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    match request.uri().path() {
        "/release" => {
            state.releases.send_modify(|count| *count += 1);
            return Ok(whole("{}"));
        }
        "/stats" => return Ok(json(stats(&state))),
        _ => {}
    }
    let body = request.into_body().collect().await?.to_bytes();
    let manner = manner(&body);
    if manner.hold {
        hold(&state).await;
    }
    state.served.fetch_add(1, Ordering::Relaxed);
    if manner.reads {
        return Ok(json(call_of_read(model(&body))));
    }
    Ok(if manner.stream { streamed(manner) } else { whole(WHOLE) })
}

fn stats(state: &State) -> String {
    let (held, served) = (state.held.load(Ordering::Relaxed), state.served.load(Ordering::Relaxed));
    format!(r#"{{"held":{held},"served":{served}}}"#)
}

/// Waits for the next release; a caller that goes away meanwhile is not counted any more.
async fn hold(state: &State) {
    struct Held<'a>(&'a AtomicU64);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    state.held.fetch_add(1, Ordering::Relaxed);
    let _held = Held(&state.held);
    // The sender lives as long as the state does.
    let _released = state.releases.subscribe().changed().await;
}

fn manner(body: &[u8]) -> Manner {
    let stream = memmem::find(body, br#""stream":true"#).is_some();
    let model = model(body);
    let mut numbers = model.strip_prefix("chunks-").unwrap_or_default().split('-').map(str::parse);
    let chunks = numbers.next().and_then(Result::ok).unwrap_or(4);
    let pace = Duration::from_millis(numbers.next().and_then(Result::ok).unwrap_or(0).into());
    let asks = model.starts_with("read-");
    let is_answered = asks && memmem::find(body, br#""role":"tool""#).is_some();
    let hold = model == "hold" || is_answered && model.ends_with("-hold");
    Manner { hold, stream, chunks, pace, reads: asks && !is_answered }
}

/// An answer that wants the file read that the model's name says.
fn call_of_read(model: &str) -> String {
    let file = model.trim_start_matches("read-").trim_end_matches("-hold");
    let call = format!(
        r#"{{"id":"call_1","type":"function","function":{{"name":"read","arguments":"{{\"path\":\"{file}\"}}"}}}}"#
    );
    let message = format!(r#"{{"role":"assistant","content":null,"tool_calls":[{call}]}}"#);
    let choice = format!(r#"{{"index":0,"message":{message},"finish_reason":"tool_calls"}}"#);
    format!(
        r#"{{"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":"mock","choices":[{choice}]}}"#
    )
}

/// The model's name without the provider's.
fn model(body: &[u8]) -> &str {
    const KEY: &[u8] = br#""model":""#;
    let name = memmem::find(body, KEY).and_then(|at| body.get(at + KEY.len()..)).unwrap_or_default();
    let end = memchr::memchr(b'"', name).unwrap_or(0);
    let name = name.get(..end).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
    name.rsplit('/').next().unwrap_or_default()
}

fn whole(text: &'static str) -> Response<Body> {
    json(Bytes::from_static(text.as_bytes()))
}

fn json(body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn streamed(manner: Manner) -> Response<Body> {
    let body = if manner.pace.is_zero() { Body::from(at_once(manner.chunks)) } else { paced(manner) };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn at_once(chunks: u32) -> String {
    let next = NEXT.repeat(chunks.saturating_sub(1) as usize);
    format!("{FIRST}{next}{LAST}")
}

fn paced(manner: Manner) -> Body {
    let began = Instant::now();
    Body::from_stream(stream::unfold(0, move |index| async move {
        if index > manner.chunks {
            return None;
        }
        tokio::time::sleep_until(began + manner.pace * index).await;
        let text = match index {
            0 => FIRST,
            index if index == manner.chunks => LAST,
            _ => NEXT,
        };
        Some((Ok::<_, Infallible>(Bytes::from_static(text.as_bytes())), index + 1))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_says_how_it_is_answered() {
        let instant = Manner { hold: false, stream: false, chunks: 4, pace: Duration::ZERO, reads: false };
        assert_eq!(manner(br#"{"model":"instant"}"#), instant);
        let paced = Manner { stream: true, chunks: 64, pace: Duration::from_millis(20), ..instant };
        assert_eq!(manner(br#"{"stream":true,"model":"mock/chunks-64-20","messages":[]}"#), paced);
        assert!(manner(br#"{"model":"mock/hold"}"#).hold);
        assert_eq!(manner(b"nonsense"), instant);
        assert!(manner(br#"{"model":"mock/read-small"}"#).reads);
        let answered = manner(br#"{"model":"mock/read-large-hold","messages":[{"role":"tool"}]}"#);
        assert!(answered.hold && !answered.reads);
        let call: serde_json::Value = serde_json::from_str(&call_of_read("read-large-hold")).unwrap();
        let arguments = &call["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"];
        assert_eq!(arguments, r#"{"path":"large"}"#);
    }

    #[test]
    fn a_stream_has_as_many_tokens_as_asked() {
        assert_eq!(at_once(64).matches(TOKEN).count(), 64);
        assert!(at_once(1).ends_with("data: [DONE]\n\n"));
    }
}

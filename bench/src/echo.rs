//! Reference C: the least a WebSocket server can do – no frames of its own, no callers, no state.
//!
//! `/calls` answers every text with the bytes that `POST /answer` set; `/feed` gets whatever
//! `POST /publish` brings, through one broadcast channel, and is read only to see it close.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::sync::{broadcast, watch};

use crate::serving;

/// As large as the gateway's: the library clears its read buffer with each look at the socket, and
/// clearing its own 128 KiB would be most of what the reference does.
const BUFFER_BYTES: usize = 4 * 1024;
/// News a slow reader may be behind, as many as the gateway keeps.
const NEWS_MAX: usize = 1024;

struct Shared {
    answer: watch::Sender<Utf8Bytes>,
    news: broadcast::Sender<Utf8Bytes>,
}

/// Serves until the driver is gone.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = serving::listen().await?;
    let shared =
        Arc::new(Shared { answer: watch::Sender::new(Utf8Bytes::default()), news: broadcast::Sender::new(NEWS_MAX) });
    let router = Router::new()
        .route("/calls", get(calls))
        .route("/feed", get(feed))
        .route("/answer", post(set))
        .route("/publish", post(publish))
        .with_state(shared);
    serving::serve(listener, router).await
}

async fn set(State(shared): State<Arc<Shared>>, text: String) -> StatusCode {
    shared.answer.send_replace(text.into());
    StatusCode::NO_CONTENT
}

async fn publish(State(shared): State<Arc<Shared>>, text: String) -> StatusCode {
    let _nobody_listens = shared.news.send(text.into());
    StatusCode::NO_CONTENT
}

async fn calls(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    let answer = shared.answer.borrow().clone();
    upgrade.read_buffer_size(BUFFER_BYTES).on_upgrade(move |mut socket: WebSocket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Text(_)) && socket.send(Message::Text(answer.clone())).await.is_err() {
                break;
            }
        }
    })
}

async fn feed(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    let mut news = shared.news.subscribe();
    upgrade.read_buffer_size(BUFFER_BYTES).on_upgrade(move |mut socket: WebSocket| async move {
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break,
                },
                news = news.recv() => match news {
                    Ok(text) => if socket.send(Message::Text(text)).await.is_err() { break },
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => break,
                }
            }
        }
    })
}

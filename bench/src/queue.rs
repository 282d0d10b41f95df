//! Reference B: the least a durable queue can do – three statements per task, group commit.
//!
//! `POST /tasks` answers 202 after the insert's fsync; workers claim, call the upstream, complete.
//! One writer ([`writer`]) does whatever waits in one transaction; with one operation per commit
//! it shows what that is worth. No leases, no events, no sessions, no recovery, no reads but a count.

mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures::FutureExt;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::sync::{Mutex, mpsc};

use crate::{proxy, serving};
use writer::{Act, Writer};

/// Tasks accepted and not claimed; more wait with their answer.
const PENDING_MAX: usize = 200_000;
/// Tasks at work at once.
const WORKERS: usize = 256;

#[derive(Clone)]
struct Shared {
    writer: Writer,
    pending: mpsc::Sender<i64>,
    numbers: Arc<AtomicU64>,
    completed: Arc<AtomicU64>,
}

/// Serves until the driver is gone.
pub(crate) async fn serve(upstream: String, database: &Path, operations_per_commit: usize) -> anyhow::Result<()> {
    let listener = serving::listen().await?;
    let writer = Writer::open(database, operations_per_commit).await?;
    let (pending, inbox) = mpsc::channel(PENDING_MAX);
    let shared = Shared { writer, pending, numbers: Arc::default(), completed: Arc::default() };
    let (client, url) = (proxy::client()?, Arc::<str>::from(format!("{upstream}/v1/chat/completions")));
    let inbox = Arc::new(Mutex::new(inbox));
    for _ in 0..WORKERS {
        tokio::spawn(work(shared.clone(), Arc::clone(&inbox), client.clone(), Arc::clone(&url)));
    }
    let router = Router::new().route("/tasks", post(submit)).route("/stats", get(stats)).with_state(shared);
    serving::serve(listener, router).await
}

async fn submit(State(shared): State<Shared>, body: Bytes) -> Response {
    let id = shared.numbers.fetch_add(1, Ordering::Relaxed) as i64;
    // A copy of its size: the body as it came holds on to the connection's whole read buffer.
    let body = body.to_vec();
    if !shared.writer.commit(Act::Insert { id, body }).await || shared.pending.send(id).await.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    (StatusCode::ACCEPTED, format!(r#"{{"id":"{id}"}}"#)).into_response()
}

async fn stats(State(shared): State<Shared>) -> String {
    format!(r#"{{"completed":{}}}"#, shared.completed.load(Ordering::Relaxed))
}

async fn work(shared: Shared, inbox: Arc<Mutex<mpsc::Receiver<i64>>>, client: reqwest::Client, url: Arc<str>) {
    loop {
        let next = inbox.lock().await.recv().await;
        let Some(id) = next else { return };
        if !shared.writer.commit(Act::Claim { id }).await {
            return;
        }
        // What a task says does not matter to the mock; reading it back would be a fourth statement.
        let body = Bytes::from_static(br#"{"model":"instant","messages":[{"role":"user","content":"hello"}]}"#);
        let asked = client.post(&*url).header(CONTENT_TYPE, "application/json").body(body).send();
        let Ok(result) = asked.then(async |answer| answer?.error_for_status()?.bytes().await).await else { continue };
        if shared.writer.commit(Act::Complete { id, result: result.to_vec() }).await {
            shared.completed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

//! Listens, takes connections within a limit, and lets them go in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use claw_app::App;
use claw_runtime::TaskScope;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::doors::{Counted, Doors};
use crate::http::{self, front, hooks};
use crate::limits::{DRAIN, HEAD_BYTES_MAX, HEAD_DEADLINE};
use crate::settings::Settings;
use crate::ws::stage;

/// How long to wait when the system gives no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `scope` is cancelled and the connections that were open by then have ended.
///
/// At the cancel sockets are told and closed with 1012, event streams end, idle connections close;
/// answers in progress may finish for a while. Everything runs in `scope`.
pub async fn serve(settings: Settings, app: App, listener: TcpListener, scope: TaskScope) {
    let permits = Arc::new(Semaphore::new(settings.connections_max));
    let doors = Arc::new(Doors::new(settings, app, scope.clone()));
    if let Ok(address) = listener.local_addr() {
        doors.port.store(address.port(), Ordering::Relaxed);
    }
    let router = http::router(&doors);
    drop(scope.spawn({
        let doors = Arc::clone(&doors);
        |_the_doors_have_it| stage::run(doors)
    }));
    // Before anybody can knock, so that no run is watched twice.
    tokio::select! { () = scope.cancelled() => {}, () = hooks::ends::take_up(&doors) => {} }
    let open = TaskTracker::new();
    while let Some((stream, peer, permit)) = accept(&listener, &permits, &doors.stop).await {
        let (doors, router) = (Arc::clone(&doors), router.clone());
        let connection = open.track_future(connection(doors, router, stream, peer, permit));
        drop(scope.spawn(|_the_doors_have_it| connection));
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(DRAIN, open.wait()).await.is_err() {
        tracing::warn!("{} connections were still open after {} s", open.len(), DRAIN.as_secs());
    }
}

/// The next connection; nothing at a stop. With all permits given away, new ones wait in the backlog.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let next = async {
        let permit = Arc::clone(permits).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, permit)),
                Err(error) => {
                    tracing::warn!("cannot take a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! { biased; () = stop.cancelled() => None, next = next => next }
}

async fn connection(
    doors: Arc<Doors>,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let _counted = Counted::one(&doors.connections);
    // Small events must not wait for more of them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY cannot be set: {error}");
    }
    let answer = |request: hyper::Request<Incoming>| {
        let (doors, router) = (Arc::clone(&doors), router.clone());
        async move { Ok::<_, std::convert::Infallible>(front::answer(&doors, &router, peer, front::boxed(request)).await) }
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .with_upgrades();
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = doors.stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
    drop(permit);
}

//! What the mock and the references share: a port of their own, and an end with their driver.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Listens on a free loopback port and says where, as the gateway does.
pub(crate) async fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.context("cannot listen")?;
    println!("listening on http://{} ", listener.local_addr()?);
    Ok(listener)
}

/// Serves a router until the driver is gone.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> anyhow::Result<()> {
    use axum::serve::ListenerExt;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    tokio::select! {
        ended = axum::serve(listener, router) => ended.context("the server ended"),
        () = driver_gone() => Ok(()),
    }
}

/// Resolves when standard input closes: a driver that was killed leaves no servers behind.
pub(crate) async fn driver_gone() {
    let (told, gone) = oneshot::channel::<()>();
    // A thread of its own, because it blocks until the end.
    std::thread::spawn(move || {
        let _copied = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(told);
    });
    let _closed = gone.await;
}

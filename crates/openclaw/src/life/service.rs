//! What the service manager is told, where there is one.
//!
//! Each word goes to `$NOTIFY_SOCKET` and costs nothing without it. One that cannot be delivered
//! is only logged: the gateway does not live by its manager's ear.

use std::net::SocketAddr;

use sd_notify::NotifyState;
use tokio::sync::mpsc;

use crate::env::Environment;

/// Requests are answered.
pub(crate) fn ready(address: SocketAddr) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("ready on http://{address}"))]);
}

/// Requests to read the configuration again, with the service manager kept informed.
///
/// Whoever asks for the next request is done with the last: that is when the manager hears so.
#[derive(Debug)]
pub(crate) struct Reloads {
    requests: mpsc::Receiver<()>,
    under_way: bool,
}

impl Reloads {
    /// Passes on what comes through `requests`.
    pub(crate) fn of(requests: mpsc::Receiver<()>) -> Self {
        Self { requests, under_way: false }
    }

    /// The next request; `None` when none can come any more. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<()> {
        if std::mem::take(&mut self.under_way) {
            tell(&[NotifyState::Ready, NotifyState::Status("ready")]);
        }
        self.requests.recv().await?;
        self.under_way = true;
        reloading();
        Some(())
    }
}

fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("no monotonic time for the service manager: {error}"),
    }
}

/// The process is on its way out.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what runs")]);
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!("the service manager did not hear us: {error}");
    }
}

/// Whether systemd itself started this process, and not a shell inside one of its units.
pub(crate) fn started_by_systemd(environment: &Environment) -> bool {
    environment.get("SYSTEMD_EXEC_PID").and_then(|pid| pid.parse().ok()) == Some(std::process::id())
}

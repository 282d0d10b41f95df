//! What the service manager is told, where there is one.
//!
//! Each word goes to `$NOTIFY_SOCKET` and costs nothing without it. One that cannot be delivered
//! is only logged: the gateway does not live by its manager's ear.

use std::net::SocketAddr;

use sd_notify::NotifyState;

use crate::env::Environment;

/// Requests are answered.
pub(crate) fn ready(address: SocketAddr) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("ready on http://{address}"))]);
}

/// The configuration is being read again; follow with [`reloaded`].
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("no monotonic time for the service manager: {error}"),
    }
}

/// The reload is over, whatever came of it.
pub(crate) fn reloaded(outcome: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(outcome)]);
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

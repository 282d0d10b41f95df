//! The signals a gateway heeds.

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// What somebody wants of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Stop, gracefully.
    Terminate,
    /// Stop, at once: the second time of asking.
    TerminateNow,
    /// Read the configuration again.
    Reload,
}

/// SIGTERM, SIGINT, SIGHUP and SIGUSR1, from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
    user: unix::Signal,
    asked: bool,
}

impl Signals {
    /// Takes the signals over from their defaults, which would end the process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hang_up: unix::signal(SignalKind::hangup())?,
            user: unix::signal(SignalKind::user_defined1())?,
            asked: false,
        })
    }

    /// The next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => self.stop(),
            _ = self.interrupt.recv() => self.stop(),
            // A closed terminal asks no second time, and may not be meant as one.
            _ = self.hang_up.recv() => { self.asked = true; Signal::Terminate }
            _ = self.user.recv() => Signal::Reload,
        }
    }

    fn stop(&mut self) -> Signal {
        if std::mem::replace(&mut self.asked, true) { Signal::TerminateNow } else { Signal::Terminate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{self, Signal as Raw};

    #[tokio::test]
    async fn the_second_termination_means_at_once_and_usr1_is_a_reload() {
        let mut signals = Signals::listen().unwrap();
        let mut heard = Vec::new();
        for raw in [Raw::SIGUSR1, Raw::SIGTERM, Raw::SIGUSR1, Raw::SIGINT] {
            signal::raise(raw).unwrap();
            heard.push(signals.next().await);
        }
        assert_eq!(heard, [Signal::Reload, Signal::Terminate, Signal::Reload, Signal::TerminateNow]);
    }
}

//! The life of a gateway process: one per state directory, ready when it says so, stopped
//! gracefully.
//!
//! Knows signals, the lock, the service manager and the terminal; knows nothing of what is
//! served. [`run`] calls a future it is given and tells it through [`Life`] when to stop.

pub(crate) mod daemon;
mod descriptors;
pub(crate) mod lock;
pub(crate) mod probe;
pub(crate) mod service;
pub(crate) mod signals;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use claw_core::Clock;
use claw_runtime::SystemClock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::lock::{Holder, Lock, TakeError};
use self::service::Reloads;
use self::signals::{Signal, Signals};
use crate::config::disk;
use crate::config::settings::Settings;
use crate::exit::{Fatal, chain};
use crate::log;

/// How long the gateway may take to finish what runs; then it ends all the same.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);
/// What it may take beyond that to close the store.
const CLOSE: Duration = Duration::from_secs(3);
/// What it may take after the second signal.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Who watches the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person or a service manager: plain words on standard output.
    Foreground,
    /// The process that started us in the background and waits for the word.
    Launcher,
}

/// What the served future knows of the process around it.
#[derive(Debug)]
pub(crate) struct Life {
    /// Cancelled at the first signal: stop accepting, tell clients, drain within [`DRAIN`].
    pub(crate) shutdown: CancellationToken,
    /// Cancelled at the second: leave now.
    pub(crate) stop_now: CancellationToken,
    /// One message per SIGUSR1; two while the first is still waiting are one.
    pub(crate) reloads: Reloads,
    /// How much is logged.
    pub(crate) level: log::LevelControl,
    audience: Audience,
    lock: Mutex<Lock>,
}

impl Life {
    /// Says that `address` answers requests: to the lock file, the service manager and whoever
    /// watches. Call once, when the first request would be answered.
    pub(crate) fn ready(&self, address: SocketAddr) {
        let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = lock.set_address(address) {
            tracing::warn!("cannot write the address into the lock file: {error}");
        }
        service::ready(address);
        tracing::info!(%address, "gateway {} is ready on http://{address}", env!("CARGO_PKG_VERSION"));
        match self.audience {
            Audience::Foreground => say(&format!(
                "OpenClaw {} is ready on http://{address} (pid {})",
                env!("CARGO_PKG_VERSION"),
                std::process::id()
            )),
            Audience::Launcher => daemon::tell_launcher(address),
        }
    }
}

/// Runs a gateway until it ends or is told to.
///
/// Takes the lock, then calls `serve` on a runtime of its own. Errors: what `serve` says;
/// [`Fatal::PortInUse`] or [`Fatal::Other`] if another gateway holds the state directory.
pub(crate) fn run<Serve, Served>(
    settings: Settings,
    audience: Audience,
    start: lock::Start,
    serve: Serve,
) -> Result<(), Fatal>
where
    Serve: FnOnce(Settings, Life) -> Served,
    Served: Future<Output = Result<(), Fatal>>,
{
    let lock = take_lock(&settings, start)?;
    // Only now is the log file ours to write.
    let terminal = match audience {
        Audience::Foreground => log::Terminal::Shown,
        Audience::Launcher => log::Terminal::Hidden,
    };
    let level = log::start(&settings.fixed.logging, settings.live.log_level, terminal)?;
    descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fatal::other(format!("cannot start the runtime: {error}"), "free some memory or threads"))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen()
            .map_err(|error| Fatal::other(format!("cannot listen for signals: {error}"), "report this"))?;
        let (reload, reloads) = mpsc::channel(1);
        let life = Life {
            shutdown: CancellationToken::new(),
            stop_now: CancellationToken::new(),
            reloads: Reloads::of(reloads),
            level,
            audience,
            lock: Mutex::new(lock),
        };
        let tokens = (life.shutdown.clone(), life.stop_now.clone());
        supervise(serve(settings, life), async || signals.next().await, tokens, reload).await
    });
    // Whatever still blocks has had its time; the store's writes are on disk or never promised.
    runtime.shutdown_background();
    result
}

/// Drives `served` and turns signals into its tokens; gives up on it when its time is over.
///
/// `next_signal` must be cancel-safe: it is dropped and asked again whenever another arm wins.
async fn supervise<Served>(
    served: Served,
    mut next_signal: impl AsyncFnMut() -> Signal,
    (shutdown, stop_now): (CancellationToken, CancellationToken),
    reload: mpsc::Sender<()>,
) -> Result<(), Fatal>
where
    Served: Future<Output = Result<(), Fatal>>,
{
    tokio::pin!(served);
    let out_of_time = tokio::time::sleep(Duration::MAX);
    tokio::pin!(out_of_time);
    loop {
        tokio::select! {
            result = &mut served => {
                service::stopping();
                return result;
            }
            () = &mut out_of_time => {
                tracing::warn!("stopped before everything had ended; what was accepted is safe in the store");
                return Ok(());
            }
            signal = next_signal() => match signal {
                Signal::Terminate => {
                    tracing::info!("stopping: finishing what runs, {} s at most", DRAIN.as_secs());
                    say(&format!("stopping: finishing what runs, {} s at most; a second signal stops at once", DRAIN.as_secs()));
                    service::stopping();
                    out_of_time.as_mut().reset(tokio::time::Instant::now() + DRAIN + CLOSE);
                    shutdown.cancel();
                }
                Signal::TerminateNow => {
                    tracing::warn!("a second signal: stopping at once");
                    out_of_time.as_mut().reset(tokio::time::Instant::now() + AT_ONCE);
                    shutdown.cancel();
                    stop_now.cancel();
                }
                Signal::Reload => {
                    // A full channel means a reload is still to come, which will see this change too.
                    let _ = reload.try_send(());
                }
            },
        }
    }
}

fn take_lock(settings: &Settings, start: lock::Start) -> Result<Lock, Fatal> {
    let state_dir = &settings.location.state_dir;
    disk::make_private_directory(state_dir).map_err(|error| {
        Fatal::other(
            format!("cannot make the state directory {}: {error}", state_dir.display()),
            "mend its permissions or name another in OPENCLAW_STATE_DIR",
        )
    })?;
    let holder = Holder::this_process(SystemClock.now(), start);
    Lock::take(state_dir, holder).map_err(|error| match error {
        TakeError::Held(holder) => held(settings, holder.as_deref()),
        TakeError::Io(error) => Fatal::other(
            format!("cannot lock the state directory {}: {}", state_dir.display(), chain(&error)),
            "mend its permissions or name another in OPENCLAW_STATE_DIR",
        ),
    })
}

/// Another gateway holds the state directory: a port conflict if it is also on our port.
pub(crate) fn held(settings: &Settings, holder: Option<&Holder>) -> Fatal {
    let Some(holder) = holder else {
        return Fatal::other(
            format!("another gateway is starting in {}", settings.location.state_dir.display()),
            "wait for it, or stop it with `openclaw gateway stop`",
        );
    };
    let who = format!("the gateway with pid {}, running since {}", holder.pid, holder.started_at);
    match holder.address {
        Some(address) if address.port() == settings.fixed.port => Fatal::PortInUse { address, holder: Some(who) },
        _ => Fatal::other(
            format!("the state directory {} is held by {who}", settings.location.state_dir.display()),
            "stop it with `openclaw gateway stop`, or give this one its own with --state-dir",
        ),
    }
}

/// Prints a line for whoever watches; nobody may be.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// Tells `served` these signals, then none; returns what `supervise` gave and the time it took.
    async fn under<Served>(
        signals: &[Signal],
        served: impl FnOnce(CancellationToken, CancellationToken, mpsc::Receiver<()>) -> Served,
    ) -> (Result<(), Fatal>, Duration)
    where
        Served: Future<Output = Result<(), Fatal>>,
    {
        let (shutdown, stop_now) = (CancellationToken::new(), CancellationToken::new());
        let (reload, reloads) = mpsc::channel(1);
        let served = served(shutdown.clone(), stop_now.clone(), reloads);
        let mut left = signals.iter();
        let next_signal = async || match left.next() {
            Some(signal) => *signal,
            None => std::future::pending().await,
        };
        let began = Instant::now();
        let result = supervise(served, next_signal, (shutdown, stop_now), reload).await;
        (result, began.elapsed())
    }

    #[tokio::test]
    async fn the_first_signal_is_heard_and_waited_for() {
        let (result, _) = under(&[Signal::Terminate], |shutdown, stop_now, _| async move {
            shutdown.cancelled().await;
            tokio::task::yield_now().await;
            assert!(!stop_now.is_cancelled());
            Err(Fatal::Setting("the end of draining".to_owned()))
        })
        .await;
        assert_eq!(result.unwrap_err().code(), 64, "what serving says is what counts");
    }

    #[tokio::test]
    async fn the_second_signal_ends_even_what_does_not_listen() {
        let (result, took) = under(&[Signal::Terminate, Signal::TerminateNow], |_, _, _| std::future::pending()).await;
        assert!(result.is_ok());
        assert!(took < AT_ONCE + Duration::from_secs(5), "{took:?}");
    }

    #[tokio::test]
    async fn reloads_that_wait_are_one_and_stop_nothing() {
        let signals = [Signal::Reload, Signal::Reload, Signal::Terminate];
        let (result, _) = under(&signals, |shutdown, _, mut reloads| async move {
            shutdown.cancelled().await;
            assert!(reloads.try_recv().is_ok());
            assert!(reloads.try_recv().is_err());
            Ok(())
        })
        .await;
        assert!(result.is_ok());
    }
    use crate::config::{load, settings::Flags};
    use crate::env::Environment;

    fn settings(port: u16) -> Settings {
        let environment = Environment::of(&[("OPENCLAW_STATE_DIR", "/state")]);
        let flags = Flags { port: Some(port), ..Flags::default() };
        load(&environment, &flags).unwrap().settings
    }

    #[test]
    fn a_second_gateway_is_told_who_holds_the_directory_and_which_conflict_it_is() {
        let mut holder = Holder::this_process(claw_core::Timestamp::from_millis(0), lock::Start::default());
        assert_eq!(held(&settings(18_789), None).code(), 70);
        assert_eq!(held(&settings(18_789), Some(&holder)).code(), 70);
        holder.address = Some("127.0.0.1:18789".parse().unwrap());
        let same_port = held(&settings(18_789), Some(&holder));
        assert_eq!(same_port.code(), 2);
        assert!(same_port.line().contains(&format!("pid {}", holder.pid)));
        let other_port = held(&settings(18_790), Some(&holder));
        assert_eq!(other_port.code(), 70);
        assert!(other_port.line().contains("--state-dir"));
    }
}

//! `openclaw gateway`: start, run, stop, restart, status.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use claw_core::{Clock, Timestamp};
use claw_runtime::SystemClock;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use super::Context;
use super::config::{print, print_json, warn};
use crate::client::{ClientError, Connection, Incoming, Reach, Target};
use crate::compose;
use crate::config::credentials::{Auth, Decision};
use crate::config::settings::{Flags, Location, Settings};
use crate::config::{self, Loaded, Sources, edit, token};
use crate::exit::Fatal;
use crate::life::daemon::{self, LaunchError};
use crate::life::lock::{self, Holder, Occupancy, Start};
use crate::life::{self, Audience, probe, service};

/// A gateway has 30 s to drain and a moment to close its store.
const STOPPED_WITHIN: Duration = Duration::from_secs(35);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Arguments of `openclaw gateway`.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start the gateway, in the foreground unless --daemon
    #[command(alias = "run")]
    Start(StartArguments),
    /// Stop the running gateway gracefully
    Stop,
    /// Stop the gateway if it runs, and start it in the background
    Restart(ListenArguments),
    /// Have the running gateway read its configuration again
    Reload,
    /// Call one of the gateway's methods, and print its first answer as JSON
    Call {
        /// The method: `openclaw gateway call health`
        method: String,
        /// Its parameters, as JSON
        #[arg(long, default_value = "{}")]
        params: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Say whether a gateway runs, and where
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct StartArguments {
    #[command(flatten)]
    listen: ListenArguments,
    /// Go into the background once it is ready
    #[arg(long)]
    daemon: bool,
    /// Set by --daemon on the process it starts
    #[arg(long, hide = true)]
    detached: bool,
}

#[derive(Debug, Args)]
struct ListenArguments {
    /// Port; 0 takes any free one and prints it
    #[arg(long)]
    port: Option<u16>,
    /// Address: loopback, lan, tailnet or an IP address
    #[arg(long)]
    bind: Option<String>,
}

/// Runs `openclaw gateway`.
pub(crate) fn run(gateway: Gateway, context: &Context) -> Result<ExitCode, Fatal> {
    match gateway.action {
        Action::Start(arguments) => start(arguments, context),
        Action::Stop => stop(context),
        Action::Restart(listen) => restart(listen, context),
        Action::Reload => reload(context),
        Action::Call { method, params, reach } => call(&Target::find(context, &reach)?, &method, &params),
        Action::Status { json } => status(context, json),
    }
}

fn call(target: &Target, method: &str, params: &str) -> Result<ExitCode, Fatal> {
    let params: serde_json::Value =
        serde_json::from_str(params).map_err(|error| Fatal::Usage(format!("--params is no JSON: {error}")))?;
    let result = crate::client::block_on(async {
        let mut connection = Connection::open(target).await?;
        let asked = connection.ask(method, &params).await?;
        let payload = loop {
            if let Incoming::Answer { id, result } = connection.next().await?
                && id == asked
            {
                break result.map_err(ClientError::Refused)?;
            }
        };
        connection.close().await;
        Ok(payload)
    })?;
    print(&result.pretty())
}

fn start(arguments: StartArguments, context: &Context) -> Result<ExitCode, Fatal> {
    let StartArguments { listen: ListenArguments { port, bind }, daemon, detached } = arguments;
    let flags = Flags { port, bind: bind.clone(), ..context.flags.clone() };
    let start = Start { port, bind, background: detached, systemd: service::started_by_systemd(&context.environment) };
    if detached {
        daemon::detach()?;
        let result = in_foreground(context, &flags, start, Audience::Launcher);
        if let Err(fatal) = &result {
            // The launcher shows it; standard error is a file here.
            print(&fatal.line())?;
        }
        return result;
    }
    if daemon {
        in_background(context, &flags, &start)
    } else {
        in_foreground(context, &flags, start, Audience::Foreground)
    }
}

fn in_foreground(context: &Context, flags: &Flags, start: Start, audience: Audience) -> Result<ExitCode, Fatal> {
    let (Loaded { settings, warnings }, auth) = prepare(context, flags)?;
    let sources = Sources { environment: context.environment.clone(), flags: flags.clone() };
    life::run(settings, audience, start, |settings, life| {
        for warning in &warnings {
            tracing::warn!("configuration: {warning}");
        }
        compose::serve(settings, sources, auth, life)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Whatever can be wrong is found here already, where a terminal shows it.
fn in_background(context: &Context, flags: &Flags, start: &Start) -> Result<ExitCode, Fatal> {
    let (Loaded { settings, warnings }, _auth) = prepare(context, flags)?;
    warn(&warnings);
    match look(&settings.location)? {
        Occupancy::Free => {}
        Occupancy::Starting => return Err(life::held(&settings, None)),
        Occupancy::Held(holder) => return Err(life::held(&settings, Some(&holder))),
    }
    match daemon::launch(&settings, flags, start) {
        Ok(launched) => print(&format!(
            "OpenClaw {} is ready on http://{} (pid {})",
            env!("CARGO_PKG_VERSION"),
            launched.address,
            launched.pid
        )),
        Err(LaunchError::Ended { code }) => Ok(ExitCode::from(code)),
        Err(LaunchError::Fatal(fatal)) => Err(fatal),
    }
}

/// Loads the configuration and settles who may come in; on a first run that makes a token.
fn prepare(context: &Context, flags: &Flags) -> Result<(Loaded, Auth), Fatal> {
    let mut loaded = config::load(&context.environment, flags)?;
    for _ in 0..2 {
        let settings = &loaded.settings;
        match settings.credentials().decide(settings.fixed.bind) {
            Decision::Enforce(auth) => return Ok((loaded, auth)),
            Decision::Refuse(refusal) => return Err(Fatal::AuthMissing(refusal)),
            Decision::CreateToken => {
                create_token(context, &loaded.settings.location)?;
                // Read again instead of patched in, so that what counts is what is on disk.
                loaded = config::load(&context.environment, flags)?;
            }
        }
    }
    Err(Fatal::other("a token was written but is not there", "set one with `openclaw config set gateway.auth.token …`"))
}

fn create_token(context: &Context, location: &Location) -> Result<(), Fatal> {
    let token = token::create()
        .map_err(|error| Fatal::other(format!("no random numbers for a token: {error}"), "check /dev/urandom"))?;
    let path = ["gateway", "auth", "token"].map(str::to_owned);
    edit::set(location, &path, token.expose(), &context.environment)?;
    let told = format!(
        "A new gateway token is in {}; `openclaw config get gateway.auth.token` shows it.",
        location.config_file.display()
    );
    // On standard error, so that a background start's word stays alone on standard output.
    let _ = writeln!(io::stderr().lock(), "{told}");
    Ok(())
}

fn stop(context: &Context) -> Result<ExitCode, Fatal> {
    let location = Location::find(&context.environment, &context.flags)?;
    match look(&location)? {
        Occupancy::Free => print(&format!("no gateway runs in {}", location.state_dir.display())),
        Occupancy::Starting => Err(still_starting(&location)),
        Occupancy::Held(holder) => {
            stop_holder(&location, &holder)?;
            print(&format!("the gateway (pid {}) has stopped", holder.pid))
        }
    }
}

fn restart(listen: ListenArguments, context: &Context) -> Result<ExitCode, Fatal> {
    let location = Location::find(&context.environment, &context.flags)?;
    let ListenArguments { mut port, mut bind } = listen;
    match look(&location)? {
        Occupancy::Free => {}
        Occupancy::Starting => return Err(still_starting(&location)),
        Occupancy::Held(holder) if holder.start.systemd => {
            return Err(Fatal::other(
                format!("the gateway (pid {}) is run by systemd", holder.pid),
                "restart it with `systemctl restart` and the name of its unit",
            ));
        }
        Occupancy::Held(holder) => {
            // What it was told on its command line holds on; a port it was left to choose, too.
            port = port.or_else(|| holder.start.port.and(holder.port));
            bind = bind.or_else(|| holder.start.bind.clone());
            check_before_stopping(context, port, bind.clone())?;
            stop_holder(&location, &holder)?;
        }
    }
    let flags = Flags { port, bind: bind.clone(), ..context.flags.clone() };
    in_background(context, &flags, &Start { port, bind, background: true, systemd: false })
}

/// What the gateway would refuse is refused here, where somebody reads it.
fn reload(context: &Context) -> Result<ExitCode, Fatal> {
    let Loaded { settings, warnings } = config::load(&context.environment, &context.flags)?;
    warn(&warnings);
    let location = &settings.location;
    let Occupancy::Held(holder) = look(location)? else {
        return Err(Fatal::other(
            format!("no gateway runs in {}", location.state_dir.display()),
            "start one with `openclaw gateway start`",
        ));
    };
    let pid = i32::try_from(holder.pid).map(Pid::from_raw).map_err(anyhow::Error::from)?;
    kill(pid, Signal::SIGUSR1).map_err(|errno| {
        Fatal::other(
            format!("cannot tell the gateway (pid {pid}) to reload: {errno}"),
            "do it as the user who started it",
        )
    })?;
    print(&format!(
        "the gateway (pid {pid}) reads {} again; `openclaw logs` says what changed and what needs a restart",
        location.config_file.display()
    ))
}

/// A gateway that runs is not stopped for one that would not start.
fn check_before_stopping(context: &Context, port: Option<u16>, bind: Option<String>) -> Result<(), Fatal> {
    prepare(context, &Flags { port, bind, ..context.flags.clone() }).map(|_| ())
}

/// Asks the holder to stop and waits until the lock is free.
fn stop_holder(location: &Location, holder: &Holder) -> Result<(), Fatal> {
    let pid = i32::try_from(holder.pid).map(Pid::from_raw).map_err(anyhow::Error::from)?;
    match kill(pid, Signal::SIGTERM) {
        // Gone by itself since we looked.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => {
            return Err(Fatal::other(
                format!("cannot stop the gateway (pid {pid}): {errno}"),
                "stop it as the user who started it",
            ));
        }
    }
    let began = Instant::now();
    let mut progress = Progress::default();
    while began.elapsed() < STOPPED_WITHIN {
        match look(location)? {
            Occupancy::Held(still) if still.pid == holder.pid => progress.waiting(began.elapsed()),
            Occupancy::Free | Occupancy::Starting | Occupancy::Held(_) => {
                progress.end();
                return Ok(());
            }
        }
        sleep(LOOK_EVERY);
    }
    progress.end();
    Err(Fatal::other(
        format!("the gateway (pid {pid}) has not stopped within {} s", STOPPED_WITHIN.as_secs()),
        "run `openclaw gateway stop` again to end it at once",
    ))
}

/// Seconds on the terminal while the gateway drains; nothing where nobody watches.
#[derive(Default)]
struct Progress {
    seconds: u64,
}

impl Progress {
    fn waiting(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs();
        if seconds > self.seconds && io::stderr().is_terminal() {
            let _ = write!(io::stderr().lock(), "\rwaiting for what runs to finish: {seconds} s");
        }
        self.seconds = seconds;
    }

    fn end(&self) {
        if self.seconds > 0 && io::stderr().is_terminal() {
            let _ = writeln!(io::stderr().lock());
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusAnswer<'answer> {
    running: bool,
    ready: bool,
    pid: Option<u32>,
    port: Option<u16>,
    bind: Option<String>,
    /// Seconds.
    uptime: Option<u64>,
    started_at: Option<&'answer str>,
    version: &'answer str,
    state_dir: &'answer Path,
}

fn status(context: &Context, json: bool) -> Result<ExitCode, Fatal> {
    let location = Location::find(&context.environment, &context.flags)?;
    let occupancy = look(&location)?;
    let holder = match &occupancy {
        Occupancy::Held(holder) => Some(holder),
        Occupancy::Free | Occupancy::Starting => None,
    };
    let address = holder.and_then(|holder| holder.address);
    let answer = StatusAnswer {
        running: occupancy != Occupancy::Free,
        ready: address.is_some_and(probe::is_ready),
        pid: holder.map(|holder| holder.pid),
        port: address.map(|address| address.port()),
        bind: address.map(|address| address.ip().to_string()),
        uptime: holder.map(|holder| uptime_seconds(holder, SystemClock.now())),
        started_at: holder.map(|holder| holder.started_at.as_str()),
        version: holder.map_or(env!("CARGO_PKG_VERSION"), |holder| holder.version.as_str()),
        state_dir: &location.state_dir,
    };
    if json { print_json(&answer) } else { print(&words(&answer)) }
}

fn words(answer: &StatusAnswer<'_>) -> String {
    let directory = answer.state_dir.display();
    let StatusAnswer { pid: Some(pid), version, .. } = answer else {
        return if answer.running {
            format!("a gateway is starting in {directory}")
        } else {
            format!("no gateway runs in {directory}; start one with `openclaw gateway start`")
        };
    };
    let place = match (&answer.bind, answer.port) {
        (Some(bind), Some(port)) => format!("on {bind} port {port}"),
        _ => "not listening yet".to_owned(),
    };
    let readiness = if answer.ready { "ready" } else { "not ready" };
    let uptime = answer.uptime.map_or_else(String::new, |seconds| format!(", up {}", duration_words(seconds)));
    format!("OpenClaw {version} runs {place} (pid {pid}, {readiness}{uptime})\nstate: {directory}")
}

fn duration_words(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn uptime_seconds(holder: &Holder, now: Timestamp) -> u64 {
    now.since(Timestamp::from_millis(holder.started_at_ms)).as_secs()
}

fn look(location: &Location) -> Result<Occupancy, Fatal> {
    lock::look(&location.state_dir).map_err(|error| {
        Fatal::other(
            format!("cannot look into the state directory {}: {error}", location.state_dir.display()),
            "mend its permissions or name another with --state-dir",
        )
    })
}

fn still_starting(location: &Location) -> Fatal {
    Fatal::other(format!("a gateway is just starting in {}", location.state_dir.display()), "try again in a moment")
}

/// Where the settings of a client on this machine come from: the file, and what runs.
pub(crate) fn client_settings(context: &Context) -> Result<Settings, Fatal> {
    let Loaded { settings, warnings } = config::load(&context.environment, &context.flags)?;
    warn(&warnings);
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_two_largest_units() {
        let table = [(5, "5 s"), (65, "1 min"), (3_700, "1 h 1 min"), (90_061, "1 d 1 h")];
        for (seconds, words) in table {
            assert_eq!(duration_words(seconds), words);
        }
    }
}

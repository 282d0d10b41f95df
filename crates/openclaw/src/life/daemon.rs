//! A gateway in the background: the program again, in a session of its own.
//!
//! Launcher and gateway speak over the gateway's standard output until it is ready: one JSON
//! line is the word, anything else is a cause to show. The gateway makes itself a session
//! leader instead of being made one between fork and exec, which would need unsafe code.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lock::Start;
use crate::config::disk::make_private_directory;
use crate::config::settings::{Flags, Settings};
use crate::exit::Fatal;

/// How long a gateway may take to get ready; migrating a large store takes a while.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// The word that the gateway is ready.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    ready: SocketAddr,
}

/// A gateway that answers in the background.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
}

/// What came of launching.
#[derive(Debug)]
pub(crate) enum LaunchError {
    /// The gateway ended and said why; the line is already shown.
    Ended { code: u8 },
    /// Anything else.
    Fatal(Fatal),
}

/// Starts a gateway in the background and waits until it is ready.
pub(crate) fn launch(settings: &Settings, flags: &Flags, start: &Start) -> Result<Launched, LaunchError> {
    let cannot = |error: io::Error| {
        LaunchError::Fatal(Fatal::other(
            format!("cannot start the gateway in the background: {error}"),
            "try `openclaw gateway run`",
        ))
    };
    let mut child = command(settings, flags, start).and_then(|mut command| command.spawn()).map_err(cannot)?;
    match wait_until_ready(&mut child) {
        Waited::Ready(address) => Ok(Launched { pid: child.id(), address }),
        Waited::Ended { shown } => {
            let status = child.wait().map_err(cannot)?;
            if shown {
                return Err(LaunchError::Ended { code: code_of(status) });
            }
            Err(LaunchError::Fatal(Fatal::other(
                format!("the gateway ended before it was ready ({status})"),
                log_hint(settings),
            )))
        }
        Waited::OutOfTime => Err(LaunchError::Fatal(Fatal::other(
            format!("the gateway (pid {}) is not ready after {} s; it goes on", child.id(), READY_WITHIN.as_secs()),
            log_hint(settings),
        ))),
    }
}

fn log_hint(settings: &Settings) -> String {
    match &settings.fixed.logging.file {
        Some(file) => format!("see {}", file.display()),
        None => "try `openclaw gateway run`".to_owned(),
    }
}

fn command(settings: &Settings, flags: &Flags, start: &Start) -> io::Result<Command> {
    let location = &settings.location;
    let mut command = Command::new(std::env::current_exe()?);
    // Operators find the process by these words.
    command.arg0("openclaw").args(["gateway", "start", "--detached"]);
    command.arg("--state-dir").arg(&location.state_dir);
    command.arg("--config").arg(&location.config_file);
    if let Some(port) = start.port {
        command.arg("--port").arg(port.to_string());
    }
    let words = [("--bind", &start.bind), ("--log-level", &flags.log_level), ("--log-format", &flags.log_format)];
    for (name, value) in words {
        if let Some(value) = value {
            command.arg(name).arg(value);
        }
    }
    command
        .current_dir(&location.state_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stray_output(settings)?);
    Ok(command)
}

/// Where a panic's last words go, which no logger sees. Begun anew at each start.
fn stray_output(settings: &Settings) -> io::Result<File> {
    let directory = settings.location.state_dir.join("logs");
    make_private_directory(&directory)?;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(directory.join("gateway.stderr"))
}

enum Waited {
    Ready(SocketAddr),
    Ended { shown: bool },
    OutOfTime,
}

fn wait_until_ready(child: &mut Child) -> Waited {
    let Some(output) = child.stdout.take() else {
        return Waited::Ended { shown: false };
    };
    // A thread reads, because a pipe has no read with a deadline; it ends with the pipe.
    let (lines, heard) = mpsc::sync_channel(1);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut shown = false;
    loop {
        match heard.recv_timeout(READY_WITHIN) {
            Ok(line) => match serde_json::from_str::<Word>(&line) {
                Ok(word) => return Waited::Ready(word.ready),
                Err(_) => {
                    shown = true;
                    let _ = writeln!(io::stderr().lock(), "{line}");
                }
            },
            Err(RecvTimeoutError::Disconnected) => return Waited::Ended { shown },
            Err(RecvTimeoutError::Timeout) => return Waited::OutOfTime,
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(70)
}

/// In the gateway: leaves the launcher's session and terminal.
pub(crate) fn detach() -> Result<(), Fatal> {
    match nix::unistd::setsid() {
        // EPERM: already a leader, which is what we want to be.
        Ok(_) | Err(nix::errno::Errno::EPERM) => Ok(()),
        Err(errno) => Err(Fatal::other(format!("cannot leave the terminal: {errno}"), "try `openclaw gateway run`")),
    }
}

/// In the gateway: says the word and lets go of the launcher's pipe, which nobody reads on.
pub(crate) fn tell_launcher(address: SocketAddr) {
    let mut output = io::stdout().lock();
    if let Ok(word) = serde_json::to_string(&Word { ready: address }) {
        // A launcher that is gone misses nothing.
        let _ = writeln!(output, "{word}").and_then(|()| output.flush());
    }
    let let_go = OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .and_then(|null| nix::unistd::dup2_stdout(null).map_err(io::Error::from));
    if let Err(error) = let_go {
        tracing::debug!("cannot let go of standard output: {error}");
    }
}

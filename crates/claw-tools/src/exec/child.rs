//! One command: a process group with bounded output, which does not outlive its owner.
//!
//! It is known by a handle (pidfd) and not by its number, and its group is killed while its number
//! cannot yet be another's (advisory 65).

use std::ffi::OsStr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use claw_core::skill::Variable;
use claw_core::tool::{Listener, ToolError};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::Command;

use super::Directory;
use super::output::Output;
use super::rules::{Launcher, Security, Settings};
use super::veil::Veil;
use crate::limits::{LAST_WORDS, PIPE_BYTES, ROOM_LOOK_MAX, ROOM_LOOK_MIN, TERMINAL_SIZE, WRITTEN_A_SECOND};
use crate::room::Room;
use crate::sandbox;

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// To git a directory is no repository because of the files in it, which file tools may have written: its
/// configuration names programs to run.
const NO_REPOSITORY_IN_PLAIN_SIGHT: [(&str, &str); 3] =
    [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.bareRepository"), ("GIT_CONFIG_VALUE_0", "explicit")];

/// Where only listed programs run, what they obey must not be written by whoever asks for them: their home is nowhere, and
/// git's hooks lie where no file tool writes.
const NOWHERE: &str = "/nonexistent";
const OWN_HOOKS: [(&str, &str); 3] =
    [("GIT_CONFIG_COUNT", "2"), ("GIT_CONFIG_KEY_1", "core.hooksPath"), ("GIT_CONFIG_VALUE_1", ".git/hooks")];

/// And what they would start to show something page by page, or to have it edited, takes commands from a terminal: they
/// show it at once, and have no editor, no browser and no shell.
const NO_TERMINAL_PROGRAMS: [(&str, &str); 13] = [
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("MANPAGER", "cat"),
    ("SYSTEMD_PAGER", "cat"),
    ("SYSTEMD_PAGERSECURE", "1"),
    ("LESSSECURE", "1"),
    ("PAGERSECURE", "1"),
    ("EDITOR", "false"),
    ("VISUAL", "false"),
    ("GIT_EDITOR", "false"),
    ("GIT_SEQUENCE_EDITOR", "false"),
    ("BROWSER", "false"),
    ("SHELL", "/bin/false"),
];

/// Python leaves nothing beside the scripts that it runs: what is compiled there is another folder than the one somebody
/// has looked at, and is run in the scripts' place.
const NO_COMPILED_SCRIPTS: (&str, &str) = ("PYTHONDONTWRITEBYTECODE", "1");

/// Variables that every command has, and that are nobody else's to set for it.
pub(super) const OWN: [&str; 4] = ["PATH", "HOME", "LANG", "TERM"];

/// What is started, exactly.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// What it is given for the skills of its run, as far as it is not set already.
    pub(super) variables: Vec<Variable>,
    pub(super) directory: Directory,
    /// Whether it has a terminal of its own.
    pub(super) tty: bool,
    pub(super) settings: Settings,
}

impl Plan {
    fn command(&self) -> Option<Command> {
        let Self { argv, directory, tty, settings, .. } = self;
        let mut command = match &settings.launcher {
            None => {
                let (program, rest) = argv.split_first()?;
                let mut command = Command::new(program);
                command.args(rest).env_clear().envs(self.environment());
                command
            }
            Some(Launcher { program, argument, walls }) => {
                let orders = sandbox::Orders {
                    workspace: directory.root.clone(),
                    network: settings.network,
                    walls: *walls,
                    argument: argument.clone(),
                    tty: *tty,
                    memory_bytes: settings.memory_bytes,
                    file_bytes_max: directory.file_bytes_max,
                    starter: std::process::id(),
                    is_inside: false,
                    argv: argv.clone(),
                };
                let mut command = Command::new(program);
                let carried = self.environment().map(|(name, value)| (format!("{}{name}", sandbox::CARRIED), value));
                command.args(argument).arg(orders.text()).env_clear().envs(carried);
                command
            }
        };
        command.current_dir(&directory.cwd).kill_on_drop(true);
        Some(command)
    }

    /// From nothing: no name on a list of forbidden ones can be forgotten. What comes later counts.
    fn environment(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        let Self { env, variables, directory, tty, settings, .. } = self;
        let is_listed = settings.security == Security::Allowlist;
        let given = variables.iter().map(|variable| (variable.name.as_str(), OsStr::new(variable.value.expose())));
        let term = if *tty { "xterm" } else { "dumb" };
        let own = [("PATH", PATH), ("LANG", "C.UTF-8"), ("TERM", term), NO_COMPILED_SCRIPTS];
        let own = own.into_iter().chain(NO_REPOSITORY_IN_PLAIN_SIGHT);
        let own = own.chain(OWN_HOOKS.into_iter().chain(NO_TERMINAL_PROGRAMS).filter(move |_| is_listed));
        let home = [("HOME", if is_listed { OsStr::new(NOWHERE) } else { directory.root.as_os_str() })];
        let asked = env.iter().map(|(name, value)| (name.as_str(), OsStr::new(value)));
        given.chain(own.map(|(name, value)| (name, OsStr::new(value)))).chain(home).chain(asked)
    }
}

/// Where it is written to; a terminal or a pipe.
pub(super) type Input = Box<dyn AsyncWrite + Send + Unpin>;

/// Where it is read from.
type Source = Box<dyn AsyncRead + Send + Unpin>;

/// A running command; dropping it kills its whole group.
pub(super) struct Child {
    child: tokio::process::Child,
    group: Option<Pid>,
    handle: handle::Handle,
    sources: Vec<Source>,
    input: Option<Input>,
    output: Output,
    room: Option<Arc<Room>>,
    /// Whether that was full when it began: then it writes into no file.
    was_full: bool,
}

impl Child {
    /// Starts it. One without a terminal reads nothing unless it `takes_input`.
    pub(super) fn start(
        plan: &Plan,
        takes_input: bool,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Self, ToolError> {
        let failed = |why: String| ToolError::Failed(format!("the command cannot be started: {why}"));
        let mut command = plan.command().ok_or_else(|| failed("it is empty".into()))?;
        let (mut child, sources, input) = match plan.tty {
            true => in_terminal(command).map_err(|error| failed(error.to_string()))?,
            false => {
                let stdin = if takes_input { Stdio::piped() } else { Stdio::null() };
                command.process_group(0).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
                let child = command.spawn().map_err(|error| failed(error.to_string()))?;
                (child, Vec::new(), None)
            }
        };
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let pipes =
            [child.stdout.take().map(|out| Box::new(out) as Source), child.stderr.take().map(|err| Box::new(err) as _)];
        let sources = sources.into_iter().chain(pipes.into_iter().flatten()).collect();
        let input = input.or_else(|| child.stdin.take().map(|stdin| Box::new(stdin) as Input));
        let (group, handle) = (id.map(Pid::from_raw), handle::Handle::of(id));
        let veil = Veil::over(plan.variables.iter().map(|variable| variable.value.clone()));
        let (output, room) = (Output::new(plan.tty, veil, listener), plan.directory.room.clone());
        let was_full = plan.directory.file_bytes_max == 0;
        Ok(Self { child, group, handle, sources, input, output, room, was_full })
    }

    pub(super) fn output(&self) -> Output {
        self.output.clone()
    }

    /// What writes to it, once.
    pub(super) fn input(&mut self) -> Option<Input> {
        self.input.take()
    }

    /// Waits for its end; its exit code, or 128 and the signal's number. Cancel-safe but for what
    /// was being read.
    pub(super) async fn ended(&mut self) -> i32 {
        let output = self.output.clone();
        let sources = std::mem::take(&mut self.sources);
        let read = futures::future::join_all(sources.into_iter().map(|source| drain(source, &output)));
        tokio::pin!(read);
        let mut said_all = false;
        let end = async {
            tokio::select! {
                () = self.handle.ended(&mut self.child) => {}
                _ = &mut read => {
                    said_all = true;
                    self.handle.ended(&mut self.child).await;
                }
            }
        };
        let overflow = tokio::select! {
            () = end => None,
            why = overflow(self.room.as_ref(), self.was_full) => Some(why),
        };
        self.kill_group();
        let status = self.child.wait().await;
        if let Some(why) = overflow {
            output.end();
            output.add(format!("\n[killed: {why}]\n").as_bytes());
        }
        if !said_all {
            // Whoever else holds the pipe is dead or dying; what is in it is read.
            let _in_time = tokio::time::timeout(LAST_WORDS, &mut read).await;
        }
        output.end();
        use std::os::unix::process::ExitStatusExt as _;
        status.map_or(-1, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }

    fn kill_group(&mut self) {
        if let Some(room) = &self.room {
            room.forget();
        }
        if let Some(group) = self.group.take() {
            self.handle.kill();
            let _may_be_gone = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// Waits until there is more in the room than may be, and says so. Cancel-safe.
///
/// The less is left, the sooner it looks again: a fast disk takes a good gigabyte a second.
async fn overflow(room: Option<&Arc<Room>>, was_full: bool) -> String {
    let Some(room) = room else { return std::future::pending().await };
    let mut pause = ROOM_LOOK_MIN;
    loop {
        tokio::time::sleep(pause).await;
        let begun = tokio::time::Instant::now();
        let here = Arc::clone(room);
        match tokio::task::spawn_blocking(move || here.left(was_full)).await {
            Ok(Err(why)) => return why,
            Ok(Ok(left)) => pause = pause_with(left).max(begun.elapsed() * 4),
            Err(died) => return died.to_string(),
        }
    }
}

/// How long so much room lasts.
fn pause_with(left: u64) -> Duration {
    let lasts = Duration::from_millis(left.saturating_mul(1000) / WRITTEN_A_SECOND);
    lasts.clamp(ROOM_LOOK_MIN, ROOM_LOOK_MAX)
}

/// Starts it at a terminal of its own, as the leader of a session of its own.
fn in_terminal(command: Command) -> Result<(tokio::process::Child, Vec<Source>, Option<Input>), pty_process::Error> {
    let (pty, end) = pty_process::open()?;
    let (rows, columns) = TERMINAL_SIZE;
    pty.resize(pty_process::Size::new(rows, columns))?;
    let child = pty_process::Command::from(command).spawn(end)?;
    let (read, write) = pty.into_split();
    Ok((child, vec![Box::new(read)], Some(Box::new(write))))
}

/// Reads to the end; the end of a terminal is an error.
async fn drain(mut source: Source, output: &Output) {
    let mut buffer = vec![0; PIPE_BYTES];
    while let Ok(read) = source.read(&mut buffer).await
        && read > 0
    {
        output.add(buffer.get(..read).unwrap_or_default());
    }
}

/// Writes all of it. Cancel-safe but for how much was written.
pub(super) async fn write(input: &mut Input, bytes: &[u8]) -> std::io::Result<()> {
    input.write_all(bytes).await?;
    input.flush().await
}

#[cfg(target_os = "linux")]
mod handle {
    //! A handle that means this process and never another of the same number.

    use std::os::fd::OwnedFd;

    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    pub(super) struct Handle(Option<AsyncFd<OwnedFd>>);

    impl Handle {
        /// Of a child that nobody has waited for; a kernel before 5.3 has none.
        #[expect(deprecated, reason = "its successor is unsafe: an OwnedFd always means the same file, as it wants")]
        pub(super) fn of(id: Option<i32>) -> Self {
            let opened = id.and_then(Pid::from_raw).and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok());
            Self(opened.and_then(|fd| AsyncFd::with_interest(fd, Interest::READABLE).ok()))
        }

        /// Waits until it has ended, and leaves it to be waited for. Cancel-safe.
        pub(super) async fn ended(&self, child: &mut tokio::process::Child) {
            match &self.0 {
                Some(fd) => drop(fd.readable().await),
                None => drop(child.wait().await),
            }
        }

        pub(super) fn kill(&self) {
            if let Some(fd) = &self.0 {
                let _may_be_gone = pidfd_send_signal(fd, Signal::KILL);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod handle {
    //! Other systems have only the number.

    pub(super) struct Handle;

    impl Handle {
        pub(super) fn of(_: Option<i32>) -> Self {
            Self
        }

        pub(super) async fn ended(&self, child: &mut tokio::process::Child) {
            drop(child.wait().await);
        }

        pub(super) fn kill(&self) {}
    }
}

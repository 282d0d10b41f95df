//! One command: a process group with bounded output, which does not outlive its owner.

use std::process::Stdio;

use claw_core::tool::ToolError;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::Directory;
use super::output::Output;
use super::rules::{Launcher, Settings};
use crate::limits::{LAST_WORDS, PIPE_BYTES};
use crate::sandbox;

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is started, exactly.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) directory: Directory,
    pub(super) settings: Settings,
}

impl Plan {
    fn command(&self) -> Option<Command> {
        let Self { argv, env, directory, settings } = self;
        let mut command = match &settings.launcher {
            None => {
                let (program, rest) = argv.split_first()?;
                let mut command = Command::new(program);
                command.args(rest);
                command
            }
            Some(Launcher { program, argument, is_lenient }) => {
                let orders = sandbox::Orders {
                    workspace: directory.root.clone(),
                    network: settings.network,
                    is_lenient: *is_lenient,
                    argument: argument.clone(),
                    is_inside: false,
                    argv: argv.clone(),
                };
                let mut command = Command::new(program);
                command.args(argument).arg(orders.text());
                command
            }
        };
        // From nothing: no name on a list of forbidden ones can be forgotten.
        command.env_clear().env("PATH", PATH).env("HOME", &directory.root).env("LANG", "C.UTF-8").env("TERM", "dumb");
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.current_dir(&directory.cwd).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Some(command)
    }
}

/// A running command; dropping it kills its whole group.
pub(super) struct Child {
    child: tokio::process::Child,
    group: Option<Pid>,
    pipes: Option<(tokio::process::ChildStdout, tokio::process::ChildStderr)>,
    output: Output,
}

impl Child {
    pub(super) fn start(plan: &Plan) -> Result<Self, ToolError> {
        let failed = |why: String| ToolError::Failed(format!("the command cannot be started: {why}"));
        let mut command = plan.command().ok_or_else(|| failed("it is empty".into()))?;
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let pipes = child.stdout.take().zip(child.stderr.take());
        Ok(Self { child, group, pipes, output: Output::default() })
    }

    pub(super) fn output(&self) -> Output {
        self.output.clone()
    }

    /// Waits for its end; its exit code, or 128 and the signal's number. Cancel-safe but for what
    /// was being read.
    pub(super) async fn ended(&mut self) -> i32 {
        let output = self.output.clone();
        let pipes = self.pipes.take();
        let read = async {
            if let Some((mut out, mut err)) = pipes {
                tokio::join!(drain(&mut out, &output), drain(&mut err, &output));
            }
        };
        tokio::pin!(read);
        let mut said_all = false;
        let status = tokio::select! {
            status = self.child.wait() => status,
            () = &mut read => {
                said_all = true;
                self.child.wait().await
            }
        };
        self.kill_group();
        if !said_all {
            // Whoever else holds the pipe is dead or dying; what is in it is read.
            let _in_time = tokio::time::timeout(LAST_WORDS, &mut read).await;
        }
        use std::os::unix::process::ExitStatusExt as _;
        status.map_or(-1, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            let _may_be_gone = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_group();
    }
}

async fn drain(pipe: &mut (impl AsyncRead + Unpin), output: &Output) {
    let mut buffer = vec![0; PIPE_BYTES];
    while let Ok(read) = pipe.read(&mut buffer).await
        && read > 0
    {
        output.add(buffer.get(..read).unwrap_or_default());
    }
}

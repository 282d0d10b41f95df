//! A measured process: started, asked for its CPU time and memory, ended.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A server that takes longer to start has not started.
const START: Duration = Duration::from_secs(60);
/// Linux counts CPU time in hundredths of a second for user space, whatever it ticks in.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pid: i32,
    address: SocketAddr,
}

impl Server {
    /// Starts this very program as one of its servers.
    pub(crate) async fn own(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").args(arguments).stdin(Stdio::piped());
        Self::start(command).await.with_context(|| format!("cannot start the server {arguments:?}"))
    }

    /// Starts a command that prints `http://<address>` when it is ready.
    pub(crate) async fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).context("it has no process id")?;
        let mut lines = BufReader::new(child.stdout.take().context("it has no output")?).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                let address = line.split("http://").nth(1).and_then(|rest| rest.split([' ', '/']).next());
                if let Some(address) = address.and_then(|text| text.parse().ok()) {
                    return Ok(address);
                }
            }
            bail!("it ended before it was ready")
        };
        let address = tokio::time::timeout(START, ready).await.context("it was not ready in time")??;
        tokio::spawn(read_on(lines));
        Ok(Self { child, pid, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// CPU seconds it has used, in user space and in the kernel, all threads.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        cpu_seconds(&stat).context("/proc/<pid>/stat is not as expected")
    }

    /// Resident memory in MB (10⁶ bytes).
    pub(crate) fn memory_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmRSS:")
    }

    /// The most resident memory it ever had, in MB.
    pub(crate) fn memory_peak_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmHWM:")
    }

    /// Counts the peak anew from here on.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        Ok(std::fs::write(Path::new("/proc").join(self.pid.to_string()).join("clear_refs"), "5")?)
    }

    fn status_mb(&self, key: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(Path::new("/proc").join(self.pid.to_string()).join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).context("no such line in its status")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024.0 / 1e6)
    }

    /// Asks it twice to end, so that it does not wait for what runs, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.pid), Signal::SIGTERM)?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        if self.child.try_wait()?.is_none() {
            kill(Pid::from_raw(self.pid), Signal::SIGTERM)?;
        }
        tokio::time::timeout(START, self.child.wait()).await.context("it did not end in time")??;
        Ok(())
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

/// Nobody reads what a server says later, but a full pipe would stop it.
async fn read_on(mut lines: Lines<BufReader<ChildStdout>>) {
    while matches!(lines.next_line().await, Ok(Some(_))) {}
}

/// User and system time: fields 14 and 15, counted behind the name, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_name, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 2551 0 0 0 150 50 0 0 20 0 4 0 99 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (short) S 1"), None);
    }
}

//! One gateway per state directory: an advisory lock on `gateway.lock`, which also says who
//! holds it.
//!
//! The kernel drops the lock with the process, however it ends, so the file may lie there with
//! the name of a dead one: only while it is locked does its text mean anything.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use claw_core::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// Somebody who only looks holds the lock for a moment; a starting gateway looks again.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// More than this in the file is not ours.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// Who holds a state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Holder {
    /// The process.
    pub(crate) pid: u32,
    /// The address it answers on, once it does.
    pub(crate) address: Option<SocketAddr>,
    /// The port of that address, for scripts.
    pub(crate) port: Option<u16>,
    /// When it began, ISO 8601.
    pub(crate) started_at: String,
    /// The same in milliseconds since 1970.
    pub(crate) started_at_ms: i64,
    /// Its version.
    pub(crate) version: String,
    /// How it was started, so that it can be started again alike.
    pub(crate) start: Start,
}

/// How a gateway was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Start {
    /// `--port`, if given.
    pub(crate) port: Option<u16>,
    /// `--bind`, if given.
    pub(crate) bind: Option<String>,
    /// Whether in the background.
    pub(crate) background: bool,
    /// Whether by systemd, which would start it again by itself.
    pub(crate) systemd: bool,
}

impl Holder {
    /// This process, begun at `started_at`.
    pub(crate) fn this_process(started_at: Timestamp, start: Start) -> Self {
        Self {
            pid: std::process::id(),
            address: None,
            port: None,
            started_at: started_at.to_string(),
            started_at_ms: started_at.millis(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start,
        }
    }
}

/// The lock, held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: Flock<File>,
    holder: Holder,
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    /// Another process has it; `None` if it has not written its name yet.
    #[error("held by another process")]
    Held(Option<Box<Holder>>),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Lock {
    /// Takes the lock of `state_dir` in the name of `holder`. Waits a fifth of a second at most.
    pub(crate) fn take(state_dir: &Path, holder: Holder) -> Result<Self, TakeError> {
        for _ in 0..TRIES {
            if let Some(file) = try_lock(state_dir)? {
                let mut lock = Self { file, holder };
                lock.write()?;
                return Ok(lock);
            }
            sleep(BETWEEN_TRIES);
        }
        Err(TakeError::Held(read(state_dir)?.map(Box::new)))
    }

    /// Writes down where the gateway answers.
    pub(crate) fn set_address(&mut self, address: SocketAddr) -> io::Result<()> {
        self.holder.address = Some(address);
        self.holder.port = Some(address.port());
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let text = serde_json::to_string(&self.holder)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

/// Whether a gateway holds `state_dir`, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Occupancy {
    /// Nobody does.
    Free,
    /// One does that has not said its name yet.
    Starting,
    /// This one does.
    Held(Holder),
}

/// Looks who holds `state_dir`. A directory that is not there is free.
pub(crate) fn look(state_dir: &Path) -> io::Result<Occupancy> {
    for _ in 0..TRIES {
        match try_lock(state_dir) {
            Ok(Some(_let_go_at_once)) => return Ok(Occupancy::Free),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupancy::Free),
            Err(error) => return Err(error),
        }
        if let Some(holder) = read(state_dir)? {
            return Ok(Occupancy::Held(holder));
        }
        sleep(BETWEEN_TRIES);
    }
    Ok(Occupancy::Starting)
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("gateway.lock")
}

fn try_lock(state_dir: &Path) -> io::Result<Option<Flock<File>>> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path(state_dir))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// The name in the file; `None` if it is not (yet) one.
fn read(state_dir: &Path) -> io::Result<Option<Holder>> {
    let mut text = String::new();
    File::open(path(state_dir))?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder::this_process(Timestamp::from_millis(0), Start::default())
    }

    #[test]
    fn a_directory_is_held_by_one_and_free_when_that_one_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let state_dir = directory.path();
        assert_eq!(look(state_dir).unwrap(), Occupancy::Free);
        let mut lock = Lock::take(state_dir, holder()).unwrap();
        let address = "127.0.0.1:18789".parse().unwrap();
        lock.set_address(address).unwrap();

        let Err(TakeError::Held(Some(seen))) = Lock::take(state_dir, holder()) else {
            panic!("the second one is refused and told who holds it");
        };
        assert_eq!((seen.pid, seen.address), (std::process::id(), Some(address)));
        assert_eq!(look(state_dir).unwrap(), Occupancy::Held(*seen));
        drop(lock);
        assert_eq!(look(state_dir).unwrap(), Occupancy::Free);
        Lock::take(state_dir, holder()).unwrap();
    }

    #[test]
    fn what_a_dead_holder_left_means_nothing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(path(directory.path()), "{\"pid\":1}").unwrap();
        assert_eq!(look(directory.path()).unwrap(), Occupancy::Free);
        assert_eq!(look(&directory.path().join("none")).unwrap(), Occupancy::Free);
    }

    #[test]
    fn a_holder_without_a_name_is_starting() {
        let directory = tempfile::tempdir().unwrap();
        let _lock = try_lock(directory.path()).unwrap().unwrap();
        assert_eq!(look(directory.path()).unwrap(), Occupancy::Starting);
    }
}

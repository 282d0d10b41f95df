//! Fetches one large file: resumable, verified, never half visible.
//!
//! Bytes go to `<destination>.part`. A part is kept when the network fails, and the next call asks
//! for the rest with `Range`; only a part of the expected size and SHA-256 is renamed to its final
//! name. A part with the wrong content is deleted. This module knows no models and does not retry:
//! the caller decides how often to call again.
//!
//! Surprise: without an expected SHA-256 nothing proves that old and new bytes belong to the same
//! file, so an unverified download always starts again from zero.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

/// Longest wait for the head of an answer.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(30);

/// Longest wait for the next bytes before the connection counts as lost.
const STALL_MAX: Duration = Duration::from_secs(60);

/// Largest file accepted when the caller names no size.
const UNKNOWN_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// What to fetch, where to put it, and how to know that it is right.
#[derive(Debug, Clone)]
pub struct Download {
    /// `http` or `https` address.
    pub url: url::Url,
    /// Final path; its directory must exist.
    pub destination: PathBuf,
    /// What the finished file must look like.
    pub expected: Expected,
}

/// What a finished file must look like; what is `None` is not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Exact length.
    pub size_bytes: Option<u64>,
    /// SHA-256 of the content.
    pub sha256: Option<[u8; 32]>,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes in the part file, those of earlier calls included.
    pub done_bytes: u64,
    /// Full length, where anyone named it.
    pub total_bytes: Option<u64>,
}

/// Why a file could not be fetched.
#[derive(Debug, Error)]
pub enum DownloadError {
    /// No connection, or the request died before an answer.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// The address.
        url: url::Url,
        /// The HTTP client's reason.
        #[source]
        source: reqwest::Error,
    },
    /// The server took the request and fell silent.
    #[error("{url} did not answer within {} s", FIRST_BYTE_MAX.as_secs())]
    Silent {
        /// The address.
        url: url::Url,
    },
    /// The server refused.
    #[error("{url} answered {status}")]
    Status {
        /// The address.
        url: url::Url,
        /// Its answer.
        status: StatusCode,
    },
    /// The connection died midway; the part is kept and the next call continues it.
    #[error("{url} broke off after {done_bytes} bytes; the part is kept and the next attempt continues it")]
    Interrupted {
        /// The address.
        url: url::Url,
        /// Bytes kept.
        done_bytes: u64,
        /// The HTTP client's reason; `None` where the server simply ended or fell silent.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The file has another length than expected; nothing is kept.
    #[error("the file is {found_bytes} bytes long, not {expected_bytes}")]
    SizeMismatch {
        /// Length asked for.
        expected_bytes: u64,
        /// Length found or announced.
        found_bytes: u64,
    },
    /// The file has another content than expected; nothing is kept.
    #[error("the file's SHA-256 is {found}, not {expected}")]
    ChecksumMismatch {
        /// Digest asked for, in hex.
        expected: String,
        /// Digest found, in hex.
        found: String,
    },
    /// Another process holds the part file.
    #[error("another process is downloading to {}", path.display())]
    Busy {
        /// The part file.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("cannot write {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Where the bytes of an unfinished download wait.
#[must_use]
pub fn part_path(destination: &Path) -> PathBuf {
    let mut name = destination.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Fetches `download`, continuing an earlier part, and puts the verified file in its place.
///
/// `progress` is called after every chunk. Not cancel-safe in effect but safe to drop: the part
/// stays and the next call continues it. Errors: see [`DownloadError`]; only `Unreachable`,
/// `Silent`, `Interrupted` and `Status` with 5xx are worth another attempt.
pub async fn fetch(
    client: &reqwest::Client,
    download: &Download,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), DownloadError> {
    let part = part_path(&download.destination);
    let mut file = open_part(&part).await?;
    let done_bytes = resume_point(&mut file, &part, &download.expected).await?;
    if Some(done_bytes) != download.expected.size_bytes
        && let Err(failed) = receive(client, download, &mut file, done_bytes, progress).await
    {
        if file.metadata().await.is_ok_and(|found| found.len() == 0) {
            discard(&part).await?;
        }
        return Err(failed);
    }
    file.sync_all().await.map_err(disk(&part))?;
    install(&part, &download.destination, &download.expected).await
}

/// Verifies a finished file and renames it to its place; a wrong one is deleted.
///
/// `finished` and `destination` must be on one file system. Errors: see [`verify`].
pub async fn install(finished: &Path, destination: &Path, expected: &Expected) -> Result<(), DownloadError> {
    if let Err(wrong) = verify(finished, expected).await {
        discard(finished).await?;
        return Err(wrong);
    }
    tokio::fs::rename(finished, destination).await.map_err(disk(destination))?;
    if let Some(folder) = destination.parent() {
        // The rename itself must survive a power cut.
        let folder_file = File::open(folder).await.map_err(disk(folder))?;
        folder_file.sync_all().await.map_err(disk(folder))?;
    }
    Ok(())
}

/// Checks a file against `expected`, reading it whole where a digest is asked for.
///
/// Errors: [`DownloadError::SizeMismatch`], [`DownloadError::ChecksumMismatch`],
/// [`DownloadError::Disk`]. The file itself is left alone.
pub async fn verify(path: &Path, expected: &Expected) -> Result<(), DownloadError> {
    let found_bytes = tokio::fs::metadata(path).await.map_err(disk(path))?.len();
    if let Some(expected_bytes) = expected.size_bytes
        && expected_bytes != found_bytes
    {
        return Err(DownloadError::SizeMismatch { expected_bytes, found_bytes });
    }
    let Some(wanted) = expected.sha256 else { return Ok(()) };
    let owned = path.to_owned();
    let found = tokio::task::spawn_blocking(move || digest(&owned))
        .await
        .unwrap_or_else(|gone| Err(io::Error::other(gone)))
        .map_err(disk(path))?;
    if found == wanted {
        return Ok(());
    }
    Err(DownloadError::ChecksumMismatch { expected: hex::encode(wanted), found: hex::encode(found) })
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut file = std::fs::File::open(path)?;
    io::copy(&mut file, &mut hasher)?;
    Ok(hasher.finalize().into())
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> DownloadError {
    let path = path.to_owned();
    move |source| DownloadError::Disk { path, source }
}

/// Opens the part for its owner only and locks it, so that two downloads cannot mix their bytes.
async fn open_part(part: &Path) -> Result<File, DownloadError> {
    let mut options = tokio::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    let file = options.open(part).await.map_err(disk(part))?.into_std().await;
    match file.try_lock() {
        Ok(()) => Ok(File::from_std(file)),
        Err(TryLockError::WouldBlock) => Err(DownloadError::Busy { path: part.to_owned() }),
        Err(TryLockError::Error(source)) => Err(DownloadError::Disk { path: part.to_owned(), source }),
    }
}

/// How many bytes of the part may be kept; the rest is cut off.
async fn resume_point(file: &mut File, part: &Path, expected: &Expected) -> Result<u64, DownloadError> {
    let length = file.metadata().await.map_err(disk(part))?.len();
    let too_long = expected.size_bytes.is_some_and(|size| length > size);
    if expected.sha256.is_none() || too_long {
        start_again(file, part).await?;
        return Ok(0);
    }
    file.seek(io::SeekFrom::End(0)).await.map_err(disk(part))?;
    Ok(length)
}

async fn start_again(file: &mut File, part: &Path) -> Result<(), DownloadError> {
    file.set_len(0).await.map_err(disk(part))?;
    file.rewind().await.map_err(disk(part))?;
    Ok(())
}

async fn receive(
    client: &reqwest::Client,
    download: &Download,
    file: &mut File,
    kept_bytes: u64,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), DownloadError> {
    let part = part_path(&download.destination);
    let mut response = request(client, &download.url, kept_bytes).await?;
    let mut done_bytes = kept_bytes;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        response = request(client, &download.url, 0).await?;
    }
    if !response.status().is_success() {
        return Err(DownloadError::Status { url: download.url.clone(), status: response.status() });
    }
    if !continues_at(&response, kept_bytes) {
        start_again(file, &part).await?;
        done_bytes = 0;
    }
    let announced_bytes = response.content_length().map(|rest| rest + done_bytes);
    let limit_bytes = download.expected.size_bytes.unwrap_or(UNKNOWN_SIZE_BYTES_MAX);
    let total_bytes = download.expected.size_bytes.or(announced_bytes);
    refuse_other_length(announced_bytes, download, &part).await?;

    let mut chunks = response.bytes_stream();
    progress(Progress { done_bytes, total_bytes });
    loop {
        let chunk = match tokio::time::timeout(STALL_MAX, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => break,
            Ok(Some(Err(source))) => return interrupted(file, download, done_bytes, Some(source.without_url())).await,
            Err(_stalled) => return interrupted(file, download, done_bytes, None).await,
        };
        done_bytes += chunk.len() as u64;
        if done_bytes > limit_bytes {
            discard(&part).await?;
            return Err(DownloadError::SizeMismatch { expected_bytes: limit_bytes, found_bytes: done_bytes });
        }
        file.write_all(&chunk).await.map_err(disk(&part))?;
        progress(Progress { done_bytes, total_bytes });
    }
    if total_bytes.is_some_and(|total| done_bytes < total) {
        return interrupted(file, download, done_bytes, None).await;
    }
    file.flush().await.map_err(disk(&part))
}

async fn request(client: &reqwest::Client, url: &url::Url, from_byte: u64) -> Result<reqwest::Response, DownloadError> {
    // Compressed answers would make lengths and ranges meaningless.
    let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
    if from_byte > 0 {
        request = request.header(RANGE, format!("bytes={from_byte}-"));
    }
    match tokio::time::timeout(FIRST_BYTE_MAX, request.send()).await {
        Ok(answer) => {
            answer.map_err(|source| DownloadError::Unreachable { url: url.clone(), source: source.without_url() })
        }
        Err(_elapsed) => Err(DownloadError::Silent { url: url.clone() }),
    }
}

/// Whether the answer holds the bytes from `offset` on: a server may ignore `Range`.
fn continues_at(response: &reqwest::Response, offset: u64) -> bool {
    if offset == 0 {
        return true;
    }
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range
        .and_then(|value| value.strip_prefix("bytes "))
        .and_then(|value| value.split_once('-'))
        .and_then(|(start, _)| start.parse::<u64>().ok());
    response.status() == StatusCode::PARTIAL_CONTENT && start == Some(offset)
}

/// Fails before the first byte where the server announces another file than the one expected.
async fn refuse_other_length(
    announced_bytes: Option<u64>,
    download: &Download,
    part: &Path,
) -> Result<(), DownloadError> {
    match (announced_bytes, download.expected.size_bytes) {
        (Some(found_bytes), Some(expected_bytes)) if found_bytes != expected_bytes => {
            discard(part).await?;
            Err(DownloadError::SizeMismatch { expected_bytes, found_bytes })
        }
        _ => Ok(()),
    }
}

async fn interrupted(
    file: &mut File,
    download: &Download,
    done_bytes: u64,
    source: Option<reqwest::Error>,
) -> Result<(), DownloadError> {
    file.flush().await.map_err(disk(&part_path(&download.destination)))?;
    Err(DownloadError::Interrupted { url: download.url.clone(), done_bytes, source })
}

async fn discard(part: &Path) -> Result<(), DownloadError> {
    match tokio::fs::remove_file(part).await {
        Ok(()) => Ok(()),
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(DownloadError::Disk { path: part.to_owned(), source }),
    }
}

#[cfg(test)]
#[path = "download/tests.rs"]
mod tests;

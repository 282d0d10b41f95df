//! Opens the database: finds out whether it is ours and sound before anything may write to it.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::fault::Fault;
use super::flush::prepare;
use super::schema;
use crate::StoreError;
use crate::limits::{BUSY_TIMEOUT, CHECK_MILLIS_MAX, LOG_BYTES_KEPT};

/// Where the database lies and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file; its directory is made when it is missing.
    pub path: PathBuf,
    /// How many connections read; at least one.
    pub readers: u32,
    /// The database refuses to grow beyond; absent, the disk is the limit.
    pub bytes_max: Option<u64>,
}

impl Settings {
    /// The usual settings for a database at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 4, bytes_max: None }
    }
}

/// How to connect.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) writing: SqliteConnectOptions,
    pub(super) reading: SqliteConnectOptions,
}

const PAGE_BYTES: u64 = 4096;

/// Checks the file, makes it if it is missing, brings the schema up to date.
///
/// A file that is damaged, not ours or too new is not changed.
pub(super) async fn open(settings: &Settings) -> Result<(Opened, SqliteConnection), StoreError> {
    let path = &settings.path;
    let unavailable = |error: io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let common = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(512)
        .disable_statement_logging();
    let reading = common.clone().read_only(true).thread_name(|n| format!("store-read-{n}"));
    if is_there(path).map_err(unavailable)? {
        check(&reading).await?;
    }
    prepare_file(path).map_err(unavailable)?;

    let mut writing = common
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "0")
        .pragma("journal_size_limit", LOG_BYTES_KEPT.to_string())
        .thread_name(|_| "store-write".into());
    if let Some(bytes) = settings.bytes_max {
        writing = writing.pragma("max_page_count", (bytes / PAGE_BYTES).max(1).to_string());
    }
    let mut connection = writing.connect().await.map_err(Fault::from)?;
    schema::migrate(&mut connection).await?;
    prepare(&mut connection).await?;
    Ok((Opened { writing, reading }, connection))
}

/// Whether there is a database; an empty file is none.
fn is_there(path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Looks at it through a connection that cannot write.
async fn check(reading: &SqliteConnectOptions) -> Result<(), StoreError> {
    let mut connection = reading.connect().await.map_err(Fault::from)?;
    let sound = match schema::recognise(&mut connection).await {
        Ok(()) => check_pages(&mut connection).await,
        Err(error) => Err(error),
    };
    // The connection is only dropped when closing fails; it never wrote.
    let _closed = connection.close().await;
    sound
}

/// SQLite's own check of every page's structure, for as long as the start can bear.
///
/// A full check grows with the database; what it does not reach is found when it is read.
async fn check_pages(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let until = Instant::now() + Duration::from_millis(CHECK_MILLIS_MAX);
    connection.lock_handle().await.map_err(Fault::from)?.set_progress_handler(1000, move || Instant::now() < until);
    let verdict = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut *connection).await;
    connection.lock_handle().await.map_err(Fault::from)?.remove_progress_handler();
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) if verdict.contains("interrupt") => Ok(()),
        Ok(verdict) => Err(StoreError::Corrupt(verdict)),
        Err(error) if is_interrupt(&error) => Ok(()),
        Err(error) => Err(Fault::from(error).error),
    }
}

fn is_interrupt(error: &sqlx::Error) -> bool {
    const INTERRUPT: &str = "9";
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == INTERRUPT)
}

/// Only the owner may read it (G14); the log and its index take over the file's permissions.
fn prepare_file(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let is_new = !path.exists();
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    if is_new {
        file.sync_all()?;
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

//! SQLite's own full check of a database that nobody has open.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::StoreError;

/// Reads the whole file and holds every index against its table. Takes time with the size.
///
/// # Errors
/// [`StoreError::Corrupt`] with the first finding; [`StoreError::Unavailable`] if it cannot be read.
pub async fn check(path: &Path) -> Result<(), StoreError> {
    let unavailable = |error: sqlx::Error| StoreError::Unavailable(error.to_string());
    let mut connection: SqliteConnection =
        SqliteConnectOptions::new().filename(path).read_only(true).connect().await.map_err(unavailable)?;
    let finding: String =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await.map_err(unavailable)?;
    connection.close().await.map_err(unavailable)?;
    if finding == "ok" { Ok(()) } else { Err(StoreError::Corrupt(finding)) }
}

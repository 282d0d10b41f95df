//! SQLite's errors in the store's words.

use crate::StoreError;

/// Why a statement failed.
#[derive(Debug)]
pub(super) struct Fault {
    /// In the store's words.
    pub(super) error: StoreError,
    /// Whether one write is to blame, so that others in its batch may go on without it.
    pub(super) blames_one: bool,
    /// Whether the connection cannot be used any more.
    pub(super) is_disconnected: bool,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self { error, blames_one: true, is_disconnected: false }
    }
}

const ERROR: i32 = 1;
const IO_ERROR_SHM_SIZE: i32 = 4874;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const TOO_BIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const RANGE: i32 = 25;
const NOT_A_DATABASE: i32 = 26;

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            let is_disconnected = matches!(error, sqlx::Error::WorkerCrashed | sqlx::Error::Io(_));
            let is_closed = matches!(error, sqlx::Error::PoolClosed);
            let error = if is_closed { StoreError::Closed } else { StoreError::Unavailable(error.to_string()) };
            return Self { error, blames_one: false, is_disconnected };
        };
        let code: i32 = database.code().and_then(|code| code.parse().ok()).unwrap_or(ERROR);
        let message = || format!("{} ({code})", database.message());
        let error = match (code, code & 0xff) {
            (IO_ERROR_SHM_SIZE, _) | (_, FULL) => StoreError::Full,
            (_, CORRUPT | NOT_A_DATABASE) => StoreError::Corrupt(message()),
            _ => StoreError::Unavailable(message()),
        };
        let blames_one = matches!(code & 0xff, ERROR | TOO_BIG | CONSTRAINT | MISMATCH | RANGE);
        Self { error, blames_one, is_disconnected: false }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}

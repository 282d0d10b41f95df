//! Why the store could not.

/// A failure of the store itself; that something is absent or refused is a result, not an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full: nothing was written, reads go on, later writes may succeed.
    #[error("the disk is full")]
    Full,
    /// The database is damaged or not ours; nothing was changed.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// It was written by a newer version.
    #[error("the database has schema {found}, this version knows up to {known}")]
    TooNew {
        /// The file's schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It cannot be opened, read or written for another reason.
    #[error("the database cannot be used: {0}")]
    Unavailable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

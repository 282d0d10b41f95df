//! Reads: each on a connection of its own kind that cannot write, none waiting for the writer.

mod approvals;
mod audit;
mod devices;
pub(super) mod memories;
mod messages;
mod provenance;
mod sessions;
mod talk;
mod tasks;

#[cfg(test)]
pub(super) use messages::USAGE_OF_ONE;
#[cfg(test)]
pub(super) use messages::{CONTEXT, ENDS, HISTORY};
pub(super) use provenance::behind;
#[cfg(test)]
pub(super) use sessions::Walk;
#[cfg(test)]
pub(super) use tasks::{DUE_TICKETS, STEERING, TENANT_COUNTS, list_conditions};

use sqlx::SqlitePool;

/// The reading connections.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pool: SqlitePool,
}

impl Reader {
    pub(super) fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    /// Closes every connection; later reads answer [`crate::StoreError::Closed`].
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

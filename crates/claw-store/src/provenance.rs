//! Where strangers' words lie beside the conversations they came into: the verbs and their laws.

use async_trait::async_trait;
use claw_core::Timestamp;
use claw_core::audit::Entry;

use crate::{Commit, StoreError};

/// The verbs of places with strangers' words; the laws of writes are those of [`crate::Store`].
#[async_trait]
pub trait Provenance: Send + Sync {
    /// Notes places; false where there are too many of them to note more.
    async fn note_strangers(&self, places: Vec<String>, at: Timestamp) -> Commit<bool>;

    /// Forgets what was noted of these places.
    async fn forget_strangers(&self, places: Vec<String>) -> Commit<()>;

    /// Forgets, for good and with its entry in the audit log, what was noted of `place` and of all that begin with `below`; how
    /// many that were. Nothing is written where nothing was noted.
    async fn trust_strangers(&self, place: String, below: String, entry: Entry) -> Commit<u64>;

    /// Whether one of these places is noted.
    async fn strangers_at(&self, places: &[String]) -> Result<bool, StoreError>;

    /// The noted places that begin so, at most `limit`.
    async fn strangers_below(&self, prefix: &str, limit: u32) -> Result<Vec<String>, StoreError>;
}

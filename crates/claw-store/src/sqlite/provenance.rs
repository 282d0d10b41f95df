//! The verbs of places with strangers' words, over the same writer and readers.

use async_trait::async_trait;
use claw_core::Timestamp;
use claw_core::audit::Entry;

use super::SqliteStore;
use super::act::{Act, ProvenanceAct};
use crate::{Commit, Provenance, StoreError};

#[async_trait]
impl Provenance for SqliteStore {
    async fn note_strangers(&self, places: Vec<String>, at: Timestamp) -> Commit<bool> {
        self.act(|told| Act::Provenance(ProvenanceAct::Note { places, at, told })).await
    }
    async fn forget_strangers(&self, places: Vec<String>) -> Commit<()> {
        self.act(|told| Act::Provenance(ProvenanceAct::Forget { places, told })).await
    }
    async fn trust_strangers(&self, place: String, below: String, entry: Entry) -> Commit<u64> {
        self.act(|told| Act::Provenance(ProvenanceAct::Trust { place, below, entry, told })).await
    }
    async fn strangers_at(&self, places: &[String]) -> Result<bool, StoreError> {
        Ok(self.reader.strangers_at(places).await?)
    }
    async fn strangers_below(&self, prefix: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        Ok(self.reader.strangers_below(prefix, limit).await?)
    }
}

//! Conversations.

use std::sync::Arc;

use claw_core::{Principal, SessionKey};
use claw_store::{Cursor, Page, Session, StoredMessage};

use crate::Error;
use crate::engine::Engine;
use crate::tasks::page_size;

/// Conversations. Reads wait for the writes before them, so that a reply is in the history the
/// moment it was given.
#[derive(Clone)]
pub struct Sessions(pub(crate) Arc<Engine>);

impl Sessions {
    /// One page, last changed first.
    pub async fn list(
        &self,
        principal: &Principal,
        from: Option<Cursor>,
        limit: Option<u32>,
    ) -> Result<Page<Session>, Error> {
        let limit = page_size(limit)?;
        self.0.store.settled().await?;
        Ok(self.0.store.sessions(&principal.visibility(), from, limit).await?)
    }

    /// The last changed ones, at most `max`. Waits for nothing, so what was just written may be missing.
    pub async fn recent(&self, principal: &Principal, max: u32) -> Result<Vec<Session>, Error> {
        Ok(self.0.store.sessions(&principal.visibility(), None, max).await?.items)
    }

    /// One session; nothing when there is none, or not for this caller.
    pub async fn get(&self, principal: &Principal, key: &SessionKey) -> Result<Option<Session>, Error> {
        self.0.store.settled().await?;
        Ok(self.0.store.session(key, &principal.visibility()).await?)
    }

    /// The last messages, oldest first; empty for a session that nobody has used yet.
    pub async fn history(
        &self,
        principal: &Principal,
        key: &SessionKey,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, Error> {
        match self.get(principal, key).await? {
            Some(session) => Ok(self.0.store.history(session.id, before, limit).await?),
            None => Ok(Vec::new()),
        }
    }
}

//! API keys: made once, shown once, stored as a digest.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claw_core::audit::{Actor, Door, Entry, Kind};
use claw_core::{ApiKeyId, Principal, PrincipalId, Scope, Scopes, Secret};
use claw_store::ApiKey;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::audit::names;
use crate::engine::Engine;
use crate::tasks::require;

/// What every key begins with.
pub const PREFIX: &str = "oc_sk_";

/// API keys.
#[derive(Clone)]
pub struct ApiKeys(pub(crate) Arc<Engine>);

impl ApiKeys {
    /// Makes a key that may do `scopes`; the text is never shown again.
    ///
    /// Errors: `Forbidden` without admin; `Invalid` for an empty or long name.
    pub async fn create(
        &self,
        principal: &Principal,
        door: Door,
        name: &str,
        scopes: Scopes,
    ) -> Result<(ApiKey, Secret), Error> {
        require(principal, Scope::Admin)?;
        if !(1..=80).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(Error::invalid("name", "must be 1 to 80 characters without control characters"));
        }
        let mut bytes = [0; 32];
        self.0.ids.fill(&mut bytes);
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let key = ApiKey {
            id: ApiKeyId::new(&*self.0.ids),
            name: name.to_owned(),
            digest: digest(&text),
            scopes,
            created_at: self.0.clock.now(),
            revoked_at: None,
        };
        let entry = Entry::new(key.created_at, Kind::KeyCreated, Actor::of(&principal.id, door), &key.id.to_string())
            .with("name", name)
            .with("scopes", names(scopes));
        self.0.noted(self.0.store.add_api_key(key.clone(), entry).await.await)?;
        Ok((key, Secret::new(text)))
    }

    /// All keys, newest first. Errors: `Forbidden` without admin.
    pub async fn list(&self, principal: &Principal) -> Result<Vec<ApiKey>, Error> {
        require(principal, Scope::Admin)?;
        Ok(self.0.store.api_keys().await?)
    }

    /// Revokes a key. Errors: `Forbidden` without admin; `NotFound`.
    pub async fn revoke(&self, principal: &Principal, door: Door, id: ApiKeyId) -> Result<(), Error> {
        require(principal, Scope::Admin)?;
        let at = self.0.clock.now();
        let entry = Entry::new(at, Kind::KeyRevoked, Actor::of(&principal.id, door), &id.to_string());
        match self.0.noted(self.0.store.revoke_api_key(id, at, entry).await.await)? {
            true => Ok(()),
            false => Err(Error::NotFound { what: "API key", id: id.to_string() }),
        }
    }

    /// Who holds this key; nothing for an unknown or revoked one. The lookup is by digest, so no
    /// comparison of secrets takes place here.
    pub async fn principal(&self, key: &str) -> Result<Option<Principal>, Error> {
        if !key.starts_with(PREFIX) {
            return Ok(None);
        }
        let found = self.0.store.api_key(&digest(key)).await?;
        Ok(found.map(|key| Principal { id: PrincipalId::api_key(key.id), scopes: key.scopes }))
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

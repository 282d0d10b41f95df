//! API keys: made once, shown once, stored as a digest.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claw_core::audit::{Actor, Door, Entry, Kind};
use claw_core::{ApiKeyId, PlanName, Principal, PrincipalId, Scope, Scopes, Secret};
use claw_store::ApiKey;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::audit::names;
use crate::engine::Engine;
use crate::limits::API_KEYS_MAX;
use crate::tasks::require;

/// What every key begins with.
pub const PREFIX: &str = "oc_sk_";

/// API keys.
#[derive(Clone)]
pub struct ApiKeys(pub(crate) Arc<Engine>);

impl ApiKeys {
    /// Makes a key that may do `scopes` and have as much generated as its plan says, `default` where none is named;
    /// the text is never shown again.
    ///
    /// Errors: `Forbidden` without admin; `Invalid` for an empty or long name, an unknown plan, or one key too many.
    pub async fn create(
        &self,
        principal: &Principal,
        door: Door,
        name: &str,
        scopes: Scopes,
        plan: Option<&str>,
    ) -> Result<(ApiKey, Secret), Error> {
        require(principal, Scope::Admin)?;
        let plan = self.0.limiter.plan(plan).map_err(|known| {
            let found: String = plan.unwrap_or_default().chars().take(40).collect();
            Error::invalid("plan", format!("there is no plan {found:?}; there are {}", known.join(", ")))
        })?;
        if self.0.limiter.has_all_keys() {
            return Err(Error::invalid("name", format!("there are {API_KEYS_MAX} keys; revoke one that nobody needs")));
        }
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
            plan,
            created_at: self.0.clock.now(),
            revoked_at: None,
        };
        let entry = Entry::new(key.created_at, Kind::KeyCreated, Actor::of(&principal.id, door), &key.id.to_string())
            .with("name", name)
            .with("scopes", names(scopes))
            .with("plan", key.plan.as_str());
        self.0.noted(self.0.store.add_api_key(key.clone(), entry).await.await)?;
        self.0.limiter.assign(&PrincipalId::api_key(key.id), &key.plan);
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
            true => {
                self.0.limiter.withdraw(&PrincipalId::api_key(id));
                Ok(())
            }
            false => Err(Error::NotFound { what: "API key", id: id.to_string() }),
        }
    }

    /// The plan that counts for this key: its own, unless the configuration has it no more.
    pub fn plan_in_force(&self, key: &ApiKey) -> PlanName {
        self.0.limiter.plan_in_force(&key.plan)
    }

    /// Who holds this key; nothing for an unknown or revoked one. The lookup is by digest, so no
    /// comparison of secrets takes place here.
    pub async fn principal(&self, key: &str) -> Result<Option<Principal>, Error> {
        if !key.starts_with(PREFIX) {
            return Ok(None);
        }
        let found = self.0.store.api_key(&digest(key)).await?;
        Ok(found.map(|key| {
            let id = PrincipalId::api_key(key.id);
            // Another process may have made it.
            self.0.limiter.assign(&id, &key.plan);
            Principal { id, scopes: key.scopes }
        }))
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

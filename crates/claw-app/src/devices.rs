//! Devices: who waits to be paired, who is, and what their tokens may do.
//!
//! Nobody grants, renews or takes away more than they may do themselves. What concerns a device
//! that is just connecting is in `entry`: it knows no caller yet, only a verified key.

mod entry;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claw_core::audit::{Actor, Door, Entry, Kind};
use claw_core::{DeviceId, PairingId, Principal, Role, Scope, Scopes, Secret, Timestamp, Visibility};
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast;

pub use claw_store::{Device, DeviceInfo, DeviceToken, Pairing};
pub use entry::{Arrival, Held};

use crate::Error;
use crate::audit::names;
use crate::engine::Engine;
use crate::limits::{PAIRING_NOTICES_MAX, PAIRING_WAIT};
use crate::tasks::require;

/// What every device's token begins with.
pub const PREFIX: &str = "oc_dt_";

/// Devices.
#[derive(Clone)]
pub struct Devices(pub(crate) Arc<Engine>);

/// A paired device and its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paired {
    /// The device.
    pub device: Device,
    /// Its tokens, revoked ones too.
    pub tokens: Vec<DeviceToken>,
}

/// Everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Everybody {
    /// Who waits, newest first.
    pub pending: Vec<Pairing>,
    /// Who is paired, last approved first.
    pub paired: Vec<Paired>,
}

/// A token that was just made; its text is in here and nowhere else.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The text to present.
    pub secret: Secret,
    /// What for.
    pub role: Role,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub at: Timestamp,
}

/// What happens to wishes, for those who may decide about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairingNotice {
    /// A device asks.
    Requested(Box<Pairing>),
    /// Somebody decided.
    Resolved {
        /// About which wish.
        id: PairingId,
        /// Of which device.
        device: DeviceId,
        /// Whether it was granted.
        is_approved: bool,
        /// When.
        at: Timestamp,
    },
}

/// What the verbs share.
#[derive(Debug)]
pub(crate) struct Board {
    notices: broadcast::Sender<PairingNotice>,
    /// Rises whenever a token or a device loses its worth.
    changes: AtomicU64,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self { notices: broadcast::Sender::new(PAIRING_NOTICES_MAX), changes: AtomicU64::new(0) }
    }
    fn tell(&self, notice: PairingNotice) {
        let _nobody_listens = self.notices.send(notice);
    }
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Devices {
    /// Hears of wishes and decisions; a listener that is too slow misses the oldest.
    pub fn notices(&self) -> broadcast::Receiver<PairingNotice> {
        self.0.devices.notices.subscribe()
    }

    /// Whether this caller may deal with devices at all, whatever it wants of them.
    ///
    /// Errors: `Forbidden` without pairing; holders of API keys need admin.
    pub fn permits(&self, principal: &Principal) -> Result<(), Error> {
        may_pair(principal)
    }

    /// Who waits and who is paired. Errors: `Forbidden` without pairing.
    pub async fn list(&self, principal: &Principal) -> Result<Everybody, Error> {
        may_pair(principal)?;
        let pending = self.0.store.pairings(self.still_waiting()).await?;
        let mut tokens = self.0.store.device_tokens().await?;
        let mut paired = Vec::new();
        for device in self.0.store.devices().await? {
            let (own, others) = tokens.into_iter().partition(|token| token.device == device.id);
            tokens = others;
            paired.push(Paired { device, tokens: own });
        }
        Ok(Everybody { pending, paired })
    }

    /// Grants a wish: the device gets its token the next time it connects.
    ///
    /// Errors: `Forbidden` without pairing, or when the caller may not do itself what is wished for;
    /// `NotFound` for a wish that was decided, replaced or is too old.
    pub async fn approve(&self, principal: &Principal, door: Door, id: PairingId) -> Result<Paired, Error> {
        may_pair(principal)?;
        let absent = || Error::NotFound { what: "pairing request", id: id.to_string() };
        let waiting = self.0.store.pairings(self.still_waiting()).await?;
        let wish = waiting.into_iter().find(|wish| wish.id == id).ok_or_else(absent)?;
        require_all(principal, wish.scopes)?;
        let at = self.0.clock.now();
        let kind = if wish.is_upgrade { Kind::ScopesGrown } else { Kind::DeviceApproved };
        let entry = Entry::new(at, kind, Actor::of(&principal.id, door), &wish.device.to_string())
            .with("request", id.to_string())
            .with("scopes", names(wish.scopes));
        let granted = self.0.store.approve_pairing(id, self.still_waiting(), at, entry).await.await;
        let granted = self.0.noted(granted)?.ok_or_else(absent)?;
        self.resolved(id, granted.device, true, at);
        self.paired(granted.device).await
    }

    /// Refuses a wish. Errors: `Forbidden` without pairing; `NotFound`.
    pub async fn reject(&self, principal: &Principal, door: Door, id: PairingId) -> Result<DeviceId, Error> {
        may_pair(principal)?;
        let by = Actor::of(&principal.id, door);
        let entry = Entry::new(self.0.clock.now(), Kind::DeviceRejected, by, &id.to_string());
        let device = self.0.noted(self.0.store.drop_pairing(id, entry).await.await)?;
        let device = device.ok_or_else(|| Error::NotFound { what: "pairing request", id: id.to_string() })?;
        self.resolved(id, device, false, self.0.clock.now());
        Ok(device)
    }

    /// Forgets a device; its sockets close. Errors: `Forbidden` without pairing, or when the caller
    /// may do less than the device; `NotFound`.
    pub async fn remove(&self, principal: &Principal, door: Door, id: DeviceId) -> Result<(), Error> {
        may_pair(principal)?;
        let Paired { device, tokens } = self.paired(id).await?;
        require_all(principal, device.scopes)?;
        tokens.iter().try_for_each(|token| require_all(principal, token.scopes))?;
        let by = Actor::of(&principal.id, door);
        let entry = Entry::new(self.0.clock.now(), Kind::DeviceRemoved, by, &id.to_string());
        let is_gone = self.0.noted(self.0.store.remove_device(id, entry).await.await)?;
        self.0.devices.changed();
        if is_gone { Ok(()) } else { Err(absent(id)) }
    }

    /// Replaces a device's token by a fresh one with these scopes, or those it has; sockets of the
    /// old one close.
    ///
    /// Errors: `Forbidden` without pairing, or for scopes the caller does not have (adv_5); `Invalid`
    /// for scopes the device was never granted; `NotFound`.
    pub async fn rotate(
        &self,
        principal: &Principal,
        door: Door,
        (id, role): (DeviceId, Role),
        scopes: Option<Scopes>,
    ) -> Result<Issued, Error> {
        may_pair(principal)?;
        let Paired { device, tokens } = self.paired(id).await?;
        let token = tokens.into_iter().find(|token| token.role == role).ok_or_else(|| absent(id))?;
        // Its text lets the caller's device end what others granted, so it takes as much to renew it.
        require_all(principal, token.scopes)?;
        let scopes = scopes.unwrap_or(token.scopes);
        require_all(principal, scopes)?;
        if !device.scopes.contains(scopes) {
            return Err(Error::invalid("scopes", "must be among those the device was granted"));
        }
        let issued = self.issue(role, scopes);
        let entry = issued.entry(Kind::TokenRotated, Actor::of(&principal.id, door), id);
        let is_done = self.0.store.rotate_device_token(issued.as_token(id), entry).await.await;
        let is_done = self.0.noted(is_done)?;
        self.0.devices.changed();
        if is_done { Ok(issued) } else { Err(absent(id)) }
    }

    /// Makes a device's token worthless, at once. Errors: `Forbidden` without pairing, or when the
    /// caller may do less than the token; `NotFound`.
    pub async fn revoke(
        &self,
        principal: &Principal,
        door: Door,
        id: DeviceId,
        role: Role,
    ) -> Result<Timestamp, Error> {
        may_pair(principal)?;
        let Paired { device, tokens } = self.paired(id).await?;
        let scopes = tokens.iter().find(|token| token.role == role).map_or(device.scopes, |token| token.scopes);
        require_all(principal, scopes)?;
        let at = self.0.clock.now();
        let entry = Entry::new(at, Kind::TokenRevoked, Actor::of(&principal.id, door), &id.to_string());
        let entry = entry.with("role", role.name());
        let is_done = self.0.noted(self.0.store.revoke_device_token(id, role, at, entry).await.await)?;
        self.0.devices.changed();
        if is_done { Ok(at) } else { Err(absent(id)) }
    }

    async fn paired(&self, id: DeviceId) -> Result<Paired, Error> {
        let device = self.0.store.device(id).await?.ok_or_else(|| absent(id))?;
        let token = self.0.store.device_token(id, Role::Operator).await?;
        Ok(Paired { device, tokens: token.into_iter().collect() })
    }

    fn resolved(&self, id: PairingId, device: DeviceId, is_approved: bool, at: Timestamp) {
        self.0.devices.tell(PairingNotice::Resolved { id, device, is_approved, at });
    }

    /// Wishes from before this moment count no more.
    fn still_waiting(&self) -> Timestamp {
        let wait = i64::try_from(PAIRING_WAIT.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.0.clock.now().millis().saturating_sub(wait))
    }

    fn issue(&self, role: Role, scopes: Scopes) -> Issued {
        let mut bytes = [0; 32];
        self.0.ids.fill(&mut bytes);
        let secret = Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)));
        Issued { secret, role, scopes, at: self.0.clock.now() }
    }
}

impl Issued {
    /// Its line in the audit log.
    fn entry(&self, kind: Kind, by: Actor, device: DeviceId) -> Entry {
        let entry = Entry::new(self.at, kind, by, &device.to_string());
        entry.with("role", self.role.name()).with("scopes", names(self.scopes))
    }

    /// As it is stored.
    fn as_token(&self, device: DeviceId) -> DeviceToken {
        DeviceToken {
            device,
            role: self.role,
            digest: digest(&self.secret),
            scopes: self.scopes,
            created_at: self.at,
            rotated_at: None,
            revoked_at: None,
            used_at: None,
        }
    }
}

fn digest(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.expose().as_bytes()).into()
}

fn absent(id: DeviceId) -> Error {
    Error::NotFound { what: "paired device", id: id.to_string() }
}

/// Devices act for the operator, so it takes the operator to deal with them, or an API key that may
/// change the gateway.
fn may_pair(principal: &Principal) -> Result<(), Error> {
    require(principal, Scope::Pairing)?;
    match principal.visibility() {
        Visibility::All => Ok(()),
        Visibility::Owner(_) => require(principal, Scope::Admin),
    }
}

/// Nobody hands out what they do not have.
fn require_all(principal: &Principal, scopes: Scopes) -> Result<(), Error> {
    scopes.iter().try_for_each(|scope| require(principal, scope))
}

//! Paired devices, their tokens, and those that wait to be paired: what goes in and out, the verbs
//! and their laws.

use async_trait::async_trait;
use claw_core::audit::Entry;
use claw_core::{DeviceId, PairingId, Role, Scopes, Timestamp};

use crate::{Commit, StoreError};

/// What a device says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// A name for people.
    pub display_name: Option<String>,
    /// Its system.
    pub platform: Option<String>,
    /// What kind of machine.
    pub device_family: Option<String>,
    /// Which program.
    pub client_id: Option<String>,
    /// What that is used for.
    pub client_mode: Option<String>,
}

/// A device that may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The digest of its key.
    pub id: DeviceId,
    /// Its Ed25519 key.
    pub public_key: [u8; 32],
    /// What it says of itself.
    pub info: DeviceInfo,
    /// What it connects as.
    pub role: Role,
    /// What it was allowed.
    pub scopes: Scopes,
    /// When it was first paired.
    pub created_at: Timestamp,
    /// When it was last approved.
    pub approved_at: Timestamp,
    /// When it last connected.
    pub seen_at: Option<Timestamp>,
}

/// A device's token as stored: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceToken {
    /// Whose.
    pub device: DeviceId,
    /// What for.
    pub role: Role,
    /// SHA-256 of the whole token.
    pub digest: [u8; 32],
    /// What it may do.
    pub scopes: Scopes,
    /// When the first one of this device and role was made.
    pub created_at: Timestamp,
    /// When it was replaced.
    pub rotated_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

/// A device's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// Its id.
    pub id: PairingId,
    /// Whose.
    pub device: DeviceId,
    /// Its Ed25519 key.
    pub public_key: [u8; 32],
    /// What it says of itself.
    pub info: DeviceInfo,
    /// What it wants to connect as.
    pub role: Role,
    /// What it wants to be allowed.
    pub scopes: Scopes,
    /// Whether it has a token and wants it to be allowed more.
    pub is_upgrade: bool,
    /// When.
    pub requested_at: Timestamp,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is recorded.
    Recorded,
    /// The device waits for just that already.
    Standing(PairingId),
    /// Too many others wait.
    Full,
}

/// How many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Wishes at most.
    pub max: u32,
    /// Older ones are forgotten.
    pub since: Timestamp,
}

/// The verbs of devices; the laws of writes are those of [`crate::Store`].
#[async_trait]
pub trait Devices: Send + Sync {
    /// Pairs a device that proved a secret of the gateway: what it may grows by `device.scopes`, its
    /// live token with it; its wish is forgotten. True when it had no live token and `fresh` is it now.
    ///
    /// Where `devices_max` others are paired a new one is not taken in, and the answer is false. `entry` is
    /// appended with the fresh token, and as [`claw_core::audit::Kind::ScopesGrown`] where a live one grew.
    async fn enrol_device(&self, device: Device, fresh: DeviceToken, devices_max: u32, entry: Entry) -> Commit<bool>;

    /// Records a wish in place of the device's earlier one.
    async fn ask_pairing(&self, pairing: Pairing, waiting: Waiting) -> Commit<Asked>;

    /// Grants a wish made after `since`: a live token grows, another may be claimed once. Nothing
    /// when there is no such wish; else `entry` is appended.
    async fn approve_pairing(
        &self,
        id: PairingId,
        since: Timestamp,
        at: Timestamp,
        entry: Entry,
    ) -> Commit<Option<Pairing>>;

    /// Takes back a wish and appends `entry`; gives whose it was.
    async fn drop_pairing(&self, id: PairingId, entry: Entry) -> Commit<Option<DeviceId>>;

    /// Makes `fresh` the device's token, with the scopes that were approved; works once for each
    /// approval. Then `entry` is appended.
    async fn claim_device_token(&self, fresh: DeviceToken, entry: Entry) -> Commit<Option<Scopes>>;

    /// Replaces the token of a paired device, also a revoked one, and appends `entry`; false when it never had one.
    async fn rotate_device_token(&self, fresh: DeviceToken, entry: Entry) -> Commit<bool>;

    /// Revokes a live token, and one that was approved and not fetched, and appends `entry`; false when there is neither.
    async fn revoke_device_token(&self, device: DeviceId, role: Role, at: Timestamp, entry: Entry) -> Commit<bool>;

    /// Forgets a device with its tokens and its wish, and appends `entry`; false when it is not paired.
    async fn remove_device(&self, id: DeviceId, entry: Entry) -> Commit<bool>;

    /// Notes that the device came in, by its token or without.
    async fn touch_device(&self, id: DeviceId, by_token: Option<Role>, at: Timestamp) -> Commit<()>;

    /// One paired device.
    async fn device(&self, id: DeviceId) -> Result<Option<Device>, StoreError>;

    /// All of them, last approved first.
    async fn devices(&self) -> Result<Vec<Device>, StoreError>;

    /// A device's token, revoked or not.
    async fn device_token(&self, device: DeviceId, role: Role) -> Result<Option<DeviceToken>, StoreError>;

    /// All tokens, revoked ones too.
    async fn device_tokens(&self) -> Result<Vec<DeviceToken>, StoreError>;

    /// Wishes made after `since`, newest first.
    async fn pairings(&self, since: Timestamp) -> Result<Vec<Pairing>, StoreError>;
}

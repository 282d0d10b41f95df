//! The verbs of devices, over the same writer and readers.

use async_trait::async_trait;
use claw_core::audit::Entry;
use claw_core::{DeviceId, PairingId, Role, Scopes, Timestamp};

use super::SqliteStore;
use super::act::{Act, DeviceAct};
use crate::{Asked, Commit, Device, DeviceToken, Devices, Pairing, StoreError, Waiting};

fn on_devices(act: DeviceAct) -> Act {
    Act::Device(Box::new(act))
}

#[async_trait]
impl Devices for SqliteStore {
    async fn enrol_device(&self, device: Device, fresh: DeviceToken, devices_max: u32, entry: Entry) -> Commit<bool> {
        self.act(|told| on_devices(DeviceAct::Enrol { device, fresh, devices_max, entry, told })).await
    }
    async fn ask_pairing(&self, pairing: Pairing, waiting: Waiting) -> Commit<Asked> {
        self.act(|told| on_devices(DeviceAct::Ask { pairing, waiting, told })).await
    }
    async fn approve_pairing(
        &self,
        id: PairingId,
        since: Timestamp,
        at: Timestamp,
        entry: Entry,
    ) -> Commit<Option<Pairing>> {
        self.act(|told| on_devices(DeviceAct::Approve { id, since, at, entry, told })).await
    }
    async fn drop_pairing(&self, id: PairingId, entry: Entry) -> Commit<Option<DeviceId>> {
        self.act(|told| on_devices(DeviceAct::Drop { id, entry, told })).await
    }
    async fn claim_device_token(&self, fresh: DeviceToken, entry: Entry) -> Commit<Option<Scopes>> {
        self.act(|told| on_devices(DeviceAct::Claim { fresh, entry, told })).await
    }
    async fn rotate_device_token(&self, fresh: DeviceToken, entry: Entry) -> Commit<bool> {
        self.act(|told| on_devices(DeviceAct::Rotate { fresh, entry, told })).await
    }
    async fn revoke_device_token(&self, device: DeviceId, role: Role, at: Timestamp, entry: Entry) -> Commit<bool> {
        self.act(|told| on_devices(DeviceAct::Revoke { device, role, at, entry, told })).await
    }
    async fn remove_device(&self, id: DeviceId, entry: Entry) -> Commit<bool> {
        self.act(|told| on_devices(DeviceAct::Remove { id, entry, told })).await
    }
    async fn touch_device(&self, id: DeviceId, by_token: Option<Role>, at: Timestamp) -> Commit<()> {
        self.act(|told| on_devices(DeviceAct::Touch { id, by_token, at, told })).await
    }
    async fn device(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        Ok(self.reader.device(id).await?)
    }
    async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        Ok(self.reader.devices().await?)
    }
    async fn device_token(&self, device: DeviceId, role: Role) -> Result<Option<DeviceToken>, StoreError> {
        Ok(self.reader.device_token(device, role).await?)
    }
    async fn device_tokens(&self) -> Result<Vec<DeviceToken>, StoreError> {
        Ok(self.reader.device_tokens().await?)
    }
    async fn pairings(&self, since: Timestamp) -> Result<Vec<Pairing>, StoreError> {
        Ok(self.reader.pairings(since).await?)
    }
}

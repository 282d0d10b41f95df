//! Devices, their tokens, their wishes to be paired.

use claw_core::{DeviceId, Role, Timestamp};
use sqlx::AssertSqlSafe;

use super::Reader;
use crate::limits::PAGE_ROWS_MAX;
use crate::sqlite::decode::devices::{DEVICE_COLUMNS, PAIRING_COLUMNS, TOKEN_COLUMNS, device, pairing, token};
use crate::sqlite::fault::Fault;
use crate::{Device, DeviceToken, Pairing};

impl Reader {
    /// One paired device.
    pub(in crate::sqlite) async fn device(&self, id: DeviceId) -> Result<Option<Device>, Fault> {
        let select = format!("SELECT {DEVICE_COLUMNS} FROM devices WHERE id = ?1");
        let query = sqlx::query(AssertSqlSafe(select)).bind(id.bytes().as_slice());
        query.fetch_optional(&self.pool).await?.as_ref().map(device).transpose()
    }

    /// All of them, last approved first.
    pub(in crate::sqlite) async fn devices(&self) -> Result<Vec<Device>, Fault> {
        let select = format!("SELECT {DEVICE_COLUMNS} FROM devices ORDER BY approved_at DESC, id LIMIT ?1");
        let query = sqlx::query(AssertSqlSafe(select)).bind(PAGE_ROWS_MAX);
        query.fetch_all(&self.pool).await?.iter().map(device).collect()
    }

    /// A device's token, revoked or not.
    pub(in crate::sqlite) async fn device_token(
        &self,
        device: DeviceId,
        role: Role,
    ) -> Result<Option<DeviceToken>, Fault> {
        let select = format!("SELECT {TOKEN_COLUMNS} FROM device_tokens WHERE device = ?1 AND role = ?2");
        let query = sqlx::query(AssertSqlSafe(select)).bind(device.bytes().as_slice()).bind(role.name());
        query.fetch_optional(&self.pool).await?.as_ref().map(token).transpose()
    }

    /// All tokens.
    pub(in crate::sqlite) async fn device_tokens(&self) -> Result<Vec<DeviceToken>, Fault> {
        let select = format!("SELECT {TOKEN_COLUMNS} FROM device_tokens ORDER BY device, role LIMIT ?1");
        let query = sqlx::query(AssertSqlSafe(select)).bind(PAGE_ROWS_MAX);
        query.fetch_all(&self.pool).await?.iter().map(token).collect()
    }

    /// Wishes made after `since`, newest first.
    pub(in crate::sqlite) async fn pairings(&self, since: Timestamp) -> Result<Vec<Pairing>, Fault> {
        let select = format!("SELECT {PAIRING_COLUMNS} FROM pairings WHERE requested_at > ?1 ORDER BY n DESC LIMIT ?2");
        let query = sqlx::query(AssertSqlSafe(select)).bind(since.millis()).bind(PAGE_ROWS_MAX);
        query.fetch_all(&self.pool).await?.iter().map(pairing).collect()
    }
}

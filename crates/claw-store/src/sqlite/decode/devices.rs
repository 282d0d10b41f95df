//! Rows about devices.

use claw_core::{DeviceId, PairingId, Role, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::sqlite::fault::Fault;
use crate::stored::scopes;
use crate::{Device, DeviceInfo, DeviceToken, Pairing, StoreError};

/// The columns of [`device`].
pub(in crate::sqlite) const DEVICE_COLUMNS: &str = "id, public_key, display_name, platform, device_family, client_id, \
                                                    client_mode, role, scopes, created_at, approved_at, seen_at";
/// The columns of [`token`].
pub(in crate::sqlite) const TOKEN_COLUMNS: &str =
    "device, role, digest, scopes, created_at, rotated_at, revoked_at, used_at";
/// The columns of [`pairing`].
pub(in crate::sqlite) const PAIRING_COLUMNS: &str = "device, public_key, display_name, platform, device_family, \
                                                     client_id, client_mode, role, scopes, id, is_upgrade, \
                                                     requested_at";

/// A paired device.
pub(in crate::sqlite) fn device(row: &SqliteRow) -> Result<Device, Fault> {
    Ok(Device {
        id: device_id(row, 0)?,
        public_key: bytes(row, 1)?,
        info: info(row)?,
        role: role(row, 7)?,
        scopes: scopes(row.try_get(8)?)?,
        created_at: super::moment(row, 9)?,
        approved_at: super::moment(row, 10)?,
        seen_at: maybe_moment(row, 11)?,
    })
}

/// A token.
pub(in crate::sqlite) fn token(row: &SqliteRow) -> Result<DeviceToken, Fault> {
    Ok(DeviceToken {
        device: device_id(row, 0)?,
        role: role(row, 1)?,
        digest: bytes(row, 2)?,
        scopes: scopes(row.try_get(3)?)?,
        created_at: super::moment(row, 4)?,
        rotated_at: maybe_moment(row, 5)?,
        revoked_at: maybe_moment(row, 6)?,
        used_at: maybe_moment(row, 7)?,
    })
}

/// A wish.
pub(in crate::sqlite) fn pairing(row: &SqliteRow) -> Result<Pairing, Fault> {
    Ok(Pairing {
        id: PairingId::from_uuid(super::uuid(row, 9)?),
        device: device_id(row, 0)?,
        public_key: bytes(row, 1)?,
        info: info(row)?,
        role: role(row, 7)?,
        scopes: scopes(row.try_get(8)?)?,
        is_upgrade: row.try_get(10)?,
        requested_at: super::moment(row, 11)?,
    })
}

/// A device's id.
pub(in crate::sqlite) fn device_id(row: &SqliteRow, column: usize) -> Result<DeviceId, Fault> {
    Ok(DeviceId::of_digest(bytes(row, column)?))
}

fn info(row: &SqliteRow) -> Result<DeviceInfo, Fault> {
    Ok(DeviceInfo {
        display_name: row.try_get(2)?,
        platform: row.try_get(3)?,
        device_family: row.try_get(4)?,
        client_id: row.try_get(5)?,
        client_mode: row.try_get(6)?,
    })
}

fn bytes(row: &SqliteRow, column: usize) -> Result<[u8; 32], Fault> {
    let bytes: &[u8] = row.try_get(column)?;
    Ok(super::digest(bytes)?)
}

fn role(row: &SqliteRow, column: usize) -> Result<Role, Fault> {
    let name: &str = row.try_get(column)?;
    let role = Role::named(name).ok_or_else(|| StoreError::Corrupt(format!("role cannot be {name:?}")));
    Ok(role?)
}

fn maybe_moment(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
}

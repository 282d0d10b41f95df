//! Devices, their tokens, their wishes to be paired.

use claw_core::audit::{Entry, Kind};
use claw_core::{DeviceId, PairingId, Role, Scopes, Timestamp};
use sqlx::Row;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

use super::{Slot, append_if};
use crate::sqlite::audit::append;
use crate::sqlite::decode::devices::{PAIRING_COLUMNS, pairing};
use crate::sqlite::fault::Fault;
use crate::stored::scopes;
use crate::{Asked, Device, DeviceInfo, DeviceToken, Pairing, StoreError, Waiting};

/// A write about devices with somebody waiting.
pub(in crate::sqlite) enum DeviceAct {
    Enrol { device: Device, fresh: DeviceToken, devices_max: u32, entry: Entry, told: Slot<bool> },
    Ask { pairing: Pairing, waiting: Waiting, told: Slot<Asked> },
    Approve { id: PairingId, since: Timestamp, at: Timestamp, entry: Entry, told: Slot<Option<Pairing>> },
    Drop { id: PairingId, entry: Entry, told: Slot<Option<DeviceId>> },
    Claim { fresh: DeviceToken, entry: Entry, told: Slot<Option<Scopes>> },
    Rotate { fresh: DeviceToken, entry: Entry, told: Slot<bool> },
    Revoke { device: DeviceId, role: Role, at: Timestamp, entry: Entry, told: Slot<bool> },
    Remove { id: DeviceId, entry: Entry, told: Slot<bool> },
    Touch { id: DeviceId, by_token: Option<Role>, at: Timestamp, told: Slot<()> },
}

impl DeviceAct {
    pub(super) fn resolve(self, fate: Result<(), StoreError>) {
        match self {
            Self::Enrol { told, .. }
            | Self::Rotate { told, .. }
            | Self::Revoke { told, .. }
            | Self::Remove { told, .. } => told.resolve(fate),
            Self::Ask { told, .. } => told.resolve(fate),
            Self::Approve { told, .. } => told.resolve(fate),
            Self::Drop { told, .. } => told.resolve(fate),
            Self::Claim { told, .. } => told.resolve(fate),
            Self::Touch { told, .. } => told.resolve(fate),
        }
    }

    pub(super) async fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        match self {
            Self::Enrol { device, fresh, devices_max, entry, told } => {
                told.answer = Some(enrol(connection, device, fresh, *devices_max, entry).await?);
            }
            Self::Ask { pairing, waiting, told } => told.answer = Some(ask(connection, pairing, *waiting).await?),
            Self::Approve { id, since, at, entry, told } => {
                let granted = approve(connection, *id, *since, *at).await?;
                append_if(granted.is_some(), connection, entry).await?;
                told.answer = Some(granted);
            }
            Self::Drop { id, entry, told } => {
                let device = forget(connection, *id).await?;
                append_if(device.is_some(), connection, entry).await?;
                told.answer = Some(device);
            }
            Self::Claim { fresh, entry, told } => {
                let scopes = claim(connection, fresh).await?;
                append_if(scopes.is_some(), connection, entry).await?;
                told.answer = Some(scopes);
            }
            Self::Rotate { fresh, entry, told } => {
                let is_done = rotate(connection, fresh).await?;
                append_if(is_done, connection, entry).await?;
                told.answer = Some(is_done);
            }
            Self::Revoke { device, role, at, entry, told } => {
                let is_done = revoke(connection, *device, *role, *at).await?;
                append_if(is_done, connection, entry).await?;
                told.answer = Some(is_done);
            }
            Self::Remove { id, entry, told } => {
                let is_done = remove(connection, *id).await?;
                append_if(is_done, connection, entry).await?;
                told.answer = Some(is_done);
            }
            Self::Touch { id, by_token, at, told } => {
                told.answer = Some(touch(connection, *id, *by_token, *at).await?);
            }
        }
        Ok(())
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

fn blob(id: &DeviceId) -> &[u8] {
    id.bytes().as_slice()
}

fn bits(scopes: Scopes) -> i64 {
    i64::from(scopes.bits())
}

fn bind_info<'q>(query: Query<'q>, info: &'q DeviceInfo) -> Query<'q> {
    let DeviceInfo { display_name, platform, device_family, client_id, client_mode } = info;
    query.bind(display_name).bind(platform).bind(device_family).bind(client_id).bind(client_mode)
}

/// A row for a device that is new, or renewed; `?13` says whether its scopes grow or are replaced.
const PAIR: &str = "INSERT INTO devices (id, public_key, display_name, platform, device_family, client_id, \
                    client_mode, role, scopes, claim, created_at, approved_at, seen_at) \
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12) ON CONFLICT (id) DO UPDATE SET \
                    display_name = coalesce(excluded.display_name, display_name), \
                    platform = coalesce(excluded.platform, platform), \
                    device_family = coalesce(excluded.device_family, device_family), \
                    client_id = excluded.client_id, client_mode = excluded.client_mode, role = excluded.role, \
                    scopes = iif(?13, scopes | excluded.scopes, excluded.scopes), \
                    claim = coalesce(excluded.claim, claim), approved_at = excluded.approved_at, \
                    seen_at = coalesce(excluded.seen_at, seen_at)";

async fn pair(
    connection: &mut SqliteConnection,
    device: &Device,
    claim: Option<Scopes>,
    grows: bool,
) -> Result<(), Fault> {
    let query = sqlx::query(PAIR).bind(blob(&device.id)).bind(device.public_key.as_slice());
    bind_info(query, &device.info)
        .bind(device.role.name())
        .bind(bits(device.scopes))
        .bind(claim.map(bits))
        .bind(device.approved_at.millis())
        .bind(device.seen_at.map(Timestamp::millis))
        .bind(grows)
        .execute(connection)
        .await?;
    Ok(())
}

async fn grow(connection: &mut SqliteConnection, device: DeviceId, role: Role, scopes: Scopes) -> Result<bool, Fault> {
    let grown = sqlx::query(
        "UPDATE device_tokens SET scopes = scopes | ?3 WHERE device = ?1 AND role = ?2 AND revoked_at IS NULL",
    )
    .bind(blob(&device))
    .bind(role.name())
    .bind(bits(scopes))
    .execute(connection)
    .await?;
    Ok(grown.rows_affected() > 0)
}

/// The one token of a device and role from now on.
async fn put_token(connection: &mut SqliteConnection, fresh: &DeviceToken, scopes: Scopes) -> Result<(), Fault> {
    let DeviceToken { device, role, digest, scopes: _, created_at, rotated_at, revoked_at: _, used_at } = fresh;
    sqlx::query(
        "INSERT INTO device_tokens (device, role, digest, scopes, created_at, rotated_at, used_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (device, role) DO UPDATE SET digest = excluded.digest, \
         scopes = excluded.scopes, rotated_at = excluded.created_at, revoked_at = NULL, used_at = excluded.used_at",
    )
    .bind(blob(device))
    .bind(role.name())
    .bind(digest.as_slice())
    .bind(bits(scopes))
    .bind(created_at.millis())
    .bind(rotated_at.map(Timestamp::millis))
    .bind(used_at.map(Timestamp::millis))
    .execute(connection)
    .await?;
    Ok(())
}

async fn enrol(
    connection: &mut SqliteConnection,
    device: &Device,
    fresh: &DeviceToken,
    devices_max: u32,
    entry: &Entry,
) -> Result<bool, Fault> {
    let others = sqlx::query("SELECT count(*) FROM devices WHERE id <> ?1").bind(blob(&device.id));
    let others: i64 = others.fetch_one(&mut *connection).await?.try_get(0)?;
    if others >= i64::from(devices_max) {
        return Ok(false);
    }
    pair(connection, device, None, true).await?;
    sqlx::query("DELETE FROM pairings WHERE device = ?1").bind(blob(&device.id)).execute(&mut *connection).await?;
    if grow(connection, device.id, fresh.role, fresh.scopes).await? {
        append(connection, &[Entry { kind: Kind::ScopesGrown, ..entry.clone() }]).await?;
        return Ok(false);
    }
    put_token(connection, fresh, fresh.scopes).await?;
    append(connection, std::slice::from_ref(entry)).await?;
    Ok(true)
}

async fn ask(connection: &mut SqliteConnection, pairing: &Pairing, waiting: Waiting) -> Result<Asked, Fault> {
    let Waiting { max, since } = waiting;
    sqlx::query("DELETE FROM pairings WHERE requested_at <= ?1").bind(since.millis()).execute(&mut *connection).await?;
    let select = format!("SELECT {PAIRING_COLUMNS} FROM pairings WHERE device = ?1");
    let standing = sqlx::query(sqlx::AssertSqlSafe(select)).bind(blob(&pairing.device));
    if let Some(row) = standing.fetch_optional(&mut *connection).await? {
        let standing = self::pairing(&row)?;
        let same = Pairing { id: standing.id, requested_at: standing.requested_at, ..pairing.clone() };
        if standing == same {
            return Ok(Asked::Standing(standing.id));
        }
    }
    let others = sqlx::query("SELECT count(*) FROM pairings WHERE device <> ?1").bind(blob(&pairing.device));
    let others: i64 = others.fetch_one(&mut *connection).await?.try_get(0)?;
    if others >= i64::from(max) {
        return Ok(Asked::Full);
    }
    sqlx::query("DELETE FROM pairings WHERE device = ?1").bind(blob(&pairing.device)).execute(&mut *connection).await?;
    let insert = sqlx::query(
        "INSERT INTO pairings (id, device, public_key, display_name, platform, device_family, client_id, client_mode, \
         role, scopes, is_upgrade, requested_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    );
    let id = pairing.id.uuid();
    let insert = insert.bind(id.as_bytes().to_vec()).bind(blob(&pairing.device)).bind(pairing.public_key.as_slice());
    bind_info(insert, &pairing.info)
        .bind(pairing.role.name())
        .bind(bits(pairing.scopes))
        .bind(pairing.is_upgrade)
        .bind(pairing.requested_at.millis())
        .execute(connection)
        .await?;
    Ok(Asked::Recorded)
}

async fn approve(
    connection: &mut SqliteConnection,
    id: PairingId,
    since: Timestamp,
    at: Timestamp,
) -> Result<Option<Pairing>, Fault> {
    let delete = format!("DELETE FROM pairings WHERE id = ?1 AND requested_at > ?2 RETURNING {PAIRING_COLUMNS}");
    let row = sqlx::query(sqlx::AssertSqlSafe(delete))
        .bind(id.uuid().as_bytes().as_slice())
        .bind(since.millis())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(granted) = row.as_ref().map(pairing).transpose()? else { return Ok(None) };
    let Pairing { id: _, device, public_key, info, role, scopes, is_upgrade, requested_at: _ } = granted.clone();
    let device = Device { id: device, public_key, info, role, scopes, created_at: at, approved_at: at, seen_at: None };
    let claim = (!is_upgrade).then_some(scopes);
    pair(connection, &device, claim, is_upgrade).await?;
    if is_upgrade {
        grow(connection, device.id, role, scopes).await?;
    }
    Ok(Some(granted))
}

async fn forget(connection: &mut SqliteConnection, id: PairingId) -> Result<Option<DeviceId>, Fault> {
    let delete = sqlx::query("DELETE FROM pairings WHERE id = ?1 RETURNING device");
    let row = delete.bind(id.uuid().as_bytes().as_slice()).fetch_optional(connection).await?;
    row.map(|row| crate::sqlite::decode::devices::device_id(&row, 0)).transpose()
}

async fn claim(connection: &mut SqliteConnection, fresh: &DeviceToken) -> Result<Option<Scopes>, Fault> {
    let select = sqlx::query("SELECT claim FROM devices WHERE id = ?1 AND role = ?2 AND claim IS NOT NULL");
    let row = select.bind(blob(&fresh.device)).bind(fresh.role.name()).fetch_optional(&mut *connection).await?;
    let Some(row) = row else { return Ok(None) };
    let approved = scopes(row.try_get(0)?)?;
    sqlx::query("UPDATE devices SET claim = NULL WHERE id = ?1")
        .bind(blob(&fresh.device))
        .execute(&mut *connection)
        .await?;
    put_token(connection, fresh, approved).await?;
    Ok(Some(approved))
}

async fn rotate(connection: &mut SqliteConnection, fresh: &DeviceToken) -> Result<bool, Fault> {
    let select = sqlx::query("SELECT 1 FROM device_tokens WHERE device = ?1 AND role = ?2");
    let row = select.bind(blob(&fresh.device)).bind(fresh.role.name()).fetch_optional(&mut *connection).await?;
    if row.is_none() {
        return Ok(false);
    }
    put_token(connection, fresh, fresh.scopes).await?;
    Ok(true)
}

async fn revoke(connection: &mut SqliteConnection, device: DeviceId, role: Role, at: Timestamp) -> Result<bool, Fault> {
    let live =
        sqlx::query("UPDATE device_tokens SET revoked_at = ?3 WHERE device = ?1 AND role = ?2 AND revoked_at IS NULL");
    let live = live.bind(blob(&device)).bind(role.name()).bind(at.millis()).execute(&mut *connection).await?;
    let claim = sqlx::query("UPDATE devices SET claim = NULL WHERE id = ?1 AND role = ?2 AND claim IS NOT NULL");
    let claim = claim.bind(blob(&device)).bind(role.name()).execute(connection).await?;
    Ok(live.rows_affected() + claim.rows_affected() > 0)
}

async fn remove(connection: &mut SqliteConnection, id: DeviceId) -> Result<bool, Fault> {
    for statement in ["DELETE FROM device_tokens WHERE device = ?1", "DELETE FROM pairings WHERE device = ?1"] {
        sqlx::query(statement).bind(blob(&id)).execute(&mut *connection).await?;
    }
    let gone = sqlx::query("DELETE FROM devices WHERE id = ?1").bind(blob(&id)).execute(connection).await?;
    Ok(gone.rows_affected() > 0)
}

async fn touch(
    connection: &mut SqliteConnection,
    id: DeviceId,
    by_token: Option<Role>,
    at: Timestamp,
) -> Result<(), Fault> {
    sqlx::query("UPDATE devices SET seen_at = ?2 WHERE id = ?1")
        .bind(blob(&id))
        .bind(at.millis())
        .execute(&mut *connection)
        .await?;
    if let Some(role) = by_token {
        sqlx::query("UPDATE device_tokens SET used_at = ?3 WHERE device = ?1 AND role = ?2")
            .bind(blob(&id))
            .bind(role.name())
            .bind(at.millis())
            .execute(connection)
            .await?;
    }
    Ok(())
}

//! Devices as those see them who may decide about them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claw_app::devices::{DeviceInfo, DeviceToken, Paired, Pairing};
use claw_core::{DeviceId, PairingId, Role, Scopes, Timestamp};
use claw_wire::ws::devices::{self as wire, Described, Token, Wish, scope_names};

/// A device that waits.
pub(crate) fn wish(pairing: &Pairing) -> Wish {
    let Pairing { id, device, public_key, info, role, scopes, is_upgrade, requested_at } = pairing;
    Wish {
        request_id: id.to_string(),
        device: described(*device, public_key, info, *role, *scopes),
        is_repair: *is_upgrade,
        ts: requested_at.millis(),
    }
}

/// A decision about a wish.
pub(crate) fn resolved(id: PairingId, device: DeviceId, is_approved: bool, at: Timestamp) -> wire::Resolved {
    wire::Resolved {
        request_id: id.to_string(),
        device_id: device.to_string(),
        decision: if is_approved { "approved" } else { "rejected" },
        ts: at.millis(),
    }
}

/// A paired device and its tokens.
pub(crate) fn paired(paired: &Paired) -> wire::Paired {
    let Paired { device, tokens } = paired;
    wire::Paired {
        device: described(device.id, &device.public_key, &device.info, device.role, device.scopes),
        created_at_ms: device.created_at.millis(),
        approved_at_ms: device.approved_at.millis(),
        last_seen_at_ms: device.seen_at.map(Timestamp::millis),
        tokens: tokens.iter().map(token).collect(),
    }
}

fn token(token: &DeviceToken) -> Token {
    let DeviceToken { device: _, role, digest: _, scopes, created_at, rotated_at, revoked_at, used_at } = token;
    Token {
        role: role.name(),
        scopes: scope_names(*scopes),
        created_at_ms: created_at.millis(),
        rotated_at_ms: rotated_at.map(Timestamp::millis),
        revoked_at_ms: revoked_at.map(Timestamp::millis),
        last_used_at_ms: used_at.map(Timestamp::millis),
    }
}

fn described(id: DeviceId, public_key: &[u8; 32], info: &DeviceInfo, role: Role, scopes: Scopes) -> Described {
    let DeviceInfo { display_name, platform, device_family, client_id, client_mode } = info.clone();
    Described {
        device_id: id.to_string(),
        public_key: URL_SAFE_NO_PAD.encode(public_key),
        display_name,
        platform,
        device_family,
        client_id,
        client_mode,
        role: role.name(),
        roles: [role.name()],
        scopes: scope_names(scopes),
    }
}

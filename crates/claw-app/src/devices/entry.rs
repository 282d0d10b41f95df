//! A device that is just connecting: its key is verified, its caller is not made yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claw_core::audit::{Actor, Door, Kind};
use claw_core::{DeviceId, PairingId, PrincipalId, Role, Scopes, Secret, Timestamp};
use claw_store::{Asked, Device, DeviceInfo, DeviceToken, Pairing, Waiting};
use subtle::ConstantTimeEq;

use super::{Devices, Issued, PairingNotice, digest};
use crate::Error;
use crate::limits::{DEVICE_SEEN_EVERY, DEVICES_MAX, PAIRINGS_MAX, PAIRINGS_RETRY};

/// A device whose key was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The digest of its key.
    pub id: DeviceId,
    /// Its Ed25519 key.
    pub public_key: [u8; 32],
    /// What it says of itself.
    pub info: DeviceInfo,
    /// What it connects as.
    pub role: Role,
}

/// Why a device's socket is open, so that this can be asked again.
#[derive(Debug, Clone)]
pub struct Held {
    device: DeviceId,
    role: Role,
    /// Of the token that let it in; absent where a secret of the gateway did.
    digest: Option<[u8; 32]>,
    /// As of this change it was so.
    seen: Arc<AtomicU64>,
}

impl Devices {
    /// Pairs a device that proved a secret of the gateway, with the scopes of its connection.
    ///
    /// Gives the token it holds – a fresh one, or the one it presented – and nothing when it has one
    /// that it did not present.
    pub async fn enrol(
        &self,
        arrival: &Arrival,
        scopes: Scopes,
        presented: &[&Secret],
    ) -> Result<(Option<Issued>, Option<Held>), Error> {
        let seen = self.0.devices.changes.load(Ordering::SeqCst);
        let known = self.0.store.device(arrival.id).await?;
        let token =
            self.0.store.device_token(arrival.id, arrival.role).await?.filter(|token| token.revoked_at.is_none());
        let held = Some(held(arrival, None, seen));
        if let (Some(device), Some(token)) = (&known, &token)
            && device.scopes.contains(scopes)
            && token.scopes.contains(scopes)
        {
            self.touch(device, None).await;
            let same = presented.iter().find(|text| is_of(text, token));
            return Ok((same.map(|text| issued_before(text, token)), held));
        }
        let fresh = self.issue(arrival.role, scopes);
        let at = fresh.at;
        let device = Device {
            id: arrival.id,
            public_key: arrival.public_key,
            info: arrival.info.clone(),
            role: arrival.role,
            scopes,
            created_at: at,
            approved_at: at,
            seen_at: Some(at),
        };
        let entry = fresh.entry(Kind::TokenIssued, operator(), arrival.id);
        let enrolled = self.0.store.enrol_device(device, fresh.as_token(arrival.id), DEVICES_MAX, entry).await.await;
        if self.0.noted(enrolled)? {
            return Ok((Some(fresh), held));
        }
        // It has a token, which has just grown – or there are too many devices, and it comes in as nobody's.
        let Some(token) = self.0.store.device_token(arrival.id, arrival.role).await? else { return Ok((None, None)) };
        let same = presented.iter().find(|text| is_of(text, &token));
        Ok((same.map(|text| issued_before(text, &token)), held))
    }

    /// What a device's token may do; nothing when it is not the live one of this device.
    pub async fn admit(&self, arrival: &Arrival, text: &Secret) -> Result<Option<(Issued, Held)>, Error> {
        let seen = self.0.devices.changes.load(Ordering::SeqCst);
        let token = self.0.store.device_token(arrival.id, arrival.role).await?;
        let Some(token) = token.filter(|token| token.revoked_at.is_none() && is_of(text, token)) else {
            return Ok(None);
        };
        let Some(device) = self.0.store.device(arrival.id).await? else { return Ok(None) };
        self.touch(&device, Some(arrival.role)).await;
        Ok(Some((issued_before(text, &token), held(arrival, Some(token.digest), seen))))
    }

    /// Gives a device the token that was approved for it; once for each approval (adv_9).
    pub async fn claim(&self, arrival: &Arrival) -> Result<Option<(Issued, Held)>, Error> {
        let Some(device) = self.0.store.device(arrival.id).await? else { return Ok(None) };
        let seen = self.0.devices.changes.load(Ordering::SeqCst);
        let fresh = self.issue(arrival.role, Scopes::NONE);
        let claimable = Issued { scopes: device.scopes, ..fresh.clone() };
        let entry = claimable.entry(Kind::TokenIssued, operator(), arrival.id);
        let claimed = self.0.store.claim_device_token(fresh.as_token(arrival.id), entry).await.await;
        let Some(scopes) = self.0.noted(claimed)? else { return Ok(None) };
        // An earlier token is worth nothing from now on.
        self.0.devices.changed();
        self.touch(&device, Some(arrival.role)).await;
        let held = held(arrival, Some(digest(&fresh.secret)), seen);
        Ok(Some((Issued { scopes, ..fresh }, held)))
    }

    /// Records a device's wish and tells those who may decide; true beside it when it is a new one.
    ///
    /// Errors: `Overloaded` when too many wait.
    pub async fn ask(&self, arrival: &Arrival, scopes: Scopes, is_upgrade: bool) -> Result<(PairingId, bool), Error> {
        let Arrival { id, public_key, info, role } = arrival.clone();
        let wish = Pairing {
            id: PairingId::new(&*self.0.ids),
            device: id,
            public_key,
            info,
            role,
            scopes,
            is_upgrade,
            requested_at: self.0.clock.now(),
        };
        let waiting = Waiting { max: PAIRINGS_MAX, since: self.still_waiting() };
        match self.0.noted(self.0.store.ask_pairing(wish.clone(), waiting).await.await)? {
            Asked::Standing(id) => Ok((id, false)),
            Asked::Recorded => {
                let id = wish.id;
                self.0.devices.tell(PairingNotice::Requested(Box::new(wish)));
                Ok((id, true))
            }
            Asked::Full => {
                let what = "too many devices wait to be paired".to_owned();
                Err(Error::Overloaded { what, retry_after: PAIRINGS_RETRY })
            }
        }
    }

    /// How often devices and their tokens have changed: as long as it is the same, all of them still hold.
    pub fn changes(&self) -> u64 {
        self.0.devices.changes.load(Ordering::SeqCst)
    }

    /// Whether what let a device in still would (G12). An error denies.
    pub async fn still_holds(&self, held: &Held) -> bool {
        let changes = self.0.devices.changes.load(Ordering::SeqCst);
        if held.seen.load(Ordering::SeqCst) == changes {
            return true;
        }
        let holds = match held.digest {
            None => self.0.store.device(held.device).await.is_ok_and(|device| device.is_some()),
            Some(digest) => {
                let token = self.0.store.device_token(held.device, held.role).await.ok().flatten();
                token.is_some_and(|token| token.revoked_at.is_none() && bool::from(token.digest.ct_eq(&digest)))
            }
        };
        if holds {
            held.seen.store(changes, Ordering::SeqCst);
        }
        holds
    }

    /// Notes that the device is there; nobody waits for it, and not every time is written.
    async fn touch(&self, device: &Device, by_token: Option<Role>) {
        let now = self.0.clock.now();
        if device.seen_at.is_none_or(|seen| now.since(seen) >= DEVICE_SEEN_EVERY) {
            drop(self.0.store.touch_device(device.id, by_token, now).await);
        }
    }
}

/// A device acts for the operator, and comes by a socket.
fn operator() -> Actor {
    Actor::of(&PrincipalId::operator(), Door::WebSocket)
}

fn held(arrival: &Arrival, digest: Option<[u8; 32]>, seen: u64) -> Held {
    Held { device: arrival.id, role: arrival.role, digest, seen: Arc::new(AtomicU64::new(seen)) }
}

fn is_of(text: &Secret, token: &DeviceToken) -> bool {
    digest(text).ct_eq(&token.digest).into()
}

fn issued_before(text: &Secret, token: &DeviceToken) -> Issued {
    let at: Timestamp = token.rotated_at.unwrap_or(token.created_at);
    Issued { secret: text.clone(), role: token.role, scopes: token.scopes, at }
}

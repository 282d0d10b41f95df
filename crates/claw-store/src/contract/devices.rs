//! Devices: who is paired, what their tokens may do, and that no approval counts twice.

use claw_core::{DeviceId, PairingId, Role};

use super::*;
use crate::{Asked, Device, DeviceInfo, DeviceToken, Pairing, Waiting};

pub(super) const READ: Scopes = Scopes::from_bits(1);
pub(super) const WRITE: Scopes = Scopes::from_bits(3);

pub(super) fn device_id(n: u8) -> DeviceId {
    DeviceId::of_digest([n; 32])
}

fn info(name: &str) -> DeviceInfo {
    DeviceInfo { display_name: Some(name.into()), client_id: Some("cli".into()), ..DeviceInfo::default() }
}

pub(super) fn device(n: u8, scopes: Scopes, moment: i64) -> Device {
    Device {
        id: device_id(n),
        public_key: [n; 32],
        info: info("laptop"),
        role: Role::Operator,
        scopes,
        created_at: at(moment),
        approved_at: at(moment),
        seen_at: Some(at(moment)),
    }
}

pub(super) fn token(n: u8, digest: u8, scopes: Scopes, moment: i64) -> DeviceToken {
    DeviceToken {
        device: device_id(n),
        role: Role::Operator,
        digest: [digest; 32],
        scopes,
        created_at: at(moment),
        rotated_at: None,
        revoked_at: None,
        used_at: None,
    }
}

pub(super) fn wish(id: u128, n: u8, scopes: Scopes, is_upgrade: bool, moment: i64) -> Pairing {
    Pairing {
        id: PairingId::from_uuid(Uuid::from_u128(id)),
        device: device_id(n),
        public_key: [n; 32],
        info: info("phone"),
        role: Role::Operator,
        scopes,
        is_upgrade,
        requested_at: at(moment),
    }
}

pub(super) const fn waiting(max: u32, since: i64) -> Waiting {
    Waiting { max, since: at(since) }
}

pub(super) async fn enrol(store: &dyn Store, device: Device, fresh: DeviceToken) -> bool {
    store.enrol_device(device, fresh, 3, entry(1)).await.await.unwrap()
}

async fn live(store: &dyn Store, n: u8) -> Option<DeviceToken> {
    store.device_token(device_id(n), Role::Operator).await.unwrap()
}

pub(super) async fn an_enrolled_device_keeps_its_token_and_grows(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    assert!(enrol(store, device(1, READ, 5), token(1, 7, READ, 5)).await);
    assert!(!enrol(store, device(1, WRITE, 9), token(1, 8, WRITE, 9)).await, "it has one");
    fixture.restart().await;
    let store = fixture.store();
    let grown = Device { created_at: at(5), ..device(1, WRITE, 9) };
    assert_eq!(store.device(device_id(1)).await, Ok(Some(grown.clone())));
    assert_eq!(store.devices().await, Ok(vec![grown]));
    assert_eq!(store.device_tokens().await, Ok(vec![token(1, 7, WRITE, 5)]));
    assert!(!enrol(store, device(1, READ, 10), token(1, 9, READ, 10)).await);
    assert_eq!(live(store, 1).await, Some(token(1, 7, WRITE, 5)), "less is no reason to take away");
}

pub(super) async fn no_more_devices_are_enrolled_than_fit(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for n in 1..=3 {
        assert!(enrol(store, device(n, READ, 0), token(n, n, READ, 0)).await);
    }
    assert!(!enrol(store, device(4, READ, 0), token(4, 4, READ, 0)).await);
    assert_eq!((store.device(device_id(4)).await, live(store, 4).await), (Ok(None), None));
    assert!(!enrol(store, device(3, WRITE, 0), token(3, 5, WRITE, 0)).await, "who is in may grow");
    assert_eq!(live(store, 3).await, Some(token(3, 3, WRITE, 0)));
}

pub(super) async fn a_wish_stands_until_it_is_old_or_replaced(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let ask = async |wish: Pairing, waiting| store.ask_pairing(wish, waiting).await.await.unwrap();
    assert_eq!(ask(wish(1, 1, READ, false, 10), waiting(2, 0)).await, Asked::Recorded);
    assert_eq!(ask(wish(2, 1, READ, false, 11), waiting(2, 0)).await, Asked::Standing(wish(1, 1, READ, false, 0).id));
    assert_eq!(ask(wish(3, 1, WRITE, false, 12), waiting(2, 0)).await, Asked::Recorded);
    assert_eq!(ask(wish(4, 2, READ, false, 13), waiting(2, 0)).await, Asked::Recorded);
    assert_eq!(ask(wish(5, 3, READ, false, 14), waiting(2, 0)).await, Asked::Full);
    let both = vec![wish(4, 2, READ, false, 13), wish(3, 1, WRITE, false, 12)];
    assert_eq!(store.pairings(at(0)).await, Ok(both));
    assert_eq!(store.pairings(at(12)).await, Ok(vec![wish(4, 2, READ, false, 13)]));
    assert_eq!(ask(wish(5, 3, READ, false, 14), waiting(2, 12)).await, Asked::Recorded, "the old one is forgotten");
    let second = wish(4, 2, READ, false, 13);
    assert_eq!(store.drop_pairing(second.id, entry(1)).await.await, Ok(Some(second.device)));
    assert_eq!(store.drop_pairing(second.id, entry(1)).await.await, Ok(None));
    assert_eq!(store.pairings(at(0)).await, Ok(vec![wish(5, 3, READ, false, 14)]));
}

pub(super) async fn an_approval_is_claimed_once(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let asked = wish(1, 1, WRITE, false, 10);
    store.ask_pairing(asked.clone(), waiting(9, 0)).await.await.unwrap();
    assert_eq!(store.claim_device_token(token(1, 7, READ, 11), entry(1)).await.await, Ok(None), "nobody approved it");
    assert_eq!(store.approve_pairing(asked.id, at(10), at(12), entry(1)).await.await, Ok(None), "it is too old");
    assert_eq!(store.approve_pairing(asked.id, at(0), at(12), entry(1)).await.await, Ok(Some(asked.clone())));
    assert_eq!(store.approve_pairing(asked.id, at(0), at(13), entry(1)).await.await, Ok(None));
    fixture.restart().await;
    let store = fixture.store();
    // adv_9: of many at once one gets it.
    let mut claims = Vec::new();
    for digest in 1..=50 {
        claims.push(store.claim_device_token(token(1, digest, READ, 14), entry(1)).await);
    }
    let mut won = Vec::new();
    for (claim, digest) in claims.into_iter().zip(1..) {
        won.extend(claim.await.unwrap().map(|scopes| (digest, scopes)));
    }
    assert_eq!(won, [(1, WRITE)]);
    assert_eq!(live(store, 1).await, Some(token(1, 1, WRITE, 14)));
    let paired = store.device(device_id(1)).await.unwrap().unwrap();
    assert_eq!((paired.scopes, paired.approved_at, paired.seen_at), (WRITE, at(12), None));
    assert_eq!(paired.info, info("phone"));
}

pub(super) async fn a_granted_upgrade_grows_the_token_and_opens_nothing_else(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    enrol(store, device(1, READ, 1), token(1, 7, READ, 1)).await;
    let asked = wish(1, 1, WRITE, true, 10);
    store.ask_pairing(asked.clone(), waiting(9, 0)).await.await.unwrap();
    assert_eq!(live(store, 1).await, Some(token(1, 7, READ, 1)));
    store.approve_pairing(asked.id, at(0), at(12), entry(1)).await.await.unwrap();
    assert_eq!(live(store, 1).await, Some(token(1, 7, WRITE, 1)));
    assert_eq!(store.claim_device_token(token(1, 8, WRITE, 13), entry(1)).await.await, Ok(None));
}

pub(super) async fn a_new_approval_grants_no_more_than_itself(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    enrol(store, device(1, WRITE, 1), token(1, 7, WRITE, 1)).await;
    store.revoke_device_token(device_id(1), Role::Operator, at(2), entry(1)).await.await.unwrap();
    let asked = wish(1, 1, READ, false, 10);
    store.ask_pairing(asked.clone(), waiting(9, 0)).await.await.unwrap();
    store.approve_pairing(asked.id, at(0), at(12), entry(1)).await.await.unwrap();
    assert_eq!(store.claim_device_token(token(1, 8, WRITE, 13), entry(1)).await.await, Ok(Some(READ)));
    assert_eq!(store.device(device_id(1)).await.unwrap().unwrap().scopes, READ);
}

pub(super) async fn a_token_is_rotated_revoked_and_revived(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    assert_eq!(store.rotate_device_token(token(1, 8, READ, 2), entry(1)).await.await, Ok(false), "there is none");
    enrol(store, device(1, READ, 1), token(1, 7, READ, 1)).await;
    assert_eq!(store.rotate_device_token(token(1, 8, READ, 2), entry(1)).await.await, Ok(true));
    let rotated = DeviceToken { created_at: at(1), rotated_at: Some(at(2)), ..token(1, 8, READ, 2) };
    assert_eq!(live(store, 1).await, Some(rotated.clone()));
    store.touch_device(device_id(1), Some(Role::Operator), at(3)).await.await.unwrap();
    let used = DeviceToken { used_at: Some(at(3)), ..rotated };
    assert_eq!(live(store, 1).await, Some(used.clone()));
    assert_eq!(store.device(device_id(1)).await.unwrap().unwrap().seen_at, Some(at(3)));
    assert_eq!(store.revoke_device_token(device_id(1), Role::Operator, at(4), entry(1)).await.await, Ok(true));
    assert_eq!(store.revoke_device_token(device_id(1), Role::Operator, at(5), entry(1)).await.await, Ok(false));
    assert_eq!(live(store, 1).await, Some(DeviceToken { revoked_at: Some(at(4)), ..used }));
    assert!(enrol(store, device(1, READ, 6), token(1, 9, READ, 6)).await, "whoever has the secret gets another");
    let revived = DeviceToken { created_at: at(1), rotated_at: Some(at(6)), ..token(1, 9, READ, 6) };
    assert_eq!(live(store, 1).await, Some(revived));
}

pub(super) async fn what_is_revoked_or_removed_cannot_be_claimed(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for (n, id) in [(1, 1), (2, 2)] {
        let asked = wish(id, n, WRITE, false, 10);
        store.ask_pairing(asked.clone(), waiting(9, 0)).await.await.unwrap();
        store.approve_pairing(asked.id, at(0), at(12), entry(1)).await.await.unwrap();
    }
    assert_eq!(store.revoke_device_token(device_id(1), Role::Operator, at(13), entry(1)).await.await, Ok(true));
    assert_eq!(store.remove_device(device_id(2), entry(1)).await.await, Ok(true));
    assert_eq!(store.remove_device(device_id(2), entry(1)).await.await, Ok(false));
    for n in [1, 2] {
        assert_eq!(store.claim_device_token(token(n, n, WRITE, 14), entry(1)).await.await, Ok(None));
        assert_eq!(live(store, n).await, None);
    }
    enrol(store, device(3, READ, 15), token(3, 3, READ, 15)).await;
    store.ask_pairing(wish(3, 3, WRITE, true, 16), waiting(9, 0)).await.await.unwrap();
    store.remove_device(device_id(3), entry(1)).await.await.unwrap();
    assert_eq!((live(store, 3).await, store.pairings(at(0)).await), (None, Ok(vec![])));
}

//! What is written down for good: complete, in order, in one chain.

use claw_core::approval::{ApprovalState, Decision};
use claw_core::audit::{Outcome, Recorded};

use super::*;
use crate::{ApiKey, ApprovalUse, AuditFilter, Checked, Link};

/// Follows the chain to its end.
pub(super) async fn end(store: &dyn Store) -> Link {
    let mut link = Link::START;
    loop {
        match store.check_audit(link, 1000).await.unwrap() {
            Checked::SoFar(next) => link = next,
            Checked::Whole(end) => return end,
            Checked::Broken(broken) => panic!("{broken:?}"),
        }
    }
}

/// All entries that fit, oldest first.
async fn all(store: &dyn Store, filter: &AuditFilter) -> Vec<Recorded> {
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = store.audit(filter, from, 1000).await.unwrap();
        found.extend(page.items);
        from = page.next;
        if from.is_none() {
            found.reverse();
            return found;
        }
    }
}

async fn append(store: &dyn Store, entries: Vec<Entry>) {
    store.append_audit(entries).await.await.unwrap();
}

pub(super) async fn entries_come_back_as_they_were_given_newest_first(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    assert_eq!(store.audit(&AuditFilter::default(), None, 10).await.unwrap().items, []);
    assert_eq!(end(store).await, Link::START);
    let given: Vec<Entry> = Kind::ALL
        .iter()
        .zip(0..)
        .map(|(kind, n)| {
            let actor = if n % 2 == 0 { operator() } else { Actor::nobody(Door::Http) };
            let entry = Entry::new(at(n), *kind, actor, "it").with("what", "\"…\"").with_digest("plan", &[7; 32]);
            entry.ended(Outcome::ALL[usize::try_from(n).unwrap() % Outcome::ALL.len()])
        })
        .collect();
    append(store, given.clone()).await;
    let page = store.audit(&AuditFilter::default(), None, 3).await.unwrap();
    assert_eq!(
        page.items.iter().map(|row| &row.entry).collect::<Vec<_>>(),
        given.iter().rev().take(3).collect::<Vec<_>>()
    );
    let second = store.audit(&AuditFilter::default(), page.next, 2).await.unwrap();
    assert_eq!(
        second.items.iter().map(|row| &row.entry).collect::<Vec<_>>(),
        given.iter().rev().skip(3).take(2).collect::<Vec<_>>()
    );
    fixture.restart().await;
    let store = fixture.store();
    let whole = all(store, &AuditFilter::default()).await;
    assert_eq!(whole.iter().map(|row| row.n).collect::<Vec<_>>(), (1..=given.len() as u64).collect::<Vec<_>>());
    type Fits = Box<dyn Fn(&Entry) -> bool>;
    let fits: [(AuditFilter, Fits); 4] = [
        (
            AuditFilter { kinds: Kind::matching("device"), ..AuditFilter::default() },
            Box::new(|entry| entry.kind.as_str().starts_with("device.")),
        ),
        (
            AuditFilter { actor: Some("nobody".into()), ..AuditFilter::default() },
            Box::new(|entry| &*entry.actor.name == "nobody"),
        ),
        (AuditFilter { since: Some(at(5)), ..AuditFilter::default() }, Box::new(|entry| entry.at >= at(5))),
        (
            AuditFilter { kinds: vec![Kind::ExecEnded], actor: Some("somebody".into()), since: None },
            Box::new(|_| false),
        ),
    ];
    for (filter, fits) in fits {
        let found: Vec<Entry> = all(store, &filter).await.into_iter().map(|row| row.entry).collect();
        assert_eq!(found, given.iter().filter(|entry| fits(entry)).cloned().collect::<Vec<_>>(), "{filter:?}");
    }
}

pub(super) async fn a_chain_of_ten_thousand_entries_holds_over_restarts(fixture: &mut dyn Fixture) {
    for part in 0..4 {
        let store = fixture.store();
        let writes =
            (0..25).map(|batch| append(store, (0..100).map(|n| entry(part * 2500 + batch * 100 + n)).collect()));
        futures::future::join_all(writes).await;
        let link = end(store).await;
        assert_eq!(link.n, (part + 1) * 2500);
        fixture.restart().await;
        assert_eq!(end(fixture.store()).await, link);
    }
    let whole = all(fixture.store(), &AuditFilter::default()).await;
    assert_eq!(whole.last().map(|row| row.hash), Some(end(fixture.store()).await.hash));
    assert_eq!(whole.len(), 10_000);
    assert_eq!(fixture.store().audit_head().await, Ok(end(fixture.store()).await));
}

pub(super) async fn two_writers_at_once_keep_one_chain(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let writer = |from: i64| async move {
        for n in from..from + 200 {
            append(store, vec![entry(n), entry(n)]).await;
        }
    };
    tokio::join!(writer(0), writer(1000));
    assert_eq!(end(store).await.n, 800);
    let subjects: Vec<_> = all(store, &AuditFilter::default()).await.into_iter().map(|row| row.entry.subject).collect();
    assert!(subjects.chunks(2).all(|pair| pair[0] == pair[1]), "what is appended at once stays together");
}

pub(super) async fn a_rare_entry_is_found_beyond_many_others(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let rare = Entry { kind: Kind::KeyRevoked, ..entry(1) };
    append(store, vec![rare.clone()]).await;
    for _ in 0..21 {
        append(store, (0..1000).map(entry).collect()).await;
    }
    let filter = AuditFilter { kinds: vec![Kind::KeyRevoked], ..AuditFilter::default() };
    let page = store.audit(&filter, None, 10).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_some(), "one page looks at a part");
    assert_eq!(all(store, &filter).await.into_iter().map(|row| row.entry).collect::<Vec<_>>(), [rare]);
}

pub(super) async fn what_is_audited_is_written_with_its_entry_or_not_at_all(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let key = ApiKey {
        id: ApiKeyId::from_uuid(Uuid::from_u128(1)),
        name: "key".to_owned(),
        digest: [1; 32],
        scopes: Scopes::of(&[Scope::Read]),
        plan: claw_core::PlanName::default(),
        created_at: at(0),
        revoked_at: None,
    };
    store.add_api_key(key.clone(), entry(1)).await.await.unwrap();
    assert!(store.add_api_key(key.clone(), entry(2)).await.await.is_err());
    assert_eq!(store.revoke_api_key(key.id, at(3), entry(3)).await.await, Ok(true));
    assert_eq!(store.revoke_api_key(key.id, at(4), entry(4)).await.await, Ok(false));
    let noted: Vec<Entry> = all(store, &AuditFilter::default()).await.into_iter().map(|row| row.entry).collect();
    assert_eq!(noted, [entry(1), entry(3)]);
    end(store).await;
}

/// An act on a device leaves its entry if it did anything; a token that grows, one about its scopes.
pub(super) async fn each_act_on_a_device_leaves_its_entry_if_it_did_anything(fixture: &mut dyn Fixture) {
    use super::devices::{READ, WRITE, device, device_id, enrol, token, waiting, wish};
    let store = fixture.store();
    let role = claw_core::Role::Operator;
    assert!(enrol(store, device(1, READ, 5), token(1, 7, READ, 5)).await);
    assert!(!enrol(store, device(1, WRITE, 9), token(1, 8, WRITE, 9)).await, "it has one, which grows");
    assert_eq!(store.rotate_device_token(token(2, 8, READ, 2), entry(2)).await.await, Ok(false));
    assert_eq!(store.rotate_device_token(token(1, 9, READ, 2), entry(3)).await.await, Ok(true));
    assert_eq!(store.revoke_device_token(device_id(1), role, at(4), entry(4)).await.await, Ok(true));
    assert_eq!(store.revoke_device_token(device_id(1), role, at(4), entry(5)).await.await, Ok(false));
    for id in [1, 2] {
        let asked = wish(id, u8::try_from(id).unwrap() + 1, READ, false, 10);
        store.ask_pairing(asked, waiting(9, 0)).await.await.unwrap();
    }
    let (granted, dropped) = (wish(1, 2, READ, false, 10).id, wish(2, 3, READ, false, 10).id);
    for n in [6, 7] {
        assert_eq!(store.approve_pairing(granted, at(0), at(12), entry(n)).await.await.unwrap().is_some(), n == 6);
    }
    for n in [8, 9] {
        assert_eq!(store.claim_device_token(token(2, 1, READ, 13), entry(n)).await.await.unwrap().is_some(), n == 8);
    }
    for n in [10, 11] {
        assert_eq!(store.drop_pairing(dropped, entry(n)).await.await.unwrap().is_some(), n == 10);
    }
    for n in [12, 13] {
        assert_eq!(store.remove_device(device_id(2), entry(n)).await.await, Ok(n == 12));
    }
    let rows = all(store, &AuditFilter::default()).await;
    assert_eq!(rows[1].entry, Entry { kind: Kind::ScopesGrown, ..entry(1) });
    let moments: Vec<i64> = rows.iter().map(|row| row.entry.at.millis() - at(0).millis()).collect();
    assert_eq!(moments, [1, 1, 3, 4, 6, 8, 10, 12]);
    end(store).await;
}

/// Who asked for what, who decided by which door, what came of it: each once, and about one plan.
pub(super) async fn an_approval_leaves_its_entries(fixture: &mut dyn Fixture) {
    use super::approvals::{decide, parked, use_up, wish};
    let store = fixture.store();
    parked(store).await;
    decide(store, 9, Decision::AllowOnce, 5).await;
    decide(store, 9, Decision::Deny, 5).await;
    won(store, 1, 1).await;
    assert_eq!(use_up(store, wish(9, 2)).await, ApprovalUse::Granted);
    assert_eq!(use_up(store, wish(9, 2)).await, ApprovalUse::Refused(ApprovalState::Used));
    let rows = all(store, &AuditFilter { kinds: Kind::matching("approval"), ..AuditFilter::default() }).await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.entry.kind, row.entry.outcome, &*row.entry.actor.name, row.entry.actor.door))
        .collect();
    assert_eq!(
        told,
        [
            (Kind::ApprovalAsked, Outcome::Done, "operator", Door::Run),
            (Kind::ApprovalDecided, Outcome::Allowed, "operator", Door::WebSocket),
            (Kind::ApprovalClosed, Outcome::Used, "gateway", Door::Run),
        ]
    );
    for row in rows {
        assert_eq!(row.entry.details["plan"], "07".repeat(32));
        assert_eq!((&*row.entry.details["task"], &*row.entry.details["tool"]), (&*id(1).to_string(), "exec"));
        assert!(!format!("{:?}", row.entry).contains("/bin/true"), "the plan itself is not in it");
    }
}

pub(super) async fn a_write_that_breaks_leaves_the_chain_whole(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let key = |n: u128| ApiKey {
        id: ApiKeyId::from_uuid(Uuid::from_u128(n)),
        name: "key".to_owned(),
        digest: [1; 32],
        scopes: Scopes::NONE,
        plan: claw_core::PlanName::default(),
        created_at: at(0),
        revoked_at: None,
    };
    // They share a commit, and all but one of them cannot be.
    let writes = (0..20).map(|n| store.add_api_key(key(n), entry(1)));
    let commits = futures::future::join_all(writes).await;
    let fates = futures::future::join_all(commits).await;
    assert_eq!(fates.iter().filter(|fate| fate.is_ok()).count(), 1);
    append(store, vec![entry(2)]).await;
    assert_eq!(end(store).await.n, 2);
}

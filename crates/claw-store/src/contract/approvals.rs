//! Calls that somebody has to allow first.

use claw_core::approval::{Approval, ApprovalState, Decision, Reason};
use claw_core::run::JournalEntry;
use claw_core::task::TaskState;
use claw_core::{ApprovalId, PrincipalId};

use super::recovery::step;
use super::*;
use crate::{ApprovalUse, Cancelled, Recovered, Resolved, UseApproval};

fn asked(n: u128, task: u128) -> Approval {
    Approval {
        id: ApprovalId::from_uuid(Uuid::from_u128(n)),
        task: id(task),
        round: 0,
        call_id: "a".into(),
        tool: "exec".into(),
        owner: PrincipalId::operator(),
        agent: AgentId::main(),
        session: key("s"),
        shown: "run: /bin/true".into(),
        reason: Reason::Tool,
        digest: [7; 32],
        created_at: at(2),
        expires_at: at(100),
        state: ApprovalState::Pending,
        decided_by: None,
        decided_at: None,
    }
}

fn planned(call: &str) -> JournalEntry {
    JournalEntry { is_planned: true, ..step(call, false) }
}

fn parking(n: u128, attempt: u32, approval: Approval) -> Finish {
    let outcome = Outcome::Parked { approval: Box::new(approval), planned: vec![planned("a"), planned("b")] };
    Finish { has_asked: true, ..end(n, attempt, outcome, 0) }
}

/// Task 1 in session `s`, parked for approval 9.
pub(super) async fn parked(store: &dyn Store) -> Finished {
    submit(store, task(1, "s")).await;
    won(store, 1, 0).await;
    finish(store, parking(1, 1, asked(9, 1))).await
}

pub(super) async fn decide(store: &dyn Store, n: u128, decision: Decision, moment: i64) -> Resolved {
    let approval = asked(n, 1).id;
    store.resolve_approval(approval, id(1), decision, operator(), at(moment)).await.await.unwrap()
}

pub(super) fn wish(n: u128, attempt: u32) -> UseApproval {
    let Approval { id: approval, digest, .. } = asked(n, 1);
    UseApproval { id: approval, task: id(1), attempt, digest, entry: step("a", false), at: at(6) }
}

pub(super) async fn use_up(store: &dyn Store, wish: UseApproval) -> ApprovalUse {
    store.use_approval(wish).await.await.unwrap()
}

async fn state_of(store: &dyn Store, n: u128) -> ApprovalState {
    store.approval(asked(n, 1).id, &Visibility::All).await.unwrap().unwrap().state
}

pub(super) async fn a_parked_task_waits_and_has_not_failed(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let parked = parked(store).await;
    submit(store, task(2, "s")).await;
    let next = parked.next.unwrap();
    assert_eq!((next.id, next.not_before, next.attempt), (id(1), at(100), 1));
    let task = read(store, 1).await;
    assert_eq!(task.state, TaskState::Queued { not_before: at(100) });
    assert_eq!((task.failures, task.crashes, task.waits_for), (0, 0, Some(asked(9, 1).id)));
    assert_eq!(store.approval(asked(9, 1).id, &Visibility::All).await, Ok(Some(asked(9, 1))));
    assert_eq!(start(store, 2, 0).await, Started::SessionBusy, "the session waits (G5)");
    let again = won(store, 1, 1).await;
    assert_eq!((again.resumes, again.journal.len()), (Some(asked(9, 1).id), 2));
    assert_eq!(read(store, 1).await.waits_for, None);
    complete(store, 1, 2, 100_000).await;
    won(store, 2, 0).await;
}

pub(super) async fn the_first_decision_counts_and_makes_the_task_due(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    parked(store).await;
    let allowed = Approval {
        state: ApprovalState::Allowed,
        decided_by: Some("operator".into()),
        decided_at: Some(at(5)),
        ..asked(9, 1)
    };
    let Resolved::Done { approval, ticket } = decide(store, 9, Decision::AllowOnce, 5).await else { panic!() };
    assert_eq!((*approval, ticket.map(|due| (due.id, due.not_before))), (allowed.clone(), Some((id(1), at(5)))));
    assert_eq!(decide(store, 9, Decision::Deny, 6).await, Resolved::Decided(Box::new(allowed.clone())));
    assert_eq!(decide(store, 8, Decision::Deny, 6).await, Resolved::Absent);
    assert_eq!(store.approvals_of(id(1)).await, Ok(vec![allowed]));
    assert_eq!(read(store, 1).await.state, TaskState::Queued { not_before: at(5) });
}

/// Single use, whoever tries at once (advisory 59).
pub(super) async fn of_fifty_uses_one_is_granted(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    parked(store).await;
    decide(store, 9, Decision::AllowOnce, 5).await;
    won(store, 1, 1).await;
    let uses = futures::future::join_all((0..50).map(|_| async { use_up(store, wish(9, 2)).await })).await;
    assert_eq!(uses.iter().filter(|used| **used == ApprovalUse::Granted).count(), 1);
    assert_eq!(uses.iter().filter(|used| **used == ApprovalUse::Refused(ApprovalState::Used)).count(), 49);
    assert_eq!(state_of(store, 9).await, ApprovalState::Used);
    let many = futures::future::join_all((0..50).map(|_| decide(store, 9, Decision::AllowOnce, 7))).await;
    assert!(many.iter().all(|told| matches!(told, Resolved::Decided(_))), "what was used is not allowed again");
    complete(store, 1, 2, 100_000).await;
}

pub(super) async fn adv_59_an_approval_is_for_one_call_of_one_task(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    parked(store).await;
    submit(store, task(2, "elsewhere")).await;
    won(store, 2, 0).await;
    decide(store, 9, Decision::AllowOnce, 5).await;
    let nothing = ApprovalUse::Refused(ApprovalState::Void);
    assert_eq!(use_up(store, UseApproval { task: id(2), attempt: 1, ..wish(9, 1) }).await, nothing);
    assert_eq!(use_up(store, wish(9, 1)).await, ApprovalUse::Lost, "the attempt that asked is over");
    won(store, 1, 1).await;
    assert_eq!(state_of(store, 9).await, ApprovalState::Allowed);
    assert_eq!(use_up(store, UseApproval { digest: [8; 32], ..wish(9, 2) }).await, nothing, "another plan");
    assert_eq!(use_up(store, wish(9, 2)).await, nothing, "and with that it is over");
    complete(store, 1, 2, 100_000).await;
    complete(store, 2, 1, 100_000).await;
}

pub(super) async fn adv_60_what_nobody_decided_in_time_is_denied(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    parked(store).await;
    let Resolved::Decided(late) = decide(store, 9, Decision::AllowOnce, 100).await else { panic!() };
    assert_eq!(late.state, ApprovalState::Expired);
    won(store, 1, 1).await;
    let expired = ApprovalUse::Refused(ApprovalState::Expired);
    assert_eq!(use_up(store, UseApproval { at: at(100), ..wish(9, 2) }).await, expired);
    assert_eq!(use_up(store, wish(9, 2)).await, expired, "also when the clock goes back");
    finish(store, parking(1, 2, asked(10, 1))).await;
    decide(store, 10, Decision::AllowOnce, 5).await;
    won(store, 1, 2).await;
    let late = UseApproval { at: at(100), ..wish(10, 3) };
    assert_eq!(use_up(store, late).await, expired, "what was allowed does not wait for ever either");
    complete(store, 1, 3, 100_000).await;
}

pub(super) async fn a_cancelled_task_voids_what_it_asked(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    parked(store).await;
    let cancelled = store.cancel(id(1), Visibility::All, at(4)).await.await.unwrap();
    assert!(matches!(cancelled, Cancelled::Done { .. }));
    assert_eq!(state_of(store, 9).await, ApprovalState::Void);
    assert!(matches!(decide(store, 9, Decision::AllowOnce, 5).await, Resolved::Decided(_)));
    assert_eq!(read(store, 1).await.waits_for, None);
    store.retry(id(1), Visibility::All, at(5)).await.await.unwrap();
    let again = won(store, 1, 1).await;
    assert_eq!(again.resumes, None);
    assert_eq!(use_up(store, wish(9, 2)).await, ApprovalUse::Refused(ApprovalState::Void));
    finish(store, parking(1, 2, asked(11, 1))).await;
    decide(store, 11, Decision::AllowOnce, 5).await;
    won(store, 1, 2).await;
    let failed = Outcome::Failed { failure: failure(), partial: String::new() };
    finish(store, Finish { has_asked: true, ..end(1, 3, failed, 100_000) }).await;
    assert_eq!(state_of(store, 11).await, ApprovalState::Void, "allowed, and never used");
}

pub(super) async fn a_parked_task_is_there_after_a_death(fixture: &mut dyn Fixture) {
    parked(fixture.store()).await;
    fixture.restart().await;
    let store = fixture.store();
    assert_eq!(store.recover(at(3)).await.await, Ok(Recovered::default()));
    assert_eq!(read(store, 1).await.waits_for, Some(asked(9, 1).id));
    let due = store.due_tickets(None, 9).await.unwrap().items;
    assert_eq!(due.iter().map(|due| (due.id, due.not_before)).collect::<Vec<_>>(), [(id(1), at(100))]);
    decide(store, 9, Decision::AllowOnce, 5).await;
    won(store, 1, 1).await;
    assert_eq!(use_up(store, wish(9, 2)).await, ApprovalUse::Granted);
    fixture.restart().await;
    let store = fixture.store();
    let recovered = store.recover(at(7)).await.await.unwrap();
    assert_eq!(recovered, Recovered { interrupted: 1, ..Recovered::default() }, "it had begun: not repeated (G3)");
}

pub(super) async fn a_question_asked_again_stands(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    parked(store).await;
    won(store, 1, 1).await;
    let again = finish(store, parking(1, 2, asked(9, 1))).await.next.unwrap();
    assert_eq!(again.not_before, at(100), "its ticket came too early");
    won(store, 1, 2).await;
    decide(store, 9, Decision::Deny, 5).await;
    let again = finish(store, parking(1, 3, asked(9, 1))).await.next.unwrap();
    assert_eq!(again.not_before, at(2), "it was decided meanwhile: due at once");
    assert_eq!(state_of(store, 9).await, ApprovalState::Denied);
    assert_eq!(won(store, 1, 3).await.journal.len(), 2);
    complete(store, 1, 4, 100_000).await;
}

pub(super) async fn strangers_words_stay_until_a_new_beginning(fixture: &mut dyn Fixture) {
    submit(fixture.store(), task(1, "s")).await;
    assert!(!won(fixture.store(), 1, 0).await.untrusted);
    assert_eq!(fixture.store().mark_untrusted(id(1), 1).await.await, Ok(true));
    assert_eq!(fixture.store().mark_untrusted(id(1), 7).await.await, Ok(false), "a lost attempt says nothing");
    complete(fixture.store(), 1, 1, 100_000).await;
    fixture.restart().await;
    let store = fixture.store();
    submit(store, task(2, "s")).await;
    assert!(won(store, 2, 0).await.untrusted);
    complete(store, 2, 1, 100_000).await;
    let fresh = SessionId::from_uuid(Uuid::from_u128(77));
    store.rework_session(key("s"), Visibility::All, crate::Rework::Reset(fresh), at(3)).await.await.unwrap();
    submit(store, task(3, "s")).await;
    assert!(!won(store, 3, 0).await.untrusted);
    complete(store, 3, 1, 100_000).await;
    let mut hook = task(4, "s");
    hook.turn.untrusted = true;
    submit(store, hook).await;
    assert!(won(store, 4, 0).await.untrusted, "a hook's own words");
    complete(store, 4, 1, 100_000).await;
}

pub(super) async fn tenants_see_their_own_approvals(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    parked(store).await;
    let own = NewTask { principal: tenant(1), ..task(2, "k") };
    submit(store, own).await;
    won(store, 2, 0).await;
    let of_tenant = Approval { owner: tenant(1).id, session: key("k"), ..asked(10, 2) };
    finish(store, parking(2, 1, of_tenant.clone())).await;
    let sees = Visibility::Owner(tenant(1).id);
    assert_eq!(store.approval(asked(9, 1).id, &sees).await, Ok(None));
    assert_eq!(store.approvals(true, &sees, 9).await, Ok(vec![of_tenant.clone()]));
    assert_eq!(store.approvals(false, &Visibility::All, 9).await, Ok(vec![of_tenant, asked(9, 1)]));
    decide(store, 9, Decision::Deny, 5).await;
    assert_eq!(store.approvals(true, &Visibility::All, 9).await.map(|open| open.len()), Ok(1));
}

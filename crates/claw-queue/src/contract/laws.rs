//! The laws, one function each; its name is the law.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use claw_core::{Lane, Priority};

use super::{Fixture, LEASE, at_most, claim_all, claim_one, due, push, ticket};
use crate::limits::LEASE_MIN;
use crate::{Claim, Depth, Queue, QueueError, Ticket, TicketKind};

const SECOND: Duration = Duration::from_secs(1);
/// Less than any backend may round time to.
const MOMENT: Duration = Duration::from_millis(5);
const RUN: TicketKind = TicketKind::Run;

fn in_lane(subject: u128, lane: Lane) -> Ticket {
    Ticket { lane, ..ticket(subject) }
}

fn with_priority(subject: u128, priority: u8) -> Ticket {
    Ticket { priority: Priority::new(priority).unwrap(), ..ticket(subject) }
}

/// Whether `ready` resolves within a moment.
async fn resolves(ready: impl Future<Output = Result<(), QueueError>>) -> bool {
    matches!(tokio::time::timeout(MOMENT, ready).await, Ok(Ok(())))
}

async fn is_current(queue: &dyn Queue, claim: &Claim) -> bool {
    queue.extend(claim, LEASE).await.unwrap()
}

pub(super) async fn a_ticket_is_claimed_by_one_holder(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    assert_eq!(claim_one(queue).await.ticket, ticket(1));
    assert_eq!(claim_all(queue).await, []);
}

pub(super) async fn higher_priority_goes_first_then_older(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    for (subject, priority) in [(1, 5), (2, 9), (3, 0), (4, 5), (5, 9)] {
        push(queue, with_priority(subject, priority)).await;
    }
    assert_eq!(due(queue).await, [2, 5, 1, 4, 3]);
}

pub(super) async fn lanes_are_served_in_the_order_given(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    let urgent = Ticket { lane: Lane::Long, ..with_priority(1, 9) };
    for ticket in [urgent, in_lane(2, Lane::Standard), in_lane(3, Lane::Interactive)] {
        push(queue, ticket).await;
    }
    let claims = queue.claim(&[Lane::Standard, Lane::Long], at_most(9), LEASE).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.ticket.subject.as_u128()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(due(queue).await, [3]);
    assert_eq!(queue.claim(&[], at_most(9), LEASE).await, Ok(vec![]));
}

pub(super) async fn a_claim_takes_no_more_than_it_asks_for(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    for subject in 1..=5 {
        push(queue, in_lane(subject, if subject == 1 { Lane::Interactive } else { Lane::Standard })).await;
    }
    let claims = queue.claim(&Lane::ALL, at_most(3), LEASE).await.unwrap();
    assert_eq!(claims.len(), 3);
    assert_eq!(due(queue).await, [4, 5]);
}

pub(super) async fn nothing_is_due_before_its_delay(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    queue.push(ticket(1), SECOND * 10).await.unwrap();
    queue.push(ticket(2), SECOND * 5).await.unwrap();
    push(queue, ticket(3)).await;
    assert_eq!(due(queue).await, [3]);
    fixture.pass(SECOND * 5 - MOMENT).await;
    assert_eq!(due(queue).await, [0; 0]);
    fixture.pass(MOMENT * 2).await;
    assert_eq!(due(queue).await, [2]);
    fixture.pass(SECOND * 5).await;
    assert_eq!(due(queue).await, [1]);
}

pub(super) async fn a_waiting_ticket_is_replaced_and_keeps_its_age(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    push(queue, ticket(2)).await;
    push(queue, Ticket { attempt: 2, ..ticket(1) }).await;
    push(queue, in_lane(3, Lane::Interactive)).await;
    queue.push(in_lane(3, Lane::Long), SECOND).await.unwrap();
    let first = claim_all(queue).await;
    assert_eq!(
        first.iter().map(|claim| claim.ticket).collect::<Vec<_>>(),
        [Ticket { attempt: 2, ..ticket(1) }, ticket(2)]
    );
    fixture.pass(SECOND).await;
    assert_eq!(claim_one(queue).await.ticket, in_lane(3, Lane::Long));
}

pub(super) async fn a_ticket_behind_a_claim_waits_for_its_end(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    let newer = Ticket { attempt: 2, lane: Lane::Long, ..ticket(1) };
    push(queue, ticket(1)).await;
    let claim = claim_one(queue).await;
    push(queue, newer).await;
    assert_eq!(claim_all(queue).await, []);
    assert!(is_current(queue, &claim).await);
    assert_eq!(queue.complete(&claim).await, Ok(true));
    assert_eq!(claim_one(queue).await.ticket, newer);
}

/// The boot's look for lost tickets, too late by any step of the ticket's life.
pub(super) async fn a_restored_ticket_never_doubles_one_that_is_held(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    let restore = |attempt| queue.restore(Ticket { attempt, ..ticket(1) }, Duration::ZERO);
    queue.push(ticket(1), SECOND).await.unwrap();
    assert_eq!(restore(1).await, Ok(false));
    assert_eq!(claim_all(queue).await, [], "its delay stands");
    fixture.pass(SECOND).await;
    let claim = claim_one(queue).await;
    assert_eq!((restore(1).await, restore(0).await), (Ok(false), Ok(false)));
    assert_eq!(queue.depth().await, Ok(Depth { claimed: 1, ..Depth::default() }));
    // One that was lost while an older one was worked on waits for its end.
    assert_eq!((restore(2).await, restore(2).await, restore(1).await), (Ok(true), Ok(false), Ok(false)));
    assert_eq!(queue.complete(&claim).await, Ok(true));
    let next = claim_one(queue).await;
    assert_eq!(next.ticket.attempt, 2);
    assert_eq!(queue.complete(&next).await, Ok(true));
    assert_eq!(restore(2).await, Ok(true));
    assert_eq!(claim_one(queue).await.ticket.attempt, 2);
}

pub(super) async fn a_newer_ticket_stands_when_the_older_comes_back(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    let newer = |subject| Ticket { attempt: 2, ..ticket(subject) };
    push(queue, ticket(1)).await;
    push(queue, ticket(2)).await;
    let claims = claim_all(queue).await;
    push(queue, newer(1)).await;
    queue.push(newer(2), LEASE * 2).await.unwrap();

    // One is released for later, yet the newer one is due now.
    assert_eq!(queue.release(&claims[0], LEASE * 9).await, Ok(true));
    assert_eq!(claim_one(queue).await.ticket, newer(1));
    // The other's lease runs out, yet the newer one is due later.
    fixture.pass(LEASE + MOMENT).await;
    assert_eq!(due(queue).await, [1]);
    fixture.pass(LEASE).await;
    let last = claim_all(queue).await.into_iter().map(|claim| claim.ticket).collect::<Vec<_>>();
    assert_eq!(last, [newer(1), newer(2)]);
}

pub(super) async fn a_lease_that_runs_out_makes_the_ticket_due_again_at_its_age(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    let lost = claim_one(queue).await;
    push(queue, ticket(2)).await;
    fixture.pass(LEASE - MOMENT).await;
    let held = queue.depth().await.unwrap();
    assert_eq!((held.due, held.claimed), ([0, 1, 0], 1));
    fixture.pass(MOMENT * 2).await;
    let again = claim_all(queue).await;
    assert_eq!(again.iter().map(|claim| claim.ticket).collect::<Vec<_>>(), [ticket(1), ticket(2)]);
    assert!(!is_current(queue, &lost).await && is_current(queue, &again[0]).await);
}

pub(super) async fn a_renewed_lease_holds(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    let claim = claim_one(queue).await;
    for _ in 0..5 {
        fixture.pass(LEASE - SECOND).await;
        assert_eq!(queue.extend(&claim, LEASE).await, Ok(true));
        assert_eq!(claim_all(queue).await, []);
    }
    assert_eq!(queue.complete(&claim).await, Ok(true));
}

pub(super) async fn a_lease_is_never_shorter_than_its_least(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    let claim = queue.claim(&Lane::ALL, at_most(1), Duration::ZERO).await.unwrap()[0];
    fixture.pass(LEASE_MIN - MOMENT).await;
    assert_eq!(queue.extend(&claim, Duration::ZERO).await, Ok(true));
    fixture.pass(LEASE_MIN - MOMENT).await;
    assert_eq!(queue.complete(&claim).await, Ok(true));
}

pub(super) async fn a_released_ticket_comes_back_behind_the_others(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    let claim = claim_one(queue).await;
    push(queue, ticket(2)).await;
    assert_eq!(queue.release(&claim, Duration::ZERO).await, Ok(true));
    let claims = claim_all(queue).await;
    assert_eq!(claims.iter().map(|claim| claim.ticket).collect::<Vec<_>>(), [ticket(2), ticket(1)]);
    assert_eq!(queue.release(&claims[0], SECOND).await, Ok(true));
    assert_eq!(claim_all(queue).await, []);
    fixture.pass(SECOND).await;
    assert_eq!(due(queue).await, [2]);
}

pub(super) async fn a_late_claim_changes_nothing(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    let late = claim_one(queue).await;
    fixture.pass(LEASE + MOMENT).await;
    // Nobody has claimed it since; late is late all the same.
    refuses(queue, &late).await;
    let current = claim_one(queue).await;
    refuses(queue, &late).await;
    assert_eq!(queue.complete(&current).await, Ok(true));
    refuses(queue, &late).await;
    assert_eq!(queue.depth().await, Ok(Depth::default()));
}

pub(super) async fn a_forged_claim_changes_nothing(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    push(queue, ticket(2)).await;
    let claims = claim_all(queue).await;
    let [one, two] = [claims[0], claims[1]];
    for forged in [
        Claim { lease_id: two.lease_id, ..one },
        Claim { lease_id: 0, ..one },
        Claim { lease_id: u64::MAX, ..one },
        Claim { ticket: ticket(3), ..one },
        Claim { ticket: Ticket { attempt: 7, ..one.ticket }, ..one },
        Claim { ticket: in_lane(1, Lane::Long), ..one },
    ] {
        refuses(queue, &forged).await;
    }
    assert_eq!(queue.complete(&one).await, Ok(true));
    assert_eq!(queue.complete(&two).await, Ok(true));
}

pub(super) async fn a_claim_ends_once(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    let released = claim_one(queue).await;
    assert_eq!(queue.release(&released, Duration::ZERO).await, Ok(true));
    refuses(queue, &released).await;
    let completed = claim_one(queue).await;
    assert_eq!(queue.complete(&completed).await, Ok(true));
    refuses(queue, &completed).await;
    assert_eq!(queue.depth().await, Ok(Depth::default()));
}

async fn refuses(queue: &dyn Queue, claim: &Claim) {
    let before = queue.depth().await.unwrap();
    assert_eq!(queue.extend(claim, LEASE).await, Ok(false), "{claim:?}");
    assert_eq!(queue.release(claim, Duration::ZERO).await, Ok(false), "{claim:?}");
    assert_eq!(queue.complete(claim).await, Ok(false), "{claim:?}");
    assert_eq!(queue.depth().await, Ok(before));
}

pub(super) async fn lease_ids_are_never_the_same_twice(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    let mut seen = BTreeSet::new();
    for round in 0..20 {
        push(queue, ticket(round % 3)).await;
        for claim in claim_all(queue).await {
            assert!(seen.insert(claim.lease_id), "{claim:?}");
            assert_eq!(queue.complete(&claim).await, Ok(true));
        }
    }
    assert_eq!(seen.len(), 20);
}

pub(super) async fn only_a_waiting_ticket_can_be_removed(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    let remove = |subject| async move { queue.remove(RUN, ticket(subject).subject).await.unwrap() };
    assert!(!remove(1).await);
    push(queue, ticket(1)).await;
    assert!(remove(1).await && !remove(1).await);
    queue.push(ticket(1), SECOND).await.unwrap();
    assert!(remove(1).await);
    fixture.pass(SECOND).await;
    assert_eq!(claim_all(queue).await, []);

    push(queue, ticket(1)).await;
    let claim = claim_one(queue).await;
    assert!(!remove(1).await && is_current(queue, &claim).await);
    push(queue, ticket(1)).await;
    assert!(remove(1).await && !remove(1).await);
    assert_eq!(queue.complete(&claim).await, Ok(true));
    assert_eq!(queue.depth().await, Ok(Depth::default()));
}

pub(super) async fn depth_counts_each_ticket_where_it_is(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    assert_eq!(queue.depth().await, Ok(Depth::default()));
    for (subject, lane) in [(1, Lane::Interactive), (2, Lane::Standard), (3, Lane::Standard), (4, Lane::Long)] {
        push(queue, in_lane(subject, lane)).await;
    }
    queue.push(ticket(5), SECOND).await.unwrap();
    assert_eq!(queue.depth().await, Ok(Depth { due: [1, 2, 1], delayed: 1, claimed: 0 }));
    let claims = claim_all(queue).await;
    push(queue, claims[0].ticket).await;
    assert_eq!(queue.depth().await, Ok(Depth { due: [0, 0, 0], delayed: 2, claimed: 4 }));
    queue.complete(&claims[0]).await.unwrap();
    fixture.pass(SECOND).await;
    assert_eq!(queue.depth().await, Ok(Depth { due: [1, 1, 0], delayed: 0, claimed: 3 }));
}

pub(super) async fn no_duration_is_too_long(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    queue.push(ticket(1), Duration::MAX).await.unwrap();
    push(queue, ticket(2)).await;
    let claim = queue.claim(&Lane::ALL, at_most(9), Duration::MAX).await.unwrap()[0];
    assert_eq!(queue.extend(&claim, Duration::MAX).await, Ok(true));
    assert_eq!(queue.release(&claim, Duration::MAX).await, Ok(true));
    assert_eq!(queue.depth().await, Ok(Depth { due: [0; 3], delayed: 2, claimed: 0 }));
    assert!(!resolves(queue.ready(&Lane::ALL)).await);
}

pub(super) async fn ready_is_ready_while_something_is_due(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    assert!(resolves(queue.ready(&Lane::ALL)).await && resolves(queue.ready(&Lane::ALL)).await);
    assert_eq!(due(queue).await, [1]);
    assert!(!resolves(queue.ready(&Lane::ALL)).await);
    assert!(!resolves(queue.ready(&[])).await);
}

pub(super) async fn ready_hears_of_a_push(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    let (mut one, mut two) = (pin!(queue.ready(&Lane::ALL)), pin!(queue.ready(&[Lane::Standard])));
    assert!(!resolves(&mut one).await && !resolves(&mut two).await);
    push(queue, ticket(1)).await;
    assert!(resolves(one).await && resolves(two).await);
}

pub(super) async fn ready_hears_of_the_end_of_a_delay(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    queue.push(ticket(1), SECOND * 60).await.unwrap();
    let mut ready = pin!(queue.ready(&Lane::ALL));
    assert!(!resolves(&mut ready).await);
    // A second one that is due earlier than the one waited for.
    queue.push(ticket(2), SECOND * 2).await.unwrap();
    assert!(!resolves(&mut ready).await);
    fixture.pass(SECOND * 2).await;
    assert!(resolves(ready).await);
    assert_eq!(due(queue).await, [2]);
}

pub(super) async fn ready_hears_of_a_lease_that_ran_out(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    let mut ready = pin!(queue.ready(&Lane::ALL));
    assert!(!resolves(&mut ready).await);
    push(queue, ticket(1)).await;
    // Claimed before the one who waits has looked.
    claim_one(queue).await;
    assert!(!resolves(&mut ready).await);
    fixture.pass(LEASE).await;
    assert!(resolves(ready).await);
    assert_eq!(due(queue).await, [1]);
}

pub(super) async fn ready_hears_of_a_released_and_of_an_uncovered_ticket(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    let claim = claim_one(queue).await;
    let mut ready = pin!(queue.ready(&Lane::ALL));
    assert!(!resolves(&mut ready).await);
    queue.release(&claim, Duration::ZERO).await.unwrap();
    assert!(resolves(ready).await);

    let claim = claim_one(queue).await;
    let mut ready = pin!(queue.ready(&Lane::ALL));
    push(queue, ticket(1)).await;
    assert!(!resolves(&mut ready).await);
    queue.complete(&claim).await.unwrap();
    assert!(resolves(ready).await);
}

pub(super) async fn ready_hears_of_a_lease_made_shorter(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, ticket(1)).await;
    let claim = claim_one(queue).await;
    let mut ready = pin!(queue.ready(&Lane::ALL));
    assert!(!resolves(&mut ready).await);
    queue.extend(&claim, SECOND).await.unwrap();
    fixture.pass(SECOND).await;
    assert!(resolves(ready).await);
}

pub(super) async fn ready_hears_only_its_lanes(fixture: &dyn Fixture) {
    let queue = fixture.queue();
    push(queue, in_lane(1, Lane::Standard)).await;
    let mut ready = pin!(queue.ready(&[Lane::Interactive, Lane::Long]));
    assert!(!resolves(&mut ready).await);
    push(queue, in_lane(2, Lane::Standard)).await;
    assert!(!resolves(&mut ready).await);
    push(queue, in_lane(3, Lane::Long)).await;
    assert!(resolves(ready).await);
}

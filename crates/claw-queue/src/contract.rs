//! The laws of [`Queue`] as tests, for every backend.
//!
//! A backend takes them all with one `contract!` line; [`laws`] says them one by one, [`model`]
//! compares thousands of random steps with a reference of a few lines, [`crowd`] lets many
//! claim at once.

mod crowd;
mod laws;
mod model;

use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;
use claw_core::{Lane, Priority};
use uuid::Uuid;

use crate::{Claim, MemoryQueue, Queue, Ticket, TicketKind};

/// A fresh, empty backend and the clock it goes by.
#[async_trait]
trait Fixture: Send + Sync {
    /// The backend.
    fn queue(&self) -> &dyn Queue;
    /// Lets time pass for it.
    async fn pass(&self, time: Duration);
}

const LEASE: Duration = Duration::from_secs(30);

/// The ticket most laws do not care about further.
fn ticket(subject: u128) -> Ticket {
    Ticket {
        kind: TicketKind::Run,
        subject: Uuid::from_u128(subject),
        attempt: 1,
        lane: Lane::Standard,
        priority: Priority::NORMAL,
    }
}

fn at_most(max: usize) -> NonZeroUsize {
    NonZeroUsize::new(max).unwrap()
}

async fn push(queue: &dyn Queue, ticket: Ticket) {
    queue.push(ticket, Duration::ZERO).await.unwrap();
}

/// Claims whatever is due in any lane.
async fn claim_all(queue: &dyn Queue) -> Vec<Claim> {
    queue.claim(&Lane::ALL, at_most(1_000), LEASE).await.unwrap()
}

/// The only due ticket.
async fn claim_one(queue: &dyn Queue) -> Claim {
    let claims = claim_all(queue).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims[0]
}

/// The subjects of whatever is due, in the order they come.
async fn due(queue: &dyn Queue) -> Vec<u128> {
    claim_all(queue).await.iter().map(|claim| claim.ticket.subject.as_u128()).collect()
}

/// Runs every law on the backend that `$fixture` makes, each in its own test.
macro_rules! contract {
    ($backend:ident, $fixture:expr, one_thread: $one_thread:meta) => {
        mod $backend {
            use super::*;

            contract!(@laws $fixture, $one_thread, [
                a_ticket_is_claimed_by_one_holder,
                higher_priority_goes_first_then_older,
                lanes_are_served_in_the_order_given,
                a_claim_takes_no_more_than_it_asks_for,
                nothing_is_due_before_its_delay,
                a_waiting_ticket_is_replaced_and_keeps_its_age,
                a_ticket_behind_a_claim_waits_for_its_end,
                a_restored_ticket_never_doubles_one_that_is_held,
                a_newer_ticket_stands_when_the_older_comes_back,
                a_lease_that_runs_out_makes_the_ticket_due_again_at_its_age,
                a_renewed_lease_holds,
                a_lease_is_never_shorter_than_its_least,
                a_released_ticket_comes_back_behind_the_others,
                a_late_claim_changes_nothing,
                a_forged_claim_changes_nothing,
                a_claim_ends_once,
                lease_ids_are_never_the_same_twice,
                only_a_waiting_ticket_can_be_removed,
                depth_counts_each_ticket_where_it_is,
                no_duration_is_too_long,
                ready_is_ready_while_something_is_due,
                ready_hears_of_a_push,
                ready_hears_of_the_end_of_a_delay,
                ready_hears_of_a_lease_that_ran_out,
                ready_hears_of_a_released_and_of_an_uncovered_ticket,
                ready_hears_of_a_lease_made_shorter,
                ready_hears_only_its_lanes,
            ]);

            #[$one_thread]
            async fn a_reference_of_a_few_lines_does_the_same() {
                for seed in 0..40 {
                    model::run(&$fixture, seed, 1_000).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn a_crowd_gets_every_ticket_once() {
                crowd::run(std::sync::Arc::new($fixture)).await;
            }
        }
    };
    (@laws $fixture:expr, $one_thread:meta, [$($law:ident,)*]) => {$(
        #[$one_thread]
        async fn $law() {
            laws::$law(&$fixture).await;
        }
    )*};
}

contract!(memory, Memory(MemoryQueue::default()), one_thread: tokio::test(start_paused = true));

/// The in-process backend goes by tokio's clock, paused.
struct Memory(MemoryQueue);

#[async_trait]
impl Fixture for Memory {
    fn queue(&self) -> &dyn Queue {
        &self.0
    }

    async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
    }
}

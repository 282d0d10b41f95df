//! Many push and many claim at the same time, on real threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claw_core::Lane;
use claw_runtime::TaskScope;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Fixture, LEASE, at_most, push, ticket};
use crate::{Depth, Ticket};

const PUSHERS: u128 = 4;
const CLAIMERS: usize = 4;
const TICKETS_EACH: u128 = 1_000;
const TICKETS: usize = (PUSHERS * TICKETS_EACH) as usize;

/// Every ticket is claimed exactly once, and no wake-up is missed: a claimer that sleeps while
/// something is due would hang here until the time is up.
pub(super) async fn run(fixture: Arc<dyn Fixture>) {
    let scope = TaskScope::new();
    let times_claimed = Arc::new(Mutex::new(BTreeMap::<u128, usize>::new()));
    let left = Arc::new(AtomicUsize::new(TICKETS));
    let claimers: Vec<_> = (0..CLAIMERS)
        .map(|_| {
            let (fixture, times_claimed, left) = (fixture.clone(), times_claimed.clone(), left.clone());
            scope.spawn(
                |end| async move { end.run_until_cancelled(claim(&*fixture, &times_claimed, &left, &end)).await },
            )
        })
        .collect();
    for pusher in 0..PUSHERS {
        let fixture = fixture.clone();
        drop(scope.spawn(move |_| async move {
            for subject in pusher * TICKETS_EACH..(pusher + 1) * TICKETS_EACH {
                let lane = Lane::ALL[(subject % 3) as usize];
                push(fixture.queue(), Ticket { lane, ..ticket(subject) }).await;
                tokio::task::yield_now().await;
            }
        }));
    }
    for claimer in claimers {
        timeout(Duration::from_secs(60), claimer).await.expect("a wake-up was missed").unwrap();
    }
    assert_eq!(scope.close(Duration::from_secs(5)).await, 0);
    let times_claimed = times_claimed.lock().unwrap().clone();
    assert_eq!(times_claimed.len(), TICKETS);
    assert!(times_claimed.values().all(|times| *times == 1));
    assert_eq!(fixture.queue().depth().await, Ok(Depth::default()));
}

async fn claim(
    fixture: &dyn Fixture,
    times_claimed: &Mutex<BTreeMap<u128, usize>>,
    left: &AtomicUsize,
    end: &CancellationToken,
) {
    let queue = fixture.queue();
    while left.load(Ordering::SeqCst) > 0 {
        queue.ready(&Lane::ALL).await.unwrap();
        for claim in queue.claim(&Lane::ALL, at_most(7), LEASE).await.unwrap() {
            *times_claimed.lock().unwrap().entry(claim.ticket.subject.as_u128()).or_default() += 1;
            assert_eq!(queue.complete(&claim).await, Ok(true));
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                end.cancel();
            }
        }
    }
}

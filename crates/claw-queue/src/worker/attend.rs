//! One claim from its start to its end: the handler runs, the lease is renewed, the ticket is
//! put down.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use claw_runtime::failpoint;
use futures::FutureExt;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::slots::Slot;
use super::{Shared, Verdict, no_answer};
use crate::Claim;

/// Runs the handler on a claim and puts its ticket down as the handler says.
pub(super) async fn attend(
    shared: Arc<Shared>,
    claim: Claim,
    claimed_at: Instant,
    slot: Slot,
    shutdown: CancellationToken,
) {
    failpoint::pass("queue.after_claim");
    let cancel = CancellationToken::new();
    let work = AssertUnwindSafe(shared.handler.handle(&claim, cancel.clone())).catch_unwind();
    let outcome = tokio::select! {
        outcome = work => outcome,
        never = watch_over(&shared, &claim, claimed_at, &cancel, &shutdown) => match never {},
    };
    let verdict = outcome.unwrap_or_else(|panic| {
        shared.slots.count_panic();
        let subject = claim.ticket.subject;
        tracing::error!(ticket.subject = %subject, "the handler of {subject} panicked: {}", message_of(&*panic));
        Verdict::Again(shared.settings.panic_delay)
    });
    put_down(&shared, &claim, verdict).await;
    drop(slot);
}

/// Completes or releases a claim. A failure is only logged: the lease runs out by itself.
pub(super) async fn put_down(shared: &Shared, claim: &Claim, verdict: Verdict) {
    let put_down = async {
        match verdict {
            Verdict::Done => shared.queue.complete(claim).await,
            Verdict::Again(delay) => shared.queue.release(claim, delay).await,
        }
    };
    let subject = claim.ticket.subject;
    match timeout(shared.lease(), put_down).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => tracing::debug!(ticket.subject = %subject, "the claim on {subject} had ended before its work"),
        Ok(Err(error)) => tracing::warn!(ticket.subject = %subject, %error, "cannot put {subject} down: {error}"),
        Err(_too_late) => tracing::warn!(ticket.subject = %subject, "cannot put {subject} down: no answer"),
    }
}

/// Renews the lease for as long as it is polled; cancels the handler when the lease is lost, or
/// when a shutdown has given it its time.
async fn watch_over(
    shared: &Shared,
    claim: &Claim,
    claimed_at: Instant,
    cancel: &CancellationToken,
    shutdown: &CancellationToken,
) -> Infallible {
    let renewed = async {
        keep(shared, claim, claimed_at).await;
        shared.slots.count_lease_lost();
        let subject = claim.ticket.subject;
        tracing::warn!(ticket.subject = %subject, "the lease on {subject} was lost, its handler is told to stop");
        cancel.cancel();
    };
    let drained = async {
        shutdown.cancelled().await;
        sleep(shared.settings.drain).await;
        cancel.cancel();
    };
    futures::future::join(renewed, drained).await;
    std::future::pending().await
}

/// Renews the lease at every third of its time; returns when it is lost or has run out.
async fn keep(shared: &Shared, claim: &Claim, claimed_at: Instant) {
    let mut held_until = claimed_at + shared.lease();
    while let Ok(Some(renewed_until)) = timeout_at(held_until, renew(shared, claim)).await {
        held_until = renewed_until;
    }
}

/// Renews the lease once it is time, and tries until the backend has answered.
///
/// Returns the end of the new lease, `None` when the claim is no longer current.
async fn renew(shared: &Shared, claim: &Claim) -> Option<Instant> {
    let lease = shared.lease();
    let mut wait = lease / 3;
    loop {
        sleep(wait).await;
        let asked_at = Instant::now();
        let answer = timeout(lease / 3, shared.queue.extend(claim, lease)).await;
        match answer.unwrap_or_else(|_late| Err(no_answer())) {
            Ok(current) => return current.then(|| asked_at + lease),
            Err(error) => tracing::debug!(%error, "cannot renew a lease, trying again: {error}"),
        }
        wait = lease / 12;
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

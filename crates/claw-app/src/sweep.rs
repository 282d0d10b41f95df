//! Finds work that lost its ticket, and forgets what is old or deleted.

use std::sync::Arc;

use claw_store::StoreError;
use tokio::time::{Instant, interval};

use crate::engine::Engine;
use crate::limits::{EXPIRE_EVERY, IDEMPOTENCY_WINDOW, REBUILD_PAGE, SWEEP_EVERY};

/// Rebuilds the queue, then looks again for as long as the app lives.
pub(crate) async fn run(engine: &Arc<Engine>) {
    let mut looks = interval(SWEEP_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_first = true;
    let mut expired_at: Option<Instant> = None;
    loop {
        looks.tick().await;
        let swept = async {
            if is_first || is_lost(engine).await? {
                let tickets = rebuild(engine).await?;
                is_first = false;
                if tickets > 0 {
                    tracing::info!(tickets, "{tickets} waiting tasks have their tickets again");
                }
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = swept.await {
            tracing::warn!("the sweeper could not read the store: {error}");
        }
        if expired_at.is_none_or(|at| at.elapsed() >= EXPIRE_EVERY) {
            expired_at = Some(Instant::now());
            expire(engine).await;
            engine.erase().await;
        }
    }
}

/// Whether tasks wait although no ticket does: cheap to see, and exact enough, because every
/// ticket's end issues the next one.
async fn is_lost(engine: &Engine) -> Result<bool, StoreError> {
    let Ok(depth) = engine.queue.depth().await else { return Ok(false) };
    let tickets = depth.due.iter().sum::<usize>() + depth.delayed + depth.claimed;
    Ok(tickets == 0 && engine.store.counts().await?.queued > 0)
}

/// Issues the ticket of every task that is first in its session, unless it has one: since the page was read
/// a task may have got its ticket, and be running.
async fn rebuild(engine: &Engine) -> Result<u64, StoreError> {
    let (mut from, mut tickets) = (None, 0);
    loop {
        let page = engine.store.due_tickets(from, REBUILD_PAGE).await?;
        for due in page.items {
            tickets += u64::from(engine.issue_once(due).await);
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(tickets),
        }
        tokio::task::yield_now().await;
    }
}

async fn expire(engine: &Engine) {
    let now = engine.clock.now();
    let window = i64::try_from(IDEMPOTENCY_WINDOW.as_millis()).unwrap_or(i64::MAX);
    let before = claw_core::Timestamp::from_millis(now.millis().saturating_sub(window));
    match engine.store.expire(before).await.await {
        Ok(0) => {}
        Ok(keys) => tracing::info!(keys, "{keys} idempotency keys were forgotten after a day"),
        Err(error) => tracing::warn!("old idempotency keys could not be forgotten: {error}"),
    }
    match engine.keeper.expire().await {
        Ok(0) => {}
        Ok(memories) => tracing::info!(memories, "{memories} memories were older than memory.retention and are gone"),
        Err(error) => tracing::warn!("old memories could not be forgotten: {error}"),
    }
}

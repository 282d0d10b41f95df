use claw_core::provider::{ModelEvent, ModelInfo, ModelRequest, ProviderError};
use futures::stream::BoxStream;

use super::*;

struct Nobody;

impl Provider for Nobody {
    fn id(&self) -> &str {
        "ops"
    }
    fn models(&self) -> Vec<ModelInfo> {
        Vec::new()
    }
    fn stream(&self, _: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        Box::pin(futures::stream::empty())
    }
}

fn executor(concurrent_max: usize) -> Executor {
    Executor::new(Arc::new(Nobody), "main", concurrent_max)
}

fn open(gates: &Gates) -> usize {
    gates.states().first().unwrap().open
}

/// A19: the limit is found out by being turned away, and tried again after a row of successes.
#[tokio::test(start_paused = true)]
async fn a_limit_is_found_by_being_turned_away_and_won_back_by_success() {
    let (gates, executor) = (Gates::default(), executor(10));
    let mut passes: Vec<Pass> = (0..10).map(|_| gates.try_enter(&executor).unwrap()).collect();
    assert_eq!(gates.try_enter(&executor).err(), Some(Full(EXECUTOR_WAIT_DEFAULT)));
    for refused in passes.drain(3..) {
        assert_eq!(refused.turned_away(Some(Duration::from_secs(2))), Duration::from_secs(2));
    }
    assert_eq!(open(&gates), 3);
    passes.clear();
    assert_eq!(gates.try_enter(&executor).err(), Some(Full(Duration::from_secs(2))), "nobody goes before the time");
    tokio::time::advance(Duration::from_secs(2)).await;
    for _ in 0..3 * TAKEN_TO_WIDEN {
        gates.try_enter(&executor).unwrap().taken();
    }
    assert_eq!(open(&gates), 4);
    for _ in 0..1000 {
        gates.try_enter(&executor).unwrap().taken();
    }
    assert_eq!(open(&gates), 10, "never more than is configured");
}

#[tokio::test(start_paused = true)]
async fn one_place_always_stays_and_the_configuration_may_change() {
    let (gates, wide) = (Gates::default(), executor(4));
    for _ in 0..9 {
        let pass = gates.try_enter(&wide).unwrap();
        pass.turned_away(None);
        tokio::time::advance(EXECUTOR_WAIT_DEFAULT).await;
    }
    assert_eq!(open(&gates), 1);
    gates.adopt(&[executor(8)]);
    assert_eq!((open(&gates), gates.states().first().unwrap().concurrent_max), (1, 8), "what was found out stays");
    let fresh = Gates::default();
    drop(fresh.try_enter(&wide).unwrap());
    let one = executor(1);
    fresh.adopt(std::slice::from_ref(&one));
    let _inside = fresh.try_enter(&one).unwrap();
    assert!(fresh.try_enter(&one).is_err());
    assert!(fresh.try_enter(&wide).is_err(), "whoever waited since before the change does not undo it");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_enters_when_somebody_leaves() {
    let (gates, executor) = (Gates::default(), executor(1));
    let inside = gates.try_enter(&executor).unwrap();
    let (entered, ()) = tokio::join!(gates.enter(&executor), async {
        tokio::task::yield_now().await;
        drop(inside);
    });
    assert_eq!(gates.states().first().unwrap().running, 1);
    drop(entered);
    assert_eq!(gates.states().first().unwrap().running, 0);
}

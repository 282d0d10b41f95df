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

/// Another one each time.
fn task() -> TaskId {
    TaskId::new(&claw_runtime::SystemIds)
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
    let two = Duration::from_secs(2);
    for refused in passes.drain(3..) {
        assert_eq!(refused.turned_away(task(), Some(two)), Away { wait: two, is_own: false });
    }
    assert_eq!(open(&gates), 3);
    passes.clear();
    assert_eq!(gates.try_enter(&executor).err(), Some(Full(Duration::from_secs(2))), "nobody goes before the time");
    tokio::time::advance(Duration::from_secs(2)).await;
    for _ in 0..3 * TAKEN_TO_WIDEN {
        gates.try_enter(&executor).unwrap().taken(task());
    }
    assert_eq!(open(&gates), 4);
    for _ in 0..1000 {
        gates.try_enter(&executor).unwrap().taken(task());
    }
    assert_eq!(open(&gates), 10, "never more than is configured");
}

#[tokio::test(start_paused = true)]
async fn one_place_always_stays_and_the_configuration_may_change() {
    let (gates, wide) = (Gates::default(), executor(4));
    for _ in 0..9 {
        let pass = gates.try_enter(&wide).unwrap();
        pass.turned_away(task(), None);
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

/// One that is turned away whatever room there is takes none from the others, and asks less and less.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_always_turned_away_waits_alone_and_for_longer() {
    let (gates, executor) = (Gates::default(), executor(3));
    let (hopeless, second) = (task(), Duration::from_secs(1));
    let away = |wait, is_own| Away { wait, is_own };
    assert_eq!(gates.try_enter(&executor).unwrap().turned_away(hopeless, None), away(second, false), "it may be full");
    assert_eq!(open(&gates), 2);
    let mut waits = Vec::new();
    for _ in 0..9 {
        tokio::time::advance(Duration::from_mins(1)).await;
        let others = [gates.try_enter(&executor).unwrap(), gates.try_enter(&executor).unwrap()];
        others.iter().for_each(|other| other.taken(task()));
        drop(others);
        let Away { wait, is_own } = gates.try_enter(&executor).unwrap().turned_away(hopeless, None);
        assert!(is_own && gates.try_enter(&executor).is_ok(), "nobody else waits for it");
        waits.push(wait.as_secs());
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60, 60]);
    assert_eq!(open(&gates), 3, "it takes no place away");
    // With more on there than ever were taken it may be full after all.
    let all: Vec<Pass> = (0..3).map(|_| gates.try_enter(&executor).unwrap()).collect();
    assert!(!all[2].turned_away(hopeless, None).is_own);
    assert_eq!(open(&gates), 2);
}

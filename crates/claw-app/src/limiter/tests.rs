//! The limits by a clock that a test decides about.

use std::sync::Barrier;

use claw_core::{ApiKeyId, Scope, Scopes};
use claw_testkit::FakeClock;
use proptest::prelude::*;

use super::*;

const fn quota(requests_per_minute: u32, concurrent_max: u32) -> Quota {
    Quota { requests_per_minute, concurrent_max }
}

fn limiter(operator: Quota, api_keys: Quota) -> (Limiter, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::default());
    (Limiter::new(Quotas { operator, api_keys }, Arc::clone(&clock) as _), clock)
}

fn key(number: u128) -> Principal {
    let id = PrincipalId::api_key(ApiKeyId::from_uuid(uuid::Uuid::from_u128(number)));
    Principal { id, scopes: Scopes::of(&[Scope::Write]) }
}

fn operator() -> Principal {
    Principal::operator()
}

#[test]
fn the_defaults_are_the_api_references_numbers() {
    // C45, C46.
    assert_eq!(Quotas::default().operator, quota(100, 10));
    assert_eq!(Quotas::default().api_keys, quota(100, 10));
}

#[test]
fn the_request_after_the_last_of_a_minute_is_refused_and_told_truly_when_to_come_back() {
    let (limiter, clock) = limiter(Quota::default(), Quota::default());
    for left in (0..100).rev() {
        let standing = limiter.admit(&operator(), Claim::ONE).unwrap().standing().unwrap();
        assert_eq!((standing.limit, standing.remaining), (100, left));
    }
    clock.advance(Duration::from_millis(2_500));
    let refused = limiter.admit(&operator(), Claim::ONE).unwrap_err();
    let wait = Duration::from_millis(57_500);
    assert_eq!(refused.excess, Excess::Rate { limit: 100, wait });
    assert_eq!(refused.standing, Some(Standing { limit: 100, remaining: 0, reset: wait }));
    assert_eq!(refused.to_string(), "this key may have 100 answers generated in a minute, and has; try again in 58 s");
    clock.advance(wait - Duration::from_millis(1));
    assert!(limiter.admit(&operator(), Claim::ONE).is_err(), "not before");
    clock.advance(Duration::from_millis(1));
    let standing = limiter.admit(&operator(), Claim::ONE).unwrap().standing().unwrap();
    assert_eq!(standing.remaining, 99, "refused requests are not counted");
}

#[test]
fn what_was_asked_for_in_different_seconds_comes_back_one_after_the_other() {
    let (limiter, clock) = limiter(quota(2, 0), Quota::NONE);
    drop(limiter.admit(&operator(), Claim::ONE).unwrap());
    clock.advance(Duration::from_secs(20));
    let standing = limiter.admit(&operator(), Claim::ONE).unwrap().standing().unwrap();
    assert_eq!(standing, Standing { limit: 2, remaining: 0, reset: Duration::from_secs(40) });
    clock.advance(Duration::from_secs(40));
    drop(limiter.admit(&operator(), Claim::ONE).unwrap());
    let refused = limiter.admit(&operator(), Claim::ONE).unwrap_err();
    assert_eq!(refused.retry_after(), Duration::from_secs(20));
}

#[test]
fn the_place_of_the_last_answer_at_once_is_free_when_its_pass_is_dropped() {
    let (limiter, _clock) = limiter(quota(0, 10), Quota::NONE);
    let mut passes: Vec<Pass> = (0..10).map(|_| limiter.admit(&operator(), Claim::ONE).unwrap()).collect();
    let refused = limiter.admit(&operator(), Claim::ONE).unwrap_err();
    assert_eq!(refused, Refusal { excess: Excess::Concurrent { limit: 10 }, standing: None });
    let mut held = passes.pop().unwrap();
    let place = held.take_place();
    drop(held);
    assert!(limiter.admit(&operator(), Claim::ONE).is_err(), "whoever holds the place keeps it");
    drop(place);
    passes.push(limiter.admit(&operator(), Claim::ONE).unwrap());
    assert!(limiter.admit(&operator(), Claim::ONE).is_err());
}

#[test]
fn a_request_that_found_no_place_is_not_charged() {
    let (limiter, _clock) = limiter(quota(5, 1), Quota::NONE);
    let pass = limiter.admit(&operator(), Claim::ONE).unwrap();
    for _ in 0..20 {
        let refused = limiter.admit(&operator(), Claim::ONE).unwrap_err();
        assert_eq!(refused.excess, Excess::Concurrent { limit: 1 });
        assert_eq!(refused.standing.unwrap().remaining, 4);
    }
    drop(pass);
    assert_eq!(limiter.admit(&operator(), Claim::ONE).unwrap().standing().unwrap().remaining, 3);
}

#[test]
fn several_answers_are_admitted_together_or_not_at_all() {
    let (limiter, _clock) = limiter(quota(6, 3), Quota::NONE);
    let one = limiter.admit(&operator(), Claim::ONE).unwrap();
    let refused = limiter.admit(&operator(), Claim::several(3)).unwrap_err();
    assert_eq!(refused.excess, Excess::Concurrent { limit: 3 });
    let mut both = limiter.admit(&operator(), Claim::several(2)).unwrap();
    assert_eq!(both.standing().unwrap().remaining, 3);
    assert_eq!(limiter.admit(&operator(), Claim::LATER).unwrap().standing().unwrap().remaining, 2);
    let taken = both.take_place();
    drop((one, both));
    assert!(limiter.admit(&operator(), Claim::several(3)).is_err(), "one of them goes on");
    drop(taken);
    let refused = limiter.admit(&operator(), Claim::several(3)).unwrap_err();
    assert!(matches!(refused.excess, Excess::Rate { limit: 6, .. }), "{refused:?}");
    let refused = limiter.admit(&operator(), Claim::several(4)).unwrap_err();
    assert_eq!(refused.excess, Excess::Beyond { limit: 3, asked: 4, within: "at once" });
    assert!(limiter.admit(&operator(), Claim::several(2)).is_ok());
}

#[test]
fn a_refused_request_keeps_no_place() {
    let (limiter, clock) = limiter(quota(1, 1), Quota::NONE);
    drop(limiter.admit(&operator(), Claim::ONE).unwrap());
    assert!(limiter.admit(&operator(), Claim::ONE).is_err());
    clock.advance(Duration::from_secs(60));
    assert!(limiter.admit(&operator(), Claim::ONE).is_ok());
}

#[test]
fn one_key_does_not_use_up_anothers() {
    let (limiter, _clock) = limiter(quota(3, 0), quota(1, 0));
    drop(limiter.admit(&key(1), Claim::ONE).unwrap());
    assert!(limiter.admit(&key(1), Claim::ONE).is_err());
    assert!(limiter.admit(&key(2), Claim::ONE).is_ok());
    assert!((0..3).all(|_| limiter.admit(&operator(), Claim::ONE).is_ok()));
    assert!(limiter.admit(&operator(), Claim::ONE).is_err());
}

#[test]
fn zero_is_no_limit_and_costs_no_memory() {
    let (limiter, _clock) = limiter(Quota::NONE, Quota::NONE);
    let passes: Vec<Pass> = (0..10_000).map(|_| limiter.admit(&operator(), Claim::ONE).unwrap()).collect();
    assert!(passes.iter().all(|pass| pass.standing().is_none()));
    assert_eq!(limiter.len(), 0);
}

#[test]
fn other_quotas_count_from_the_next_request_on() {
    let (limiter, clock) = limiter(quota(100, 0), Quota::NONE);
    let passes: Vec<Pass> = (0..50).map(|_| limiter.admit(&operator(), Claim::ONE).unwrap()).collect();
    limiter.adopt(Quotas { operator: quota(20, 0), api_keys: Quota::NONE });
    assert_eq!(limiter.admit(&operator(), Claim::ONE).unwrap_err().standing.unwrap().remaining, 0);
    limiter.adopt(Quotas { operator: quota(0, 50), api_keys: Quota::NONE });
    assert_eq!(limiter.admit(&operator(), Claim::ONE).unwrap_err().excess, Excess::Concurrent { limit: 50 });
    drop(passes);
    assert!(limiter.admit(&operator(), Claim::ONE).is_ok());
    limiter.adopt(Quotas { operator: quota(20, 0), api_keys: Quota::NONE });
    clock.advance(Duration::from_secs(60));
    assert_eq!(limiter.admit(&operator(), Claim::ONE).unwrap().standing().unwrap().remaining, 19);
}

#[test]
fn a_clock_that_jumps_locks_nobody_out_for_long() {
    let (limiter, clock) = limiter(quota(1, 0), Quota::NONE);
    drop(limiter.admit(&operator(), Claim::ONE).unwrap());
    clock.set(clock.now().plus(Duration::from_hours(1)));
    drop(limiter.admit(&operator(), Claim::ONE).unwrap());
    clock.set(Timestamp::from_millis(clock.now().millis() - 30_000));
    assert!(limiter.admit(&operator(), Claim::ONE).is_err());
    clock.set(Timestamp::from_millis(clock.now().millis() - 3_600_000));
    assert!(limiter.admit(&operator(), Claim::ONE).is_ok(), "an hour back is no reason to wait an hour");
}

#[test]
fn keys_that_are_quiet_are_forgotten_and_too_many_active_ones_refused() {
    let (limiter, clock) = limiter(Quota::NONE, quota(1, 1));
    let number = u128::try_from(LIMITER_KEYS_MAX).unwrap() + 100;
    let refused: Vec<u128> = (0..number).filter(|number| limiter.admit(&key(*number), Claim::ONE).is_err()).collect();
    let active = limiter.len();
    assert!(active <= LIMITER_KEYS_MAX && refused.len() >= 100, "{active} are active");
    let late = key(refused[0]);
    assert_eq!(limiter.admit(&late, Claim::ONE).unwrap_err().excess, Excess::Keys);
    clock.advance(Duration::from_secs(60));
    assert!(limiter.admit(&late, Claim::ONE).is_ok());
    assert!(limiter.len() < active);
}

#[test]
fn threads_together_get_exactly_what_there_is() {
    let (limiter, _clock) = limiter(quota(1_000, 0), Quota::NONE);
    let barrier = Barrier::new(8);
    let admitted: usize = std::thread::scope(|scope| {
        let work = || {
            barrier.wait();
            (0..500).filter(|_| limiter.admit(&operator(), Claim::ONE).is_ok()).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 1_000);
}

proptest! {
    /// Whatever comes when: no minute, by whole seconds, sees more than the number, and who comes back when he was
    /// told to is let in.
    #[test]
    fn no_minute_sees_more_than_the_number(limit in 1_u32..8, pauses in prop::collection::vec(0_u64..20_000, 1..80)) {
        let (limiter, clock) = limiter(quota(limit, 0), Quota::NONE);
        let mut seen: Vec<i64> = Vec::new();
        for pause in pauses {
            clock.advance(Duration::from_millis(pause));
            if let Err(refused) = limiter.admit(&operator(), Claim::ONE) {
                clock.advance(refused.retry_after());
                prop_assert!(limiter.admit(&operator(), Claim::ONE).is_ok());
            }
            let now = clock.now().seconds();
            seen.push(now);
            let within = seen.iter().filter(|then| now - **then < 60).count();
            prop_assert!(within <= limit as usize);
        }
    }
}

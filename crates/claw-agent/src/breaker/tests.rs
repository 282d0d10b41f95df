//! The breaker under a clock and a chance of the test's own.

use super::*;

const START: Timestamp = Timestamp::from_millis(1_000_000);

fn after(millis: u64) -> Timestamp {
    START.plus(Duration::from_millis(millis))
}

fn unreachable() -> ProviderError {
    ProviderError::Unreachable { provider: "p".into(), cause: "no connection".into() }
}

fn status(status: u16, retry_after: Option<u64>) -> ProviderError {
    let retry_after = retry_after.map(Duration::from_secs);
    ProviderError::Status { provider: "p".into(), status, message: "m".into(), retry_after }
}

/// Breakers whose one source has failed so often, at the start.
fn failed(times: u32, error: &ProviderError) -> Breakers {
    let breakers = Breakers::default();
    for _ in 0..times {
        breakers.failed(0, "m", error, START, 0.0);
    }
    breakers
}

fn wait(breakers: &Breakers, now: Timestamp) -> Option<(u128, Kind)> {
    match breakers.admit(0, "m", now) {
        Admission::Aside(aside) => Some((aside.wait.as_millis(), aside.kind)),
        Admission::Free | Admission::Probe => None,
    }
}

#[test]
fn it_opens_after_failures_in_a_row_and_only_for_that_source_and_model() {
    let breakers = failed(FAILURES_TO_OPEN - 1, &unreachable());
    assert_eq!(breakers.admit(0, "m", START), Admission::Free);
    breakers.failed(0, "m", &unreachable(), START, 0.0);
    assert_eq!(wait(&breakers, START), Some((1000, Kind::Failing)));
    assert_eq!(breakers.admit(1, "m", START), Admission::Free);
    assert_eq!(breakers.admit(0, "other", START), Admission::Free);
}

#[test]
fn failures_far_apart_or_with_a_success_between_do_not_add_up() {
    let breakers = failed(FAILURES_TO_OPEN - 1, &unreachable());
    breakers.failed(0, "m", &unreachable(), after(60_001), 0.0);
    assert_eq!(breakers.admit(0, "m", after(60_001)), Admission::Free);
    let breakers = failed(FAILURES_TO_OPEN - 1, &unreachable());
    breakers.succeeded(0, "m");
    breakers.failed(0, "m", &unreachable(), START, 0.0);
    assert_eq!(breakers.admit(0, "m", START), Admission::Free);
}

#[test]
fn when_the_time_is_over_one_request_probes_and_decides() {
    let breakers = failed(FAILURES_TO_OPEN, &unreachable());
    assert_eq!(wait(&breakers, after(999)), Some((1, Kind::Failing)));
    assert_eq!(breakers.admit(0, "m", after(1000)), Admission::Probe);
    assert_eq!(wait(&breakers, after(1000)), Some((0, Kind::Probed)));
    // A probe that fails opens it again, for longer.
    breakers.failed(0, "m", &unreachable(), after(1000), 1.0);
    assert_eq!(wait(&breakers, after(1000)), Some((3000, Kind::Failing)));
    assert_eq!(breakers.admit(0, "m", after(4000)), Admission::Probe);
    breakers.succeeded(0, "m");
    assert_eq!(breakers.admit(0, "m", after(4000)), Admission::Free);
    assert_eq!(breakers.list(START), vec![]);
}

#[test]
fn a_probe_that_is_given_up_or_never_returns_frees_the_place() {
    let breakers = Arc::new(failed(FAILURES_TO_OPEN, &unreachable()));
    assert_eq!(breakers.admit(0, "m", after(1000)), Admission::Probe);
    drop(Trial::new(Arc::clone(&breakers), 0, "m".into()));
    assert_eq!(breakers.admit(0, "m", after(1000)), Admission::Probe);
    assert_eq!(wait(&breakers, after(2000)), Some((0, Kind::Probed)));
    assert_eq!(breakers.admit(0, "m", after(1000).plus(PROBE_AFTER)), Admission::Probe);
}

#[test]
fn a_refusal_opens_at_once_and_for_as_long_as_was_asked() {
    let table = [
        (status(429, Some(7)), Some((7_000, Kind::Asked))),
        (status(503, Some(7)), Some((7_000, Kind::Asked))),
        (status(429, None), Some((1_000, Kind::Refused))),
        (status(401, None), Some((30_000, Kind::Refused))),
        (status(403, Some(2)), Some((2_000, Kind::Refused))),
        (status(404, None), Some((30_000, Kind::Refused))),
        (status(503, None), None),
        (status(500, None), None),
        // The question's own fault, or nobody's.
        (status(400, None), None),
        (status(422, None), None),
        (ProviderError::Busy { provider: "p".into(), waiting: 3, retry_after: None }, None),
        (ProviderError::Unsupported { provider: "p".into(), cause: "c".into() }, None),
    ];
    for (error, expected) in table {
        assert_eq!(wait(&failed(1, &error), START), expected, "{error}");
    }
    assert_eq!(wait(&failed(1, &status(429, Some(u64::MAX))), START), Some((3_600_000, Kind::Asked)));
}

#[test]
fn what_is_the_questions_fault_never_opens_it() {
    let breakers = failed(100, &status(400, None));
    assert_eq!(breakers.admit(0, "m", START), Admission::Free);
    assert_eq!(breakers.list(START), vec![]);
}

#[test]
fn a_pause_doubles_up_to_its_cap_and_late_failures_do_not_lengthen_it() {
    let breakers = failed(FAILURES_TO_OPEN + 50, &unreachable());
    let mut now = START;
    let mut waits = Vec::new();
    for _ in 0..9 {
        let (wait, _) = wait(&breakers, now).unwrap();
        waits.push(wait);
        now = now.plus(Duration::from_millis(u64::try_from(wait).unwrap()));
        assert_eq!(breakers.admit(0, "m", now), Admission::Probe);
        breakers.failed(0, "m", &unreachable(), now, 1.0);
    }
    assert_eq!(waits, [1000, 3000, 5000, 9000, 17_000, 33_000, 61_000, 61_000, 61_000]);
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_it_open() {
    let breakers = failed(FAILURES_TO_OPEN, &unreachable());
    assert_eq!(breakers.admit(0, "m", Timestamp::from_millis(5)), Admission::Probe);
}

#[test]
fn what_is_open_is_told_with_its_cause() {
    let breakers = failed(FAILURES_TO_OPEN, &unreachable());
    breakers.failed(1, "n", &unreachable(), START, 0.0);
    let mut told = breakers.list(after(400));
    told.sort_by_key(|(source, ..)| *source);
    let cause = "p cannot be reached: no connection".to_owned();
    let open = Position::Open { wait: Duration::from_millis(600) };
    assert_eq!(told, vec![(0, "m".into(), open, cause.clone()), (1, "n".into(), Position::Closed, cause)]);
    assert_eq!(breakers.list(after(1000)).iter().filter(|(.., at, _)| *at == Position::HalfOpen).count(), 1);
}

#[test]
fn invented_names_take_no_more_memory_than_the_limit() {
    let breakers = Breakers::default();
    for number in 0..BREAKERS_MAX + 10 {
        breakers.failed(0, &format!("m{number}"), &status(404, None), START, 0.0);
    }
    assert_eq!(breakers.list(START).len(), BREAKERS_MAX);
    // Later there is room again.
    let later = after(120_000);
    breakers.failed(0, "late", &status(404, None), later, 0.0);
    assert_eq!(breakers.list(later).len(), 1);
}

/// G13: what one caller asked, and the upstream repeats in its error, is told to no other.
#[test]
fn an_upstreams_words_are_not_remembered_for_others() {
    let error = ProviderError::Status {
        provider: "p".into(),
        status: 500,
        message: "cannot parse: my salary is secret".into(),
        retry_after: None,
    };
    let causes: Vec<String> = failed(6, &error).list(START).into_iter().map(|(.., cause)| cause).collect();
    assert_eq!(causes, ["p answered HTTP 500"]);
}

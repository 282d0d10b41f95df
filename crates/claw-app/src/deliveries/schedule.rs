//! When a delivery is tried again, and when it is given up (G7).

use std::time::Duration;

use claw_core::courier::{CourierError, Receipt};

/// The waits between attempts: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h. One attempt more than waits.
const WAITS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
];

/// The most that chance adds to a wait, so that receivers are not met by a crowd.
const JITTER: f64 = 0.1;

/// The longest wait that a receiver can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The status by which a receiver says that it is there no longer.
const GONE: u16 = 410;

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The receiver has it.
    Delivered,
    /// It is to be tried again.
    Again {
        /// After so long.
        after: Duration,
    },
    /// It is given up.
    Dead,
}

/// Judges attempt number `attempt` (from 1); `random` is from 0 up to 1.
///
/// 2xx alone is success. 410 and what the courier refuses to carry end it at once.
pub(super) fn judge(answer: &Result<Receipt, CourierError>, attempt: u32, random: f64) -> Verdict {
    let asked = match answer {
        Ok(Receipt { status: 200..=299, .. }) => return Verdict::Delivered,
        Ok(Receipt { status: GONE, .. }) | Err(CourierError::Refused(_)) => return Verdict::Dead,
        Ok(Receipt { retry_after, .. }) => retry_after.unwrap_or_default().min(RETRY_AFTER_MAX),
        Err(CourierError::Failed(_)) => Duration::ZERO,
    };
    let wait = usize::try_from(attempt).ok().and_then(|attempt| WAITS.get(attempt.saturating_sub(1)));
    match wait {
        None => Verdict::Dead,
        Some(wait) => Verdict::Again { after: asked.max(*wait) + wait.mul_f64(JITTER * random.clamp(0.0, 1.0)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>) -> Result<Receipt, CourierError> {
        Ok(Receipt { status, retry_after: retry_after.map(Duration::from_secs) })
    }

    #[test]
    fn eight_attempts_are_spread_over_a_day_and_then_it_is_given_up() {
        let waits: Vec<_> = (1..9).map(|attempt| judge(&answered(500, None), attempt, 0.0)).collect();
        let after = |seconds| Verdict::Again { after: Duration::from_secs(seconds) };
        let expected = [after(5), after(300), after(1800), after(7200), after(18000), after(36000), after(36000)];
        assert_eq!(waits[..7], expected);
        assert_eq!(waits[7], Verdict::Dead);
        assert_eq!(judge(&answered(500, None), u32::MAX, 0.0), Verdict::Dead);
    }

    #[test]
    fn an_answer_is_judged_by_its_status() {
        for status in [200, 201, 204, 299] {
            assert_eq!(judge(&answered(status, None), 1, 0.0), Verdict::Delivered, "{status}");
        }
        for status in [199, 300, 302, 307, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(judge(&answered(status, None), 1, 0.0), Verdict::Again { .. }), "{status}");
        }
        assert_eq!(judge(&answered(410, Some(1)), 1, 0.0), Verdict::Dead);
        assert_eq!(judge(&Err(CourierError::Refused("x".into())), 1, 0.0), Verdict::Dead);
        assert!(matches!(judge(&Err(CourierError::Failed("x".into())), 1, 0.0), Verdict::Again { .. }));
    }

    #[test]
    fn chance_and_the_receiver_only_lengthen_a_wait() {
        let after = |answer, random| match judge(&answer, 1, random) {
            Verdict::Again { after } => after.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(|random| after(answered(500, None), random)), [5000, 5250, 5500, 5500]);
        assert_eq!(after(answered(503, Some(60)), 0.0), 60_000);
        assert_eq!(after(answered(503, Some(1)), 0.0), 5000);
        assert_eq!(after(answered(429, Some(u64::MAX)), 0.0), 86_400_000);
    }
}

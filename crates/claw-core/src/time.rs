//! Wall-clock time as a value, and the port it comes from.
//!
//! Timers and leases do not use this: they run on the runtime's monotonic clock.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::Offset;

use serde::{Deserialize, Serialize};

/// Tells the wall-clock time; a fake one in tests.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }
    /// The moment of an ISO 8601 text with its offset: `2026-02-16T00:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let moment: jiff::Timestamp = text.parse().ok()?;
        Some(Self(moment.as_millisecond()))
    }
    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// This much later; the far future instead of an overflow.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
    /// Time passed since `earlier`; zero when the clock was set back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// Its month in UTC, up to the first moment of the next one; empty where the calendar has none.
    pub fn month(self) -> Range<Self> {
        let month = || {
            let day = Offset::UTC.to_datetime(jiff::Timestamp::from_millisecond(self.0).ok()?).date();
            let (first, next) = (day.first_of_month(), day.last_of_month().tomorrow().ok()?);
            let begin = |day: jiff::civil::Date| {
                let moment = Offset::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok()?;
                Some(Self(moment.as_millisecond()))
            };
            Some(begin(first)?..begin(next)?)
        };
        month().unwrap_or(self..self)
    }
}

/// ISO 8601 in UTC with milliseconds, as JavaScript prints dates.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_like_javascript_and_is_read_back() {
        assert_eq!(Timestamp::parse("2026-02-16T01:00:00.005+01:00"), Some(Timestamp::from_millis(1_771_200_000_005)));
        assert_eq!(Timestamp::parse("2026-02-16"), None);
        assert_eq!(Timestamp::from_millis(1_771_200_000_005).to_string(), "2026-02-16T00:00:00.005Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_month_ends_where_the_next_one_begins() {
        let moment = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        for (now, first, next) in [
            ("2026-11-21T19:59:04.001Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-12-31T23:59:59.999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            ("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ] {
            assert_eq!(moment(now).month(), moment(first)..moment(next), "{now}");
        }
        let beyond = Timestamp(i64::MAX);
        assert_eq!(beyond.month(), beyond..beyond);
    }

    #[test]
    fn time_never_runs_backwards_or_overflows() {
        let (early, late) = (Timestamp::from_millis(10), Timestamp::from_millis(35));
        assert_eq!(late.since(early), Duration::from_millis(25));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.plus(Duration::MAX).millis(), i64::MAX);
    }
}

//! When a server wants to be asked again.

use std::time::Duration;

use http::header::{AsHeaderName, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};

/// Longest wait that is taken seriously; a longer one counts as this.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long `Retry-After` asks to wait: seconds, or a date (RFC 9110, 10.2.3).
///
/// A date is held against the answer's own `Date`, so that a server whose clock is wrong is
/// understood and ours is not asked. `None` when the header is absent or unreadable, zero for a
/// date that has passed, never more than [`WAIT_MAX`].
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wait = match text(headers, RETRY_AFTER)?.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let (then, now) = (date(headers, RETRY_AFTER)?, date(headers, DATE)?);
            Duration::from_secs(u64::try_from(then.as_second().saturating_sub(now.as_second())).unwrap_or(0))
        }
    };
    Some(wait.min(WAIT_MAX))
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name).map(HeaderValue::to_str)?.ok().map(str::trim)
}

fn date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text(headers, name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        headers.insert(DATE, HeaderValue::from_static("Mon, 16 Feb 2026 00:00:00 GMT"));
        retry_after(&headers)
    }

    #[test]
    fn seconds_and_dates_are_read_and_nonsense_is_not() {
        let table = [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("99999999999", Some(86_400)),
            ("Mon, 16 Feb 2026 00:01:40 GMT", Some(100)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Fri, 31 Dec 9998 23:59:59 GMT", Some(86_400)),
            ("Mon, 16 Feb 2026 25:01:40 GMT", None),
            ("Mon, 99 Feb 2026 00:01:40 GMT", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (text, seconds) in table {
            assert_eq!(wait(text), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn a_date_without_the_servers_own_time_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Mon, 16 Feb 2026 00:01:40 GMT"));
        assert_eq!(retry_after(&headers), None);
    }
}

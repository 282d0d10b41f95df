//! What a failure says about a run that another gateway had.

use std::time::Duration;

use claw_core::provider::{Cut, ProviderError};
use claw_core::{Failure, FailureReason};

use crate::executors::Executor;
use crate::limits::{EXECUTOR_RUN_USUAL, FAILURE_BYTES_MAX};

/// What is the matter where a gateway knows nothing of the route; first-generation ones have it off by default (A4).
const SWITCHED_OFF: &str =
    " (that gateway may have its chat completions switched off: gateway.http.endpoints.chatCompletions.enabled)";

/// Why it gave no answer.
pub(super) enum Fate {
    /// It has too much to do, and may be asked again after so long.
    Busy(Option<Duration>, Failure),
    /// It has certainly not begun.
    NotBegun(Failure),
    /// It may have done something.
    Begun(Failure),
}

impl Fate {
    /// What the journal keeps of it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Busy(_, failure) | Self::NotBegun(failure) | Self::Begun(failure) => failure.message.clone(),
        }
    }
}

/// What an error says about the run.
pub(super) fn fate(error: &ProviderError, executor: &Executor, conversation: &str, after: Duration) -> Fate {
    let failure = |reason, mut message: String| {
        message.truncate(message.floor_char_boundary(FAILURE_BYTES_MAX));
        Failure::new(reason, message)
    };
    match error {
        ProviderError::Status { status: status @ (429 | 503), retry_after, message, .. }
            if *status == 429 || retry_after.is_some() =>
        {
            let words = format!("{} is busy: HTTP {status}: {message}", executor.id());
            Fate::Busy(*retry_after, failure(FailureReason::RateLimited, words))
        }
        ProviderError::Status { status, message, .. } => {
            let reason = match status {
                400 | 413 | 422 => FailureReason::Request,
                _ => FailureReason::Provider,
            };
            let failure = failure(reason, format!("HTTP {status}: {message}{}", hint(*status)));
            if *status == 503 { Fate::NotBegun(failure) } else { Fate::Begun(failure) }
        }
        ProviderError::Unreachable { .. } | ProviderError::Timeout { phase: "connection", .. } => {
            Fate::NotBegun(failure(FailureReason::Provider, error.to_string()))
        }
        ProviderError::Unsupported { .. } => Fate::Begun(failure(FailureReason::Request, error.to_string())),
        ProviderError::Timeout { .. }
        | ProviderError::Interrupted { .. }
        | ProviderError::Busy { .. }
        | ProviderError::SetAside { .. } => {
            Fate::Begun(failure(FailureReason::Provider, cut_off(error, executor.id(), conversation, after)))
        }
    }
}

fn hint(status: u16) -> &'static str {
    if matches!(status, 404 | 405) { SWITCHED_OFF } else { "" }
}

/// What it comes to that a run was cut, where it is not told to go on; nothing where it was done.
pub(super) fn cut_short(cut: Cut, is_over: bool, executor: &Executor) -> Option<ProviderError> {
    let cause = match cut {
        Cut::Limit(said) | Cut::TimedOut(said) => format!("it said: {said}"),
        Cut::Unexplained { .. } if is_over => "the run ended just when its time there was over".to_owned(),
        Cut::Unexplained { has_answered: false } => "the answer ended before it was finished".to_owned(),
        Cut::Unexplained { has_answered: true } => return None,
    };
    Some(ProviderError::Interrupted { provider: executor.id().to_owned(), cause })
}

/// How it was ended, for whoever reads along.
pub(super) fn how(cut: &Cut) -> String {
    match cut {
        Cut::Limit(said) | Cut::TimedOut(said) => said.clone(),
        Cut::Unexplained { .. } => "it ended just when its time there was over".to_owned(),
    }
}

/// What is known of a run that broke off.
fn cut_off(error: &ProviderError, executor: &str, conversation: &str, after: Duration) -> String {
    let seconds = after.as_secs();
    let limit = match after >= EXECUTOR_RUN_USUAL {
        true => ", about the 10 minutes that a V1 gateway gives a run",
        false => "",
    };
    let goes_on = match conversation {
        "" => String::new(),
        key => format!("; its conversation goes on there as {key:?}"),
    };
    format!(
        "{error}, after {seconds} s{limit}; what {} did until then stands, so it is not asked again by itself{goes_on}",
        executor
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A17: the limit of the gateway that had the run is named where it was probably met, and only there.
    #[test]
    fn the_usual_ten_minutes_are_named_where_they_were_met() {
        let error = ProviderError::Interrupted { provider: "home".into(), cause: "the connection broke".into() };
        let said = |seconds| cut_off(&error, "home", "agent:main:v2:main:s", Duration::from_secs(seconds));
        assert_eq!(
            said(601),
            "home broke off: the connection broke, after 601 s, about the 10 minutes that a V1 gateway gives a run; what \
             home did until then stands, so it is not asked again by itself; its conversation goes on there as \
             \"agent:main:v2:main:s\""
        );
        assert!(!said(30).contains("10 minutes"));
    }

    /// A4: off by default there, which no answer of theirs says.
    #[test]
    fn a_gateway_that_knows_nothing_of_the_route_is_told_with_what_may_be_the_matter() {
        assert_eq!(hint(404), SWITCHED_OFF);
        assert_eq!((hint(405), hint(400)), (SWITCHED_OFF, ""));
        assert!(SWITCHED_OFF.contains("gateway.http.endpoints.chatCompletions.enabled"));
    }
}

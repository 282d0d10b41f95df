//! One table from every refusal to what each door says.
//!
//! [`Problem`] is the refusal in the doors' common words: an HTTP status, a code, a message. The
//! tables at the end decide; nothing else in this crate chooses a status or a code.

use std::time::Duration;

use claw_app::Error;
use claw_app::config::Issue;
use claw_app::limiter::{Excess, Refusal};
use claw_core::{Failure, FailureReason, TaskId};
use claw_wire::BadRequest;
use claw_wire::error::FrameError;
use claw_wire::target::Named;
use http::StatusCode;
use serde_json::json;

use crate::auth::Denied;
use crate::auth::border::Turned;
use crate::limits::{COMPLAINT_CHARS_MAX, COMPLAINT_END_CHARS, RETRY_AFTER_DEFAULT};

/// G4's word.
const KEY_REUSE: &str = "idempotency_key_reuse";
/// The code of a run that failed for its provider.
pub(crate) const UPSTREAM: &str = "upstream_error";
/// The field that names an agent, unless the request has done it otherwise: see [`Problem::named`].
const AGENT: &str = "agentId";
/// The one field that names an executor.
const EXECUTOR: &str = "input.executor";
/// The same of a model.
const MODEL: &str = "model";

/// A refusal or failure as a door tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// C39's word, or a more exact one.
    pub(crate) code: &'static str,
    /// Dialect B's word.
    pub(crate) frame_code: &'static str,
    /// For people.
    pub(crate) message: Box<str>,
    /// The field to blame.
    pub(crate) param: Option<Box<str>>,
    /// Whether the same request may succeed later.
    pub(crate) is_retryable: Option<bool>,
    /// When to come back.
    pub(crate) retry_after: Option<Duration>,
    /// The task that goes on (K18), or that stands in the way.
    pub(crate) task: Option<Box<str>>,
    /// What programs need to go on, where that is more than the above.
    pub(crate) details: Option<Box<serde_json::Value>>,
}

impl Problem {
    /// A problem with a code and a message only.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Box<str>>) -> Self {
        let (message, param, is_retryable) = (message.into(), None, None);
        Self {
            status,
            code,
            frame_code: frame_code(status),
            message,
            param,
            is_retryable,
            retry_after: None,
            task: None,
            details: None,
        }
    }
    /// Nothing is served there.
    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such route")
    }
    /// The same request may succeed later.
    fn retryable(self, after: Option<Duration>) -> Self {
        Self { is_retryable: Some(true), retry_after: after, ..self }
    }
    /// The same request will not do better, whatever its status makes clients believe.
    pub(crate) fn settled(self) -> Self {
        Self { is_retryable: Some(false), ..self }
    }
    /// It is this task's.
    fn of_task(self, task: TaskId) -> Self {
        Self { task: Some(task.to_string().into()), ..self }
    }
    /// The same of a run's failure that is kept under an `Idempotency-Key`: asked again, it is told again (G4).
    pub(crate) fn of_run(error: Error, is_replay: bool) -> Self {
        let is_kept = is_replay && matches!(error, Error::Run(_));
        let problem = Self::from(error);
        if is_kept { Self { retry_after: None, ..problem.settled() } } else { problem }
    }
    /// Blames the fields by which the request named its agent and its model.
    pub(crate) fn named(self, by: Named) -> Self {
        let field = match self.param.as_deref() {
            Some(AGENT) => by.agent,
            Some(MODEL) => by.model,
            _ => return self,
        };
        Self { param: Some(field.into()), ..self }
    }
    /// One of the words that C39 has for everything; what it is more exactly, if that says more.
    ///
    /// G4 gives a reused key a word of its own, which stays.
    pub(crate) fn plain_code(&self) -> (&'static str, Option<&'static str>) {
        if self.code == KEY_REUSE {
            return (self.code, None);
        }
        let plain = match self.status.as_u16() {
            401 => "unauthorized",
            403 | 421 => "forbidden",
            404 => "not_found",
            429 => "rate_limited",
            500 => "internal_error",
            501.. => "service_unavailable",
            _ => "invalid_request",
        };
        (plain, (plain != self.code).then_some(self.code))
    }
    /// In dialect B's shape.
    pub(crate) fn to_frame_error(&self) -> FrameError {
        let details = match (&self.task, &self.param) {
            _ if self.details.is_some() => self.details.as_deref().cloned(),
            (Some(task), _) => Some(json!({"code": self.code, "taskId": task})),
            (None, Some(param)) => Some(json!({"code": self.code, "param": param})),
            (None, None) => None,
        };
        FrameError {
            code: self.frame_code,
            message: self.message.to_string(),
            details,
            retryable: self.is_retryable,
            retry_after_ms: self.retry_after.map(millis),
        }
    }
}

/// Dialect B's word for a status.
const fn frame_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400..=402 | 404..=408 | 410..=428 => "INVALID_REQUEST",
        403 => "FORBIDDEN",
        409 => "CONFLICT",
        429 => "RATE_LIMITED",
        504 => "AGENT_TIMEOUT",
        500 => "INTERNAL",
        _ => "UNAVAILABLE",
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a stranger has said is told again only so far: the beginning of a complaint and its end.
fn cut(message: &str) -> Box<str> {
    let mut ends = message.char_indices().map(|(place, _)| place);
    let (head, tail) = (ends.nth(COMPLAINT_CHARS_MAX), ends.nth_back(COMPLAINT_END_CHARS));
    match (head.and_then(|head| message.get(..head)), tail.and_then(|tail| message.get(tail..))) {
        (Some(head), Some(tail)) => format!("{head} … {tail}").into(),
        _ => message.into(),
    }
}

/// What is said of it: what a caller has sent, only so far.
fn told(error: &Error) -> Box<str> {
    match error {
        Error::Invalid { .. } | Error::UnknownModel(_) => cut(&error.to_string()),
        _ => error.to_string().into(),
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = told(&error);
        let new = |status: StatusCode, code: &'static str| Self::new(status, code, message.clone());
        match error {
            Error::Invalid { field, problem: _ } => {
                Self { param: Some(field.into()), ..new(StatusCode::BAD_REQUEST, "invalid_request") }
            }
            Error::NotFound { what, .. } => {
                Self { frame_code: "NOT_FOUND", param: named_by(what), ..new(StatusCode::NOT_FOUND, "not_found") }
            }
            Error::UnknownModel(_) => {
                Self { param: Some(MODEL.into()), ..new(StatusCode::NOT_FOUND, "model_not_found") }
            }
            Error::KeyReused { task } => new(StatusCode::CONFLICT, KEY_REUSE).settled().of_task(task),
            Error::Conflict { task, .. } | Error::TakenUp { task, .. } => {
                new(StatusCode::CONFLICT, "conflict").settled().of_task(task)
            }
            Error::Decided { approval, state } => {
                let details = json!({"code": "APPROVAL_DECIDED", "id": approval.to_string(), "state": state.as_str()});
                Self { details: Some(Box::new(details)), ..new(StatusCode::CONFLICT, "conflict").settled() }
            }
            Error::SessionBusy { runs, .. } => {
                let busy = new(StatusCode::CONFLICT, "session_busy").retryable(None);
                let details = Some(Box::new(json!({"code": "SESSION_BUSY", "activeRunIds": runs})));
                Self { frame_code: "UNAVAILABLE", details, ..busy }
            }
            Error::MainSession(_) => new(StatusCode::BAD_REQUEST, "invalid_request"),
            Error::Forbidden(_) => new(StatusCode::FORBIDDEN, "forbidden"),
            Error::Overloaded { retry_after, .. } => {
                new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable").retryable(Some(retry_after))
            }
            // Waiting makes no room for it.
            Error::Limited(Refusal { excess: Excess::Beyond { .. }, .. }) => {
                Self { param: Some("n".into()), ..new(StatusCode::BAD_REQUEST, "invalid_request").settled() }
            }
            Error::Limited(refusal) => {
                new(StatusCode::TOO_MANY_REQUESTS, "rate_limited").retryable(Some(refusal.retry_after()))
            }
            Error::ConfigChanged { hash } => {
                let details = Some(Box::new(json!({"code": "CONFIG_CHANGED", "hash": hash})));
                Self { frame_code: "INVALID_REQUEST", details, ..new(StatusCode::CONFLICT, "config_changed").settled() }
            }
            Error::ConfigRefused { issues } => {
                let shown = |Issue { path, message }: &Issue| json!({"path": path, "message": message});
                let issues: Vec<_> = issues.iter().map(shown).collect();
                let details = Some(Box::new(json!({"code": "CONFIG_INVALID", "issues": issues})));
                Self { details, ..new(StatusCode::BAD_REQUEST, "config_invalid") }
            }
            Error::ConfigUnavailable(_) => new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable").retryable(None),
            Error::DiskFull => new(StatusCode::INSUFFICIENT_STORAGE, "insufficient_storage").retryable(None),
            Error::Stopping | Error::Store(_) => {
                new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable").retryable(Some(Duration::from_secs(5)))
            }
            Error::Run(failure) => {
                let (status, code, frame_code) = of_failure(&failure);
                let after = failure.retry_after_ms.map(Duration::from_millis);
                Self { frame_code, retry_after: after, is_retryable: Some(failure.is_transient), ..new(status, code) }
            }
            Error::BegunAnew { task, .. } => new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable")
                .retryable(Some(RETRY_AFTER_DEFAULT))
                .of_task(task),
            Error::Cancelled(task) => new(StatusCode::CONFLICT, "cancelled").settled().of_task(task),
            // It goes on: asked again, it would be done twice.
            Error::StillRunning { task, .. } => new(StatusCode::GATEWAY_TIMEOUT, "timeout").settled().of_task(task),
        }
    }
}

/// The field that names such a thing, where requests name it by one.
fn named_by(what: &str) -> Option<Box<str>> {
    match what {
        "agent" => Some(AGENT.into()),
        "executor" => Some(EXECUTOR.into()),
        "tool" => Some("tool".into()),
        _ => None,
    }
}

/// A run's failure, as the status of the answer that was waited for, and its code in dialect B. An upstream's
/// error is never an answer (G8), its own status is not ours to repeat, and C39 has no 502: what passes is a
/// service that is not available, what does not is an error of ours.
const fn of_failure(failure: &Failure) -> (StatusCode, &'static str, &'static str) {
    let (status, code) = match failure.reason {
        FailureReason::Provider if failure.is_transient => (StatusCode::SERVICE_UNAVAILABLE, UPSTREAM),
        FailureReason::Provider => return (StatusCode::INTERNAL_SERVER_ERROR, UPSTREAM, "UNAVAILABLE"),
        FailureReason::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        FailureReason::UnknownModel => (StatusCode::NOT_FOUND, "model_not_found"),
        FailureReason::Request => (StatusCode::BAD_REQUEST, "invalid_request"),
        FailureReason::Limit => (StatusCode::INTERNAL_SERVER_ERROR, "limit_reached"),
        FailureReason::Interrupted | FailureReason::Poisoned | FailureReason::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal_error")
        }
    };
    (status, code, frame_code(status))
}

impl From<BadRequest> for Problem {
    fn from(bad: BadRequest) -> Self {
        let BadRequest { param, message } = bad;
        let param = param.map(|param| cut(&param));
        Self { param, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", cut(&message)) }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let new = |status, code| Self::new(status, code, denied.to_string());
        match denied {
            Denied::Missing
            | Denied::Wrong(_)
            | Denied::Conflicting
            | Denied::Query
            | Denied::NoDevice
            | Denied::Device(_)
            | Denied::NotPaired { .. } => new(StatusCode::UNAUTHORIZED, "unauthorized"),
            Denied::HookQuery => new(StatusCode::BAD_REQUEST, "invalid_request"),
            Denied::Locked(remaining) | Denied::Crowded(remaining) => {
                new(StatusCode::TOO_MANY_REQUESTS, "rate_limited").retryable(Some(remaining))
            }
            Denied::Unavailable => new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable").retryable(None),
        }
    }
}

impl From<Turned> for Problem {
    fn from(turned: Turned) -> Self {
        let (status, code) = match turned {
            Turned::NoHost => (StatusCode::BAD_REQUEST, "invalid_request"),
            Turned::ForeignHost => (StatusCode::MISDIRECTED_REQUEST, "forbidden"),
            Turned::ForeignOrigin => (StatusCode::FORBIDDEN, "forbidden"),
        };
        Self::new(status, code, turned.to_string())
    }
}

#[cfg(test)]
#[path = "error/tests.rs"]
mod tests;

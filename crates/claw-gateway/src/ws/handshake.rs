//! Opens a WebSocket: challenge, then `connect` (dialect B) or any request (dialect C), ready.
//!
//! Pure: frames in, effects out; `opening` and `connection` own the socket and obey. The first frame
//! decides the dialect for good (K3). A second `connect` is refused and the socket stays open, as
//! OpenClaw does.

use std::time::Duration;

use claw_wire::error::FrameError;
use claw_wire::ws::connect::ConnectParams;
use claw_wire::ws::dialect_c;
use claw_wire::ws::frame::{self, BadFrame, FrameId, Request};
use claw_wire::ws::notice::Dialect;
use serde_json::json;

use crate::auth::Denied;
use crate::auth::presented::Form;
use crate::error::millis;

/// The protocols we speak (K4).
pub(crate) const PROTOCOLS: std::ops::RangeInclusive<u32> = 3..=4;
/// What a `connect` without versions is taken for: the contracts' own.
const PROTOCOL_DEFAULT: u32 = 3;

/// Why a socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Close {
    /// RFC 6455's code.
    pub(crate) code: u16,
    /// At most 123 bytes.
    pub(crate) reason: &'static str,
}

/// The last word to a socket that is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// An answer to send before, when there is something to answer.
    pub(crate) answer: Option<String>,
    /// How to close then.
    pub(crate) close: Close,
}

/// A `connect` whose form is right.
#[derive(Debug)]
pub(crate) struct Hello {
    /// To be answered with.
    pub(crate) id: FrameId,
    /// The protocol to speak.
    pub(crate) protocol: u32,
    /// What the client said.
    pub(crate) params: ConnectParams,
}

/// What to do about a frame.
#[derive(Debug)]
pub(crate) enum Effect<'a> {
    /// Nothing.
    Ignore,
    /// Send this and go on.
    Answer(String),
    /// Send the last word and close.
    Refuse(Refusal),
    /// Find out who it is, then call [`Handshake::admit`] or [`Handshake::deny`].
    Verify(Box<Hello>),
    /// The socket speaks C and is ready; the same frame, given again, is its first request.
    Enter,
    /// Carry out a method.
    Call(Request<'a>),
}

/// Where a socket stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// `is_known`: the upgrade itself proved who it is, which dialect C needs.
    AwaitsFirst {
        is_known: bool,
    },
    Verifies(FrameId),
    Ready(Dialect),
    Closed,
}

/// The state machine of one socket.
#[derive(Debug)]
pub(crate) struct Handshake {
    stage: Stage,
}

impl Handshake {
    /// A socket that was just opened; `is_known` if its upgrade carried what it takes to be let in.
    pub(crate) const fn new(is_known: bool) -> Self {
        Self { stage: Stage::AwaitsFirst { is_known } }
    }

    /// Takes a frame.
    pub(crate) fn receive<'a>(&mut self, text: &'a str) -> Effect<'a> {
        match self.stage {
            Stage::AwaitsFirst { is_known } => match frame::dialect_of(text) {
                Dialect::B => self.first(text),
                Dialect::C => self.first_of_c(text, is_known),
            },
            Stage::Verifies(_) | Stage::Closed => Effect::Ignore,
            Stage::Ready(dialect) => later(dialect, text),
        }
    }

    /// The client is let in.
    pub(crate) fn admit(&mut self) {
        if matches!(self.stage, Stage::Verifies(_)) {
            self.stage = Stage::Ready(Dialect::B);
        }
    }

    /// The client is not let in.
    pub(crate) fn deny(&mut self, denied: &Denied) -> Refusal {
        let id = match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Verifies(id) => id,
            Stage::AwaitsFirst { .. } | Stage::Ready(_) | Stage::Closed => FrameId::invalid(),
        };
        let close = match denied {
            Denied::Unavailable => Close { code: 1013, reason: "credentials cannot be checked" },
            Denied::NotPaired { .. } => Close { code: 1008, reason: "pairing required" },
            Denied::Device(_) => Close { code: 1008, reason: "device identity refused" },
            _ => Close { code: 1008, reason: "unauthorized" },
        };
        Refusal { answer: Some(frame::refusal(&id, &denial(denied))), close }
    }

    /// The client said nothing for too long, or may not stay.
    pub(crate) fn give_up(&mut self, close: Close) -> Refusal {
        self.stage = Stage::Closed;
        Refusal { answer: None, close }
    }

    fn first_of_c<'a>(&mut self, text: &'a str, is_known: bool) -> Effect<'a> {
        let id = match dialect_c::read(text) {
            Ok(request) => request.id,
            Err(BadFrame::NotJson) => return self.refuse(&FrameId::invalid(), &not_connect(), 1008),
            Err(BadFrame::Invalid { id, message }) => {
                return self.refuse(&id, &FrameError::new("INVALID_REQUEST", message), 1008);
            }
        };
        if is_known {
            self.stage = Stage::Ready(Dialect::C);
            return Effect::Enter;
        }
        let message = "unauthorized: open the socket with ?token=, ?password= or an Authorization header, \
                       or send connect first";
        let error = FrameError::new("INVALID_REQUEST", message).with_details(json!({"code": "AUTH_TOKEN_MISSING"}));
        self.refuse(&id, &error, 1008)
    }

    fn first<'a>(&mut self, text: &'a str) -> Effect<'a> {
        let request = match frame::read(text) {
            Ok(request) => request,
            Err(BadFrame::NotJson) => return self.refuse(&FrameId::invalid(), &not_connect(), 1008),
            Err(BadFrame::Invalid { id, message }) => {
                return self.refuse(&id, &FrameError::new("INVALID_REQUEST", message), 1008);
            }
        };
        if request.method != "connect" {
            return self.refuse(&request.id, &not_connect(), 1008);
        }
        let params: ConnectParams = match frame::params("connect", request.params) {
            Ok(params) => params,
            Err(error) => return self.refuse(&request.id, &error, 1008),
        };
        if params.role.as_deref().is_some_and(|role| role != "operator") {
            let error = FrameError::new("INVALID_REQUEST", "invalid connect params: at role: only operator is served");
            return self.refuse(&request.id, &error, 1008);
        }
        let Some(protocol) = negotiate(params.min_protocol, params.max_protocol) else {
            return self.refuse(&request.id, &mismatch(), 1002);
        };
        self.stage = Stage::Verifies(request.id.clone());
        Effect::Verify(Box::new(Hello { id: request.id, protocol, params }))
    }

    fn refuse<'a>(&mut self, id: &FrameId, error: &FrameError, code: u16) -> Effect<'a> {
        self.stage = Stage::Closed;
        let reason = if code == 1002 { "protocol mismatch" } else { "invalid handshake" };
        Effect::Refuse(Refusal { answer: Some(frame::refusal(id, error)), close: Close { code, reason } })
    }
}

/// A frame of a socket that is ready.
fn later(dialect: Dialect, text: &str) -> Effect<'_> {
    let read = match dialect {
        Dialect::B => frame::read(text),
        Dialect::C => dialect_c::read(text),
    };
    match read {
        Ok(request) if request.method == "connect" => {
            let error = FrameError::new("INVALID_REQUEST", "connect is only valid as the first request");
            Effect::Answer(frame::refusal(&request.id, &error))
        }
        Ok(request) => Effect::Call(request),
        Err(BadFrame::NotJson) => Effect::Ignore,
        Err(BadFrame::Invalid { id, message }) => {
            Effect::Answer(frame::refusal(&id, &FrameError::new("INVALID_REQUEST", message)))
        }
    }
}

/// The highest protocol both speak.
fn negotiate(min: Option<u32>, max: Option<u32>) -> Option<u32> {
    let min = min.or(max).unwrap_or(PROTOCOL_DEFAULT);
    let max = max.unwrap_or(min);
    let best = max.min(*PROTOCOLS.end());
    (best >= min && PROTOCOLS.contains(&best)).then_some(best)
}

fn not_connect() -> FrameError {
    FrameError::new("INVALID_REQUEST", "invalid handshake: first request must be connect")
}

fn mismatch() -> FrameError {
    let details = json!({"code": "PROTOCOL_MISMATCH", "expectedProtocol": PROTOCOLS.end()});
    FrameError::new("INVALID_REQUEST", "protocol mismatch").with_details(details)
}

/// What a client is told who is not let in; stock clients know these words.
fn denial(denied: &Denied) -> FrameError {
    let (code, what) = match denied {
        Denied::Device(untrusted) => {
            let (code, reason) = untrusted.words();
            let details = json!({"code": code, "reason": reason});
            return FrameError::new("INVALID_REQUEST", untrusted.to_string()).with_details(details);
        }
        Denied::NotPaired { device, request, is_upgrade } => {
            let reason = if *is_upgrade { "scope-upgrade" } else { "not-paired" };
            let details = json!({
                "code": "PAIRING_REQUIRED", "reason": reason,
                "requestId": request.to_string(), "deviceId": device.to_string(),
            });
            return FrameError::new("NOT_PAIRED", "pairing required").with_details(details);
        }
        Denied::NoDevice => ("DEVICE_IDENTITY_REQUIRED", "device identity required (sign with the device's key)"),
        Denied::Wrong(Form::Device) => ("AUTH_DEVICE_TOKEN_MISMATCH", "device token mismatch (pair the device again)"),
        Denied::Crowded(_) => ("PAIRING_CROWDED", "too many devices wait to be paired (retry later)"),
        Denied::Missing => ("AUTH_TOKEN_MISSING", "gateway token missing (provide the gateway auth token)"),
        Denied::Wrong(Form::Bearer) => {
            ("AUTH_TOKEN_MISMATCH", "gateway token mismatch (provide the gateway auth token)")
        }
        Denied::Wrong(Form::Password) => ("AUTH_PASSWORD_MISMATCH", "gateway password mismatch (provide the password)"),
        Denied::HookQuery => ("AUTH_TOKEN_MISMATCH", "a hook's token opens no socket"),
        Denied::Conflicting => ("AUTH_CONFLICT", "conflicting credentials (send one)"),
        Denied::Query => ("AUTH_QUERY", "credentials in the query are not accepted from here"),
        Denied::Locked(_) => ("AUTH_RATE_LIMITED", "too many failed authentication attempts (retry later)"),
        Denied::Unavailable => ("AUTH_UNAVAILABLE", "credentials cannot be checked at the moment"),
    };
    let retry_after: Option<Duration> = match denied {
        Denied::Locked(remaining) | Denied::Crowded(remaining) => Some(*remaining),
        _ => None,
    };
    let error = FrameError::new("INVALID_REQUEST", format!("unauthorized: {what}"));
    FrameError {
        retryable: retry_after.map(|_| true),
        retry_after_ms: retry_after.map(millis),
        ..error.with_details(json!({"code": code}))
    }
}

#[cfg(test)]
mod tests;

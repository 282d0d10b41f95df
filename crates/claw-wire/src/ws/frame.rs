//! Frames: what a client asks, what the gateway answers and tells.
//!
//! A request's parameters stay unread until its method is known. An id is echoed byte for byte,
//! so that a number stays a number and a text a text (K3).

use std::borrow::Cow;
use std::fmt::Display;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::notice::Dialect;
use crate::BadRequest;
use crate::error::FrameError;
use crate::json;
use crate::limits::{FRAME_ID_BYTES_MAX, JSON_DEPTH_MAX};

/// A request's id, as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FrameId(Box<str>);

impl FrameId {
    /// What is echoed when a frame's own id cannot be.
    pub fn invalid() -> Self {
        Self("\"invalid\"".into())
    }
    /// The id as it stands in JSON, quotes included.
    pub fn as_json(&self) -> &str {
        &self.0
    }
    /// The id of a request that has none.
    fn null() -> Self {
        Self("null".into())
    }
    fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        // A lone surrogate would be echoed as a text that strict readers refuse.
        let is_text = text.starts_with('"')
            && text.len() > 2
            && (!text.contains('\\') || serde_json::from_str::<String>(text).is_ok());
        let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        ((is_text || is_number) && text.len() <= FRAME_ID_BYTES_MAX).then(|| Self(text.into()))
    }
}

/// A request, its parameters unread.
#[derive(Debug)]
pub struct Request<'a> {
    /// To be echoed.
    pub id: FrameId,
    /// Which method.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Option<&'a RawValue>,
}

/// Why a frame is not a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadFrame {
    /// Not JSON at all.
    NotJson,
    /// JSON, but not a request.
    Invalid {
        /// The frame's id, or the word for none.
        id: FrameId,
        /// What is wrong.
        message: String,
    },
}

#[derive(Deserialize)]
struct RawFrame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// The dialect a first frame is in: `method` without `type` is C's, everything else B's (K3).
pub fn dialect_of(text: &str) -> Dialect {
    match raw(text) {
        Ok(RawFrame { kind: None, method: Some(_), .. }) => Dialect::C,
        _ => Dialect::B,
    }
}

/// Reads one frame of dialect B.
///
/// # Errors
/// Not JSON; or JSON that is too deep, or no request with an id and a method.
pub fn read(text: &str) -> Result<Request<'_>, BadFrame> {
    let frame = raw(text)?;
    if frame.kind.is_none_or(|kind| kind.get() != "\"req\"") {
        let id = frame.id.and_then(FrameId::read).unwrap_or_else(FrameId::invalid);
        return Err(BadFrame::Invalid { id, message: "invalid request frame: at /type: must be \"req\"".into() });
    }
    frame.request(None)
}

/// Reads one frame of dialect C, whose requests have no `type` and may have no id.
///
/// # Errors
/// As [`read`].
pub(super) fn read_untyped(text: &str) -> Result<Request<'_>, BadFrame> {
    let frame = raw(text)?;
    let without = frame.id.is_none().then(FrameId::null);
    frame.request(without)
}

fn raw(text: &str) -> Result<RawFrame<'_>, BadFrame> {
    if !json::is_depth_within(text.as_bytes(), JSON_DEPTH_MAX) {
        let message = format!("invalid request frame: nested deeper than {JSON_DEPTH_MAX} levels");
        return Err(BadFrame::Invalid { id: FrameId::invalid(), message });
    }
    // A type's fields could be read from a list, too, by their places: nobody means that.
    if !text.trim_start().starts_with('{') {
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| BadFrame::NotJson)?;
        let message = "invalid request frame: must be an object".to_owned();
        return Err(BadFrame::Invalid { id: FrameId::invalid(), message });
    }
    match serde_json::from_str(text) {
        Ok(frame) => Ok(frame),
        Err(error) if error.is_data() => {
            let message = format!("invalid request frame: {error}");
            Err(BadFrame::Invalid { id: FrameId::invalid(), message })
        }
        Err(_) => Err(BadFrame::NotJson),
    }
}

impl<'a> RawFrame<'a> {
    /// The request in it; `without` is the id of one that has none, where that is allowed.
    fn request(self, without: Option<FrameId>) -> Result<Request<'a>, BadFrame> {
        let Self { kind: _, id, method, params } = self;
        let id = id.and_then(FrameId::read).or(without);
        let wrong = |message: &str| {
            let id = id.clone().unwrap_or_else(FrameId::invalid);
            Err(BadFrame::Invalid { id, message: format!("invalid request frame: {message}") })
        };
        let method = method.and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw.get()).ok());
        match (id.clone(), method.filter(|method| !method.is_empty())) {
            (None, _) => wrong("at /id: must be a text that is not empty, or a number"),
            (_, None) => wrong("at /method: must be a text that is not empty"),
            (Some(id), Some(method)) => Ok(Request { id, method, params }),
        }
    }
}

/// Reads a method's parameters; none at all count as an empty object.
///
/// # Errors
/// They do not fit; the message names the method and the path.
pub fn params<'a, T: Deserialize<'a>>(method: &str, raw: Option<&'a RawValue>) -> Result<T, FrameError> {
    json::from_slice(object(method, raw)?).map_err(|bad| bad_params(method, &bad))
}

/// The same; `unknown` hears the path of each parameter that the method does not have.
///
/// # Errors
/// As [`params`].
pub fn params_noting<'a, T: Deserialize<'a>>(
    method: &str,
    raw: Option<&'a RawValue>,
    unknown: impl FnMut(&dyn Display),
) -> Result<T, FrameError> {
    json::from_slice_noting(object(method, raw)?, unknown).map_err(|bad| bad_params(method, &bad))
}

fn object<'a>(method: &str, raw: Option<&'a RawValue>) -> Result<&'a [u8], FrameError> {
    match raw.map_or("null", RawValue::get) {
        "null" => Ok(b"{}"),
        text if text.starts_with('{') => Ok(text.as_bytes()),
        _ => Err(bad_params(method, &BadRequest::whole("must be an object"))),
    }
}

/// What is said about parameters that do not fit.
pub fn bad_params(method: &str, bad: &BadRequest) -> FrameError {
    let place = bad.param.as_ref().map_or(String::new(), |param| format!("at {param}: "));
    FrameError::new("INVALID_REQUEST", format!("invalid {method} params: {place}{}", bad.message))
}

/// A good answer, as text.
pub fn answer(id: &FrameId, payload: &impl Serialize) -> String {
    around(id, &to_json(payload))
}

/// A good answer around a payload that is JSON already.
pub fn answer_json(id: &FrameId, payload: &RawValue) -> String {
    around(id, payload.get())
}

fn around(id: &FrameId, payload: &str) -> String {
    let id = id.as_json();
    let mut out = String::with_capacity(id.len() + payload.len() + 48);
    for piece in ["{\"type\":\"res\",\"id\":", id, ",\"ok\":true,\"payload\":", payload, "}"] {
        out.push_str(piece);
    }
    out
}

/// A refusal, as text.
pub fn refusal(id: &FrameId, error: &FrameError) -> String {
    let mut out = opening(id);
    out.push_str(",\"ok\":false,\"error\":");
    out.push_str(&to_json(error));
    out.push('}');
    out
}

/// A refusal with a payload beside it, as a run that failed has.
pub fn refusal_with(id: &FrameId, error: &FrameError, payload: &impl Serialize) -> String {
    let mut out = opening(id);
    out.push_str(",\"ok\":false,\"payload\":");
    out.push_str(&to_json(payload));
    out.push_str(",\"error\":");
    out.push_str(&to_json(error));
    out.push('}');
    out
}

/// What `stateVersion` beside an event says: a bare number for the contracts (B8), an object for
/// stock clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub enum StateVersion {
    Number(u64),
    Object { presence: u64, health: u64 },
}

impl Serialize for StateVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Object {
            presence: u64,
            health: u64,
        }
        match *self {
            Self::Number(number) => serializer.serialize_u64(number),
            Self::Object { presence, health } => Object { presence, health }.serialize(serializer),
        }
    }
}

/// An event around a payload that is JSON already; `seq` is the connection's own number.
pub fn event(name: &str, payload_json: &str, seq: Option<u64>, version: Option<StateVersion>) -> String {
    use std::fmt::Write as _;

    let mut out = String::with_capacity(payload_json.len() + name.len() + 112);
    out.push_str("{\"type\":\"event\",\"event\":\"");
    out.push_str(name);
    out.push_str("\",\"payload\":");
    out.push_str(payload_json);
    if let Some(seq) = seq {
        let _never_fails = write!(out, ",\"seq\":{seq}");
    }
    match version {
        None => {}
        Some(StateVersion::Number(number)) => {
            let _never_fails = write!(out, ",\"stateVersion\":{number}");
        }
        Some(StateVersion::Object { presence, health }) => {
            let _never_fails = write!(out, ",\"stateVersion\":{{\"presence\":{presence},\"health\":{health}}}");
        }
    }
    out.push('}');
    out
}

/// Any wire value as JSON text.
pub fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("wire values have text keys and always serialise")
}

fn opening(id: &FrameId) -> String {
    format!("{{\"type\":\"res\",\"id\":{}", id.as_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_its_id_echoed_in_its_type() {
        let request = read(r#"{"type":"req","id":"a\"1","method":"health","params":{"x":1},"more":2}"#).unwrap();
        assert_eq!((request.method.as_ref(), request.params.unwrap().get()), ("health", r#"{"x":1}"#));
        assert_eq!(answer(&request.id, &1), r#"{"type":"res","id":"a\"1","ok":true,"payload":1}"#);
        let request = read(r#"{"type":"req","id":7,"method":"health"}"#).unwrap();
        let error = FrameError::new("INVALID_REQUEST", "no");
        assert_eq!(
            refusal(&request.id, &error),
            r#"{"type":"res","id":7,"ok":false,"error":{"code":"INVALID_REQUEST","message":"no"}}"#
        );
    }

    #[test]
    fn the_first_frame_tells_the_dialect() {
        for (text, dialect) in [
            (r#"{"type":"req","id":"1","method":"connect"}"#, Dialect::B),
            (r#"{"method":"chat.run","params":{},"id":1}"#, Dialect::C),
            (r#"{"id":1}"#, Dialect::B),
            ("hello", Dialect::B),
        ] {
            assert_eq!(dialect_of(text), dialect, "{text}");
        }
    }

    #[test]
    fn a_bad_frame_keeps_its_id_when_it_has_one() {
        let id_of = |text: &str| match read(text) {
            Err(BadFrame::Invalid { id, .. }) => id.as_json().to_owned(),
            Err(BadFrame::NotJson) => "not json".to_owned(),
            Ok(_) => "fine".to_owned(),
        };
        for (text, expected) in [
            (r#"{"type":"req","id":"a"}"#, "\"a\""),
            (r#"{"type":"res","id":"a","method":"x"}"#, "\"a\""),
            (r#"{"id":"a","method":"x"}"#, "\"a\""),
            (r#"{"type":"req","method":"x"}"#, "\"invalid\""),
            (r#"{"type":"req","id":"","method":"x"}"#, "\"invalid\""),
            (r#"{"type":"req","id":{},"method":"x"}"#, "\"invalid\""),
            (r#"{"type":"req","id":1.5,"method":"x"}"#, "fine"),
            (r#"{"type":"req","id":true,"method":"x"}"#, "\"invalid\""),
            (r#"{"type":"req","id":"a","method":5}"#, "\"a\""),
            ("[]", "\"invalid\""),
            ("5", "\"invalid\""),
            ("{\"type\":", "not json"),
            ("hello", "not json"),
            ("", "not json"),
        ] {
            assert_eq!(id_of(text), expected, "{text}");
        }
        assert_eq!(id_of(&format!("{{\"params\":{}", "[".repeat(100_000))), "\"invalid\"");
        let long = format!(r#"{{"type":"req","id":"{}","method":"x"}}"#, "i".repeat(300));
        assert_eq!(id_of(&long), "\"invalid\"");
    }

    #[test]
    fn params_that_do_not_fit_name_the_method_and_the_path() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only its shape is asked for")]
        struct Params {
            message: String,
        }
        let raw: Box<RawValue> = serde_json::from_str(r#"{"message":5}"#).unwrap();
        let error = params::<Params>("agent", Some(&raw)).unwrap_err();
        assert_eq!(error.code, "INVALID_REQUEST");
        assert_eq!(error.message, "invalid agent params: at message: found the number 5; allowed: a string");
        let error = params::<Params>("agent", None).unwrap_err();
        assert_eq!(error.message, "invalid agent params: at message: missing field `message`");
    }

    #[test]
    fn an_event_carries_the_connections_number() {
        assert_eq!(
            event("tick", "{\"ts\":1}", Some(2), None),
            r#"{"type":"event","event":"tick","payload":{"ts":1},"seq":2}"#
        );
        assert_eq!(event("tick", "{}", None, None), r#"{"type":"event","event":"tick","payload":{}}"#);
        let version = Some(StateVersion::Object { presence: 3, health: 4 });
        assert_eq!(
            event("presence", "{}", Some(1), version),
            r#"{"type":"event","event":"presence","payload":{},"seq":1,"stateVersion":{"presence":3,"health":4}}"#
        );
    }
}

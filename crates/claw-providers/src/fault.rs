//! What a server says when it fails, in a status' body or in the middle of a stream.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lenient::{Text, text_of};

/// Why an answer cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It makes no sense, or too much.
    Unreadable(String),
    /// The server said that it failed.
    Failed {
        /// An HTTP status that says the same, when there is one.
        status: Option<u16>,
        /// The server's words.
        message: String,
    },
}

/// Where the words may stand.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    error: Option<Box<RawValue>>,
    message: Option<Box<RawValue>>,
    detail: Option<Box<RawValue>>,
}

/// The fields of an error that say what happened.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorFields {
    message: Text,
    #[serde(rename = "type")]
    kind: Text,
    code: Option<Box<RawValue>>,
}

/// What an `error` object, or a text in its place, says.
pub(crate) fn failure(error: &RawValue) -> Fault {
    let Ok(ErrorFields { message, kind, code }) = serde_json::from_str(error.get()) else {
        return Fault::Failed { status: None, message: text_of(error) };
    };
    let code = code.as_deref().map(text_of).unwrap_or_default();
    let status = code.parse().ok().filter(|code| (400..600).contains(code)).or_else(|| {
        let named = |word: &str| kind.0.contains(word) || code.contains(word);
        let table = [("rate_limit", 429), ("overloaded", 503), ("invalid_request", 400), ("context_length", 400)];
        table.into_iter().find_map(|(word, status)| named(word).then_some(status))
    });
    let message = if message.0.is_empty() { error.get().to_owned() } else { message.0 };
    Fault::Failed { status, message }
}

/// What an event named `error` says.
pub(crate) fn reported(data: &[u8]) -> Fault {
    match envelope(data) {
        Some(Envelope { error: Some(error), .. }) => failure(&error),
        _ => Fault::Failed { status: None, message: error_words(data) },
    }
}

/// An error object; Google sends a list of one.
fn envelope(body: &[u8]) -> Option<Envelope> {
    match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice::<Vec<Envelope>>(body).ok()?.into_iter().next(),
        _ => serde_json::from_slice(body).ok(),
    }
}

/// The message in the body of an HTTP error; the body itself where it is not an error object.
pub(crate) fn error_words(body: &[u8]) -> String {
    let Some(answer) = envelope(body) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    match (answer.error, answer.message.or(answer.detail)) {
        (Some(error), _) => match failure(&error) {
            Fault::Failed { message, .. } | Fault::Unreadable(message) => message,
        },
        (None, Some(said)) => text_of(&said),
        (None, None) => String::from_utf8_lossy(body).into_owned(),
    }
}

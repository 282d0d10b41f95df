//! The bytes of an answer → events, whichever of its two forms it has. Pure.

use std::collections::VecDeque;

use claw_core::provider::ModelEvent;
use claw_net::response::BODY_BYTES_MAX;
use claw_net::sse;

use super::assembly::{Assembly, Fault, reported};

/// What ends a stream.
const DONE: &[u8] = b"[DONE]";

/// An answer's body under way.
#[derive(Debug)]
pub(super) struct Body {
    form: Form,
    assembly: Assembly,
}

#[derive(Debug)]
enum Form {
    /// Nothing but white space so far.
    Unknown,
    Events(sse::Reader),
    /// One JSON text, as far as it has come.
    Whole(Vec<u8>),
}

impl Body {
    /// Nothing yet; tool calls without an id are numbered from `first_call_number`.
    pub(super) fn new(first_call_number: usize) -> Self {
        Self { form: Form::Unknown, assembly: Assembly::new(first_call_number) }
    }

    /// Takes the next piece and appends what it says to `events`. True when the server has said
    /// that nothing follows.
    pub(super) fn take(&mut self, piece: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        if let Form::Unknown = self.form {
            self.form = match piece.trim_ascii_start() {
                [] => return Ok(false),
                // Whatever was asked for and whatever the headers say: no event stream begins so.
                [b'{', ..] => Form::Whole(Vec::new()),
                _ => Form::Events(sse::Reader::default()),
            };
        }
        match &mut self.form {
            Form::Unknown => Ok(false),
            Form::Events(reader) => take_events(reader, &mut self.assembly, piece, events),
            Form::Whole(text) if text.len() + piece.len() > BODY_BYTES_MAX => {
                Err(Fault::Unreadable(format!("it is larger than {BODY_BYTES_MAX} bytes")))
            }
            Form::Whole(text) => {
                text.extend_from_slice(piece);
                Ok(false)
            }
        }
    }

    /// Takes the end of the body. False when the answer was not finished by then.
    pub(super) fn end(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<bool, Fault> {
        if let Form::Whole(text) = &self.form {
            self.assembly.take(text, events)?;
            // A whole JSON text cannot have been cut, so the answer in it is finished even where
            // the server does not say why.
            self.assembly.take_done();
        }
        self.assembly.end(events)
    }

    /// Whether the answer is complete, however the connection ends from here on.
    pub(super) fn is_finished(&self) -> bool {
        self.assembly.is_finished()
    }

    /// Whether anything came that looked like an answer.
    pub(super) fn has_answered(&self) -> bool {
        self.assembly.has_answered()
    }

    /// Hands out the newest usage, once; also before an error, since it was used all the same.
    pub(super) fn take_usage(&mut self, events: &mut VecDeque<ModelEvent>) {
        self.assembly.take_usage(events);
    }
}

fn take_events(
    reader: &mut sse::Reader,
    assembly: &mut Assembly,
    mut piece: &[u8],
    events: &mut VecDeque<ModelEvent>,
) -> Result<bool, Fault> {
    while let Some(event) = reader.read(&mut piece).map_err(|wrong| Fault::Unreadable(wrong.to_string()))? {
        if event.data == DONE {
            assembly.take_done();
            return Ok(true);
        }
        if event.name == "error" {
            return Err(reported(event.data));
        }
        assembly.take(event.data, events)?;
    }
    Ok(false)
}

#[cfg(test)]
#[path = "body/tests.rs"]
mod tests;

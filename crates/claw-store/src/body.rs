//! JSON on its way to its row; what is long is written only when its row is, and what is very long in pieces.
//!
//! A row goes through memory several times over before it is on disk, and JSON is a copy of what it
//! tells. So what is long is held as it is, shared with everybody else who holds it, until the writer
//! comes to it; and very long turns and messages never lie in one row.

use std::io::{self, Write};
use std::sync::Arc;

use claw_core::run::{JournalEntry, Sequenced};
use claw_core::{Message, Turn};
use serde::Serialize;

use crate::StoreError;
use crate::limits::{HELD_BYTES, LONG_BYTES, PIECE_BYTES};
use crate::stored::{text, unwritable};

/// What a row holds.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// JSON.
    Whole(Arc<str>),
    /// What is to be JSON, of about so many bytes.
    Held(Held, usize),
}

/// Something long.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Turn(Arc<Turn>),
    Message(Message),
    Events(Vec<Arc<Sequenced>>),
    Step(Box<JournalEntry>),
}

impl Body {
    /// A turn.
    pub(crate) fn of_turn(turn: &Arc<Turn>) -> Result<Self, StoreError> {
        match turn.bytes() {
            bytes if bytes > HELD_BYTES => Ok(Self::Held(Held::Turn(Arc::clone(turn)), bytes)),
            _ => text(&**turn).map(Self::Whole),
        }
    }

    /// A message.
    pub(crate) fn of_message(message: &Message) -> Result<Self, StoreError> {
        match message.bytes() {
            bytes if bytes > HELD_BYTES => Ok(Self::Held(Held::Message(message.clone()), bytes)),
            _ => text(message).map(Self::Whole),
        }
    }

    /// A page of events.
    pub(crate) fn of_events(events: &[Arc<Sequenced>]) -> Result<Self, StoreError> {
        match events.iter().map(|event| event.event.bytes()).sum() {
            bytes if bytes > HELD_BYTES => Ok(Self::Held(Held::Events(events.to_vec()), bytes)),
            _ => text(events).map(Self::Whole),
        }
    }

    /// A step of the journal.
    pub(crate) fn of_step(step: &JournalEntry) -> Result<Self, StoreError> {
        match step.bytes() {
            bytes if bytes > HELD_BYTES => Ok(Self::Held(Held::Step(Box::new(step.clone())), bytes)),
            _ => text(step).map(Self::Whole),
        }
    }

    /// About how long it is.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Whole(json) => json.len(),
            Self::Held(_, bytes) => *bytes,
        }
    }

    /// How much of it goes into its row, about.
    pub(crate) fn bytes_in_row(&self) -> usize {
        if self.in_pieces().is_some() { 0 } else { self.bytes() }
    }

    /// What stands in the row: nothing where pieces stand for it. Absent where it cannot be JSON, which
    /// is refused as a row.
    pub(crate) fn in_row(&self) -> Option<Arc<str>> {
        match self {
            Self::Whole(json) => Some(Arc::clone(json)),
            Self::Held(..) if self.in_pieces().is_some() => Some(Arc::from("")),
            Self::Held(Held::Turn(turn), _) => text(&**turn).ok(),
            Self::Held(Held::Message(message), _) => text(message).ok(),
            Self::Held(Held::Events(events), _) => text(events).ok(),
            Self::Held(Held::Step(step), _) => text(step).ok(),
        }
    }

    /// What stands in pieces.
    pub(crate) const fn in_pieces(&self) -> Option<&Held> {
        match self {
            Self::Held(held @ (Held::Turn(_) | Held::Message(_)), bytes) if *bytes > LONG_BYTES => Some(held),
            Self::Whole(_) | Self::Held(..) => None,
        }
    }
}

impl Held {
    /// Gives its JSON to `take` in order, as long as that is true.
    pub(crate) fn pieces(&self, take: impl FnMut(Arc<str>) -> bool) -> Result<(), StoreError> {
        match self {
            Self::Turn(turn) => in_pieces(&**turn, take),
            Self::Message(message) => in_pieces(message, take),
            Self::Events(events) => in_pieces(events, take),
            Self::Step(step) => in_pieces(step, take),
        }
    }
}

fn in_pieces<T: Serialize>(value: &T, take: impl FnMut(Arc<str>) -> bool) -> Result<(), StoreError> {
    let mut pieces = Pieces { take, open: Vec::with_capacity(PIECE_BYTES) };
    serde_json::to_writer(&mut pieces, value).map_err(unwritable)?;
    if !pieces.open.is_empty() {
        pieces.close().map_err(unwritable)?;
    }
    Ok(())
}

/// Cuts what is written, between two characters.
struct Pieces<F> {
    take: F,
    open: Vec<u8>,
}

impl<F: FnMut(Arc<str>) -> bool> Pieces<F> {
    fn close(&mut self) -> io::Result<()> {
        let whole = match std::str::from_utf8(&self.open) {
            Ok(_) => self.open.len(),
            Err(cut) => cut.valid_up_to(),
        };
        let text = std::str::from_utf8(self.open.get(..whole).unwrap_or_default()).map_err(io::Error::other)?;
        if !(self.take)(Arc::from(text)) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.open.drain(..whole);
        Ok(())
    }
}

impl<F: FnMut(Arc<str>) -> bool> Write for Pieces<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.get(..PIECE_BYTES - self.open.len()).unwrap_or(bytes);
        self.open.extend_from_slice(fits);
        if self.open.len() == PIECE_BYTES {
            self.close()?;
        }
        Ok(fits.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_json_is_cut_between_characters_and_nothing_is_lost() {
        let said = "\u{e4}\u{1f600}\n\"".repeat(PIECE_BYTES / 3);
        let message = Message::user(said);
        let body = Body::of_message(&message).unwrap();
        assert_eq!(body.in_row().as_deref(), Some(""));
        let mut pieces = Vec::new();
        let take = |piece| {
            pieces.push(piece);
            true
        };
        body.in_pieces().unwrap().pieces(take).unwrap();
        assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() <= PIECE_BYTES), "{}", pieces.len());
        assert_eq!(serde_json::from_str::<Message>(&pieces.concat()).unwrap(), message);
    }

    #[test]
    fn what_is_shorter_stands_in_its_row() {
        for said in ["hi".to_owned(), "x".repeat(HELD_BYTES + 1)] {
            let body = Body::of_message(&Message::user(said.as_str())).unwrap();
            assert!(body.in_pieces().is_none());
            let json = format!(r#"{{"role":"user","content":[{{"type":"text","text":"{said}"}}]}}"#);
            assert_eq!(body.in_row().as_deref(), Some(json.as_str()));
        }
    }
}

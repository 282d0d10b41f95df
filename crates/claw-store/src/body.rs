//! JSON on its way to its row; what is long is written only when its row is, and in pieces.
//!
//! A row goes through memory several times over before it is on disk, and JSON is a copy of what it
//! tells. So long turns and messages are held as they are, shared with everybody else who holds
//! them, until the writer comes to them, and then never lie in one row.

use std::io::{self, Write};
use std::sync::Arc;

use claw_core::{Message, Turn};
use serde::Serialize;

use crate::StoreError;
use crate::limits::{LONG_BYTES, PIECE_BYTES};
use crate::stored::{text, unwritable};

/// What a row of a turn or a message holds.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// JSON.
    Whole(Arc<str>),
    /// What is to be JSON.
    Long(Long),
}

/// Something long.
#[derive(Debug, Clone)]
pub(crate) enum Long {
    Turn(Arc<Turn>),
    Message(Message),
}

impl Body {
    /// A turn.
    pub(crate) fn of_turn(turn: &Arc<Turn>) -> Result<Self, StoreError> {
        if turn.bytes() > LONG_BYTES {
            return Ok(Self::Long(Long::Turn(Arc::clone(turn))));
        }
        text(&**turn).map(Self::Whole)
    }

    /// A message.
    pub(crate) fn of_message(message: &Message) -> Result<Self, StoreError> {
        if message.bytes() > LONG_BYTES {
            return Ok(Self::Long(Long::Message(message.clone())));
        }
        text(message).map(Self::Whole)
    }

    /// About how long it is.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Whole(json) => json.len(),
            Self::Long(Long::Turn(turn)) => turn.bytes(),
            Self::Long(Long::Message(message)) => message.bytes(),
        }
    }

    /// What stands in the row: nothing where pieces stand for it.
    pub(crate) fn in_row(&self) -> Arc<str> {
        match self {
            Self::Whole(json) => Arc::clone(json),
            Self::Long(_) => Arc::from(""),
        }
    }

    /// What stands in pieces.
    pub(crate) const fn long(&self) -> Option<&Long> {
        match self {
            Self::Whole(_) => None,
            Self::Long(long) => Some(long),
        }
    }
}

impl Long {
    /// Its JSON, in order.
    pub(crate) fn pieces(&self) -> Result<Vec<Arc<str>>, StoreError> {
        match self {
            Self::Turn(turn) => in_pieces(&**turn),
            Self::Message(message) => in_pieces(message),
        }
    }
}

fn in_pieces<T: Serialize>(value: &T) -> Result<Vec<Arc<str>>, StoreError> {
    let mut pieces = Pieces { done: Vec::new(), open: Vec::with_capacity(PIECE_BYTES) };
    serde_json::to_writer(&mut pieces, value).map_err(unwritable)?;
    if !pieces.open.is_empty() {
        pieces.close().map_err(unwritable)?;
    }
    Ok(pieces.done)
}

/// Cuts what is written, between two characters.
struct Pieces {
    done: Vec<Arc<str>>,
    open: Vec<u8>,
}

impl Pieces {
    fn close(&mut self) -> io::Result<()> {
        let whole = match std::str::from_utf8(&self.open) {
            Ok(_) => self.open.len(),
            Err(cut) => cut.valid_up_to(),
        };
        let text = std::str::from_utf8(self.open.get(..whole).unwrap_or_default()).map_err(io::Error::other)?;
        self.done.push(Arc::from(text));
        self.open.drain(..whole);
        Ok(())
    }
}

impl Write for Pieces {
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
        assert_eq!(&*body.in_row(), "");
        let pieces = body.long().unwrap().pieces().unwrap();
        assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() <= PIECE_BYTES), "{}", pieces.len());
        assert_eq!(serde_json::from_str::<Message>(&pieces.concat()).unwrap(), message);
    }

    #[test]
    fn what_is_short_stands_in_its_row() {
        let body = Body::of_message(&Message::user("hi")).unwrap();
        assert!(body.long().is_none());
        assert_eq!(&*body.in_row(), r#"{"role":"user","content":[{"type":"text","text":"hi"}]}"#);
    }
}

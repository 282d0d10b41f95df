//! Server-sent events: bytes in any split become events, and events become bytes.
//!
//! Pure, after the WHATWG HTML standard, 9.2.6: CR, LF and CRLF end a line, several `data` lines
//! join into one, comments and unknown fields are dropped, an event without its blank line is
//! none. Every line is looked at once; only a line that is cut by the end of its piece is kept.

use thiserror::Error;

/// Largest event a [`Reader`] takes unless told otherwise.
pub const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// What `event:` said; empty when absent (then the standard calls it `message`).
    pub name: &'a str,
    /// The newest `id:` of the stream so far.
    pub id: &'a str,
    /// The `data` lines, joined by a newline; meant to be UTF-8.
    pub data: &'a [u8],
}

/// An event beyond the reader's limit; the stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event is larger than {max_bytes} bytes")]
pub struct TooLarge {
    /// The limit.
    pub max_bytes: usize,
}

/// Reads a stream of events.
#[derive(Debug)]
pub struct Reader {
    max_bytes: usize,
    /// The start of a line whose end has not come yet.
    partial: Vec<u8>,
    name: String,
    id: String,
    /// Each `data` line with a newline behind it.
    data: Vec<u8>,
    /// `data` and `name` have been handed out and belong to the past.
    is_dispatched: bool,
    /// The last line ended in CR, so a LF that follows belongs to it.
    is_after_cr: bool,
    is_first_line: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(EVENT_BYTES_MAX)
    }
}

impl Reader {
    /// A reader that refuses events beyond `max_bytes` of data or of one line.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            partial: Vec::new(),
            name: String::new(),
            id: String::new(),
            data: Vec::new(),
            is_dispatched: false,
            is_after_cr: false,
            is_first_line: true,
        }
    }

    /// Takes bytes from the front of `piece` up to the end of the next event.
    ///
    /// `None` when the piece is used up; then it is time for the next one.
    pub fn read(&mut self, piece: &mut &[u8]) -> Result<Option<Event<'_>>, TooLarge> {
        if std::mem::take(&mut self.is_dispatched) {
            self.data.clear();
            self.name.clear();
        }
        while let Some(ended) = self.next_line(piece)? {
            if ended {
                self.is_dispatched = true;
                let data = self.data.strip_suffix(b"\n").unwrap_or(&self.data);
                return Ok(Some(Event { name: &self.name, id: &self.id, data }));
            }
        }
        Ok(None)
    }

    /// Takes one line; says whether it ended an event. `None` when the line is not whole yet.
    fn next_line(&mut self, piece: &mut &[u8]) -> Result<Option<bool>, TooLarge> {
        if std::mem::take(&mut self.is_after_cr) {
            match piece.first() {
                Some(b'\n') => *piece = piece.get(1..).unwrap_or_default(),
                Some(_) => {}
                None => self.is_after_cr = true,
            }
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', piece) else {
            self.fits(self.partial.len() + piece.len())?;
            self.partial.extend_from_slice(piece);
            *piece = &[];
            return Ok(None);
        };
        let (line, rest) = piece.split_at(end);
        self.is_after_cr = rest.first() == Some(&b'\r');
        *piece = rest.get(1..).unwrap_or_default();
        if self.partial.is_empty() {
            return self.take_line(line).map(Some);
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(line);
        let ended = self.take_line(&whole);
        whole.clear();
        self.partial = whole;
        ended.map(Some)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<bool, TooLarge> {
        let line = match std::mem::take(&mut self.is_first_line) {
            true => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            if self.data.is_empty() {
                self.name.clear();
            }
            return Ok(!self.data.is_empty());
        }
        self.fits(self.data.len() + line.len())?;
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (line.get(..colon), line.get(colon + 1..)),
            None => (Some(line), None),
        };
        let value = value.unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field.unwrap_or_default() {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => replace(&mut self.name, value),
            b"id" if !value.contains(&0) => replace(&mut self.id, value),
            // Comments have an empty name; `retry` is for readers that come back by themselves.
            _ => {}
        }
        Ok(false)
    }

    fn fits(&self, bytes: usize) -> Result<(), TooLarge> {
        if bytes > self.max_bytes { Err(TooLarge { max_bytes: self.max_bytes }) } else { Ok(()) }
    }
}

fn replace(text: &mut String, value: &[u8]) {
    text.clear();
    text.push_str(&String::from_utf8_lossy(value));
}

/// Appends an event to `out`; an empty name or id is left out.
///
/// Line ends inside `data` start a new `data` line, so a reader gets every one of them as LF.
/// Name and id are cut at a line end: one there would let a text pose as another field.
pub fn write(out: &mut Vec<u8>, event: Event<'_>) {
    let Event { name, id, data } = event;
    write_field(out, b"id: ", id.as_bytes());
    write_field(out, b"event: ", name.as_bytes());
    let mut rest = data;
    loop {
        let end = memchr::memchr2(b'\n', b'\r', rest);
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
        rest = match after {
            [b'\r', b'\n', next @ ..] | [_, next @ ..] => next,
            [] => break,
        };
    }
    out.push(b'\n');
}

/// Appends a comment, which readers drop: it keeps a silent connection alive.
pub fn write_comment(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b": ");
    out.extend_from_slice(first_line(text.as_bytes()));
    out.extend_from_slice(b"\n\n");
}

fn write_field(out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    if !value.is_empty() {
        out.extend_from_slice(field);
        out.extend_from_slice(first_line(value));
        out.push(b'\n');
    }
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default()
}

#[cfg(test)]
#[path = "sse/tests.rs"]
mod tests;

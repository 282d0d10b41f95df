//! What a command says, its beginning and its end kept and the middle dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claw_core::tool::Listener;

use super::plain::Plain;
use super::veil::Veil;
use crate::limits::OUTPUT_HALF_BYTES;

/// Shared by whoever reads the pipes and whoever shows it.
#[derive(Debug, Clone)]
pub(super) struct Output(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Bytes ever said.
    said: u64,
    /// Bytes that whoever polls has seen.
    polled: u64,
    /// Takes out what only terminals understand.
    plain: Option<Plain>,
    /// Takes out what nobody is to read.
    veil: Veil,
    listener: Option<Arc<dyn Listener>>,
}

impl Output {
    /// Nothing yet. What a terminal would obey is taken out if it `is_terminal`, and what lies under the veil.
    pub(super) fn new(is_terminal: bool, veil: Veil, listener: Option<Arc<dyn Listener>>) -> Self {
        let plain = is_terminal.then(Plain::default);
        let (head, tail) = (Vec::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(Kept { head, tail, said: 0, polled: 0, plain, veil, listener })))
    }

    pub(super) fn add(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        let plain = kept.plain.as_mut().map(|plain| plain.text_of(bytes));
        let shown = kept.veil.text_of(plain.as_deref().unwrap_or(bytes));
        kept.take(&shown);
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        let mut kept = self.kept();
        let shown = kept.veil.rest();
        kept.take(&shown);
    }

    /// All that is kept of it.
    pub(super) fn text(&self) -> String {
        self.kept().from(0)
    }

    /// What is kept of what was said since this was asked last.
    pub(super) fn news(&self) -> String {
        let mut kept = self.kept();
        let text = kept.from(kept.polled);
        kept.polled = kept.said;
        text
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, bytes: &[u8]) {
        if let Some(listener) = self.listener.as_ref().filter(|_| !bytes.is_empty()) {
            listener.hear(bytes);
        }
        let room = OUTPUT_HALF_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(OUTPUT_HALF_BYTES);
        self.tail.drain(..over);
        self.said += bytes.len() as u64;
    }

    /// From this byte on, as far as it is kept.
    fn from(&self, start: u64) -> String {
        let (head_end, tail_start) = (self.head.len() as u64, self.said - self.tail.len() as u64);
        let behind = |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let head = self.head.get(behind(0, start).min(self.head.len())..).unwrap_or_default();
        let tail: Vec<u8> = self.tail.iter().copied().skip(behind(tail_start, start)).collect();
        let dropped = tail_start.saturating_sub(head_end.max(start));
        if dropped == 0 {
            return String::from_utf8_lossy(&[head, &tail].concat()).into_owned();
        }
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(&tail));
        format!("{head}\n[{dropped} bytes left out]\n{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_told_once_and_all_of_it_as_often_as_one_asks() {
        let output = Output::new(false, Veil::default(), None);
        output.add(b"one ");
        assert_eq!((output.news().as_str(), output.news().as_str()), ("one ", ""));
        output.add(b"two");
        assert_eq!((output.news().as_str(), output.text().as_str()), ("two", "one two"));
        output.add(&vec![b'x'; 3 * OUTPUT_HALF_BYTES]);
        let dropped = OUTPUT_HALF_BYTES + 7;
        assert!(
            output.text().starts_with("one twoxx") && output.text().contains(&format!("[{dropped} bytes left out]"))
        );
        assert!(output.news().contains(&format!("[{dropped} bytes left out]")));
        output.add(b"end");
        assert_eq!(output.news(), "end");
        let screen = Output::new(true, Veil::default(), None);
        screen.add(b"\x1b[31mred\x1b[0m\r\n");
        assert_eq!(screen.text(), "red\n");
    }
}

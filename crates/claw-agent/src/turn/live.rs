//! What a tool says while it works, on its way to readers: gathered, and bounded.

use std::sync::{Mutex, MutexGuard, PoisonError};

use claw_core::tool::Listener;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{LIVE_OUTPUT_BYTES_MAX, LIVE_OUTPUT_EVERY, LIVE_PIECE_BYTES_MAX};

/// Between one call of a tool and the run that makes it.
#[derive(Debug)]
pub(super) struct Live {
    heard: Mutex<Heard>,
    more: Notify,
}

#[derive(Debug)]
struct Heard {
    /// Said and not shown, its beginning dropped where it is too much.
    waiting: Vec<u8>,
    /// Bytes dropped of it.
    dropped: usize,
    /// Bytes that may still be shown of this call.
    left: usize,
    /// When the next piece may go.
    due: Instant,
}

impl Live {
    pub(super) fn new() -> Self {
        let heard = Heard { waiting: Vec::new(), dropped: 0, left: LIVE_OUTPUT_BYTES_MAX, due: Instant::now() };
        Self { heard: Mutex::new(heard), more: Notify::new() }
    }

    /// The next piece to show; waits until there is one and it is time for it. Cancel-safe.
    pub(super) async fn next(&self) -> String {
        loop {
            let due = {
                let mut heard = self.heard();
                let now = Instant::now();
                match heard.waiting.is_empty() {
                    true => None,
                    false if heard.due <= now => match heard.take(now) {
                        Some(piece) => return piece,
                        None => None,
                    },
                    false => Some(heard.due),
                }
            };
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => self.more.notified().await,
            }
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// What is there, but for the beginning of a character that is not whole yet.
    fn take(&mut self, now: Instant) -> Option<String> {
        let end = whole(&self.waiting);
        if end == 0 {
            return None;
        }
        let rest = self.waiting.split_off(end);
        let bytes = std::mem::replace(&mut self.waiting, rest);
        let dropped = std::mem::take(&mut self.dropped);
        let mut piece = match dropped {
            0 => String::new(),
            dropped => format!("[{dropped} bytes left out]\n"),
        };
        piece.push_str(&String::from_utf8_lossy(&bytes));
        self.due = now + LIVE_OUTPUT_EVERY;
        self.left = self.left.saturating_sub(bytes.len());
        if self.left == 0 {
            piece.push_str("\n[what follows is told by the result]");
            self.waiting.clear();
        }
        Some(piece)
    }
}

/// Where the last whole character ends; everything, if what follows can be none.
fn whole(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // A wrong byte before the end hides an open one behind it, which then shows as wrong, too.
        Ok(_) | Err(_) => bytes.len(),
    }
}

impl Listener for Live {
    fn hear(&self, piece: &[u8]) {
        let mut heard = self.heard();
        if heard.left == 0 {
            return;
        }
        heard.waiting.extend_from_slice(piece);
        let over = heard.waiting.len().saturating_sub(LIVE_PIECE_BYTES_MAX.min(heard.left));
        heard.waiting.drain(..over);
        heard.dropped += over;
        drop(heard);
        self.more.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn pieces_are_gathered_and_a_flood_is_cut() {
        let live = Live::new();
        live.hear(b"one ");
        live.hear("t\u{e4}".as_bytes().get(..2).unwrap());
        assert_eq!(live.next().await, "one t");
        let begun = Instant::now();
        live.hear(&"\u{e4}".as_bytes()[1..]);
        live.hear(b"wo");
        assert_eq!(live.next().await, "\u{e4}wo");
        assert_eq!(begun.elapsed(), LIVE_OUTPUT_EVERY, "not sooner");
        live.hear(&vec![b'x'; LIVE_PIECE_BYTES_MAX + 5]);
        let flood = live.next().await;
        assert!(flood.starts_with("[5 bytes left out]\nxxx") && flood.len() < LIVE_PIECE_BYTES_MAX + 40);
        let mut shown = flood.len();
        for _ in 0..100 {
            live.hear(&vec![b'y'; LIVE_PIECE_BYTES_MAX]);
            match tokio::time::timeout(Duration::from_secs(5), live.next()).await {
                Ok(piece) => shown += piece.len(),
                Err(_silence) => break,
            }
        }
        assert!(shown < LIVE_OUTPUT_BYTES_MAX + 200, "{shown}");
        let nothing = tokio::time::timeout(Duration::from_secs(60), live.next()).await;
        assert!(nothing.is_err(), "the result tells the rest");
    }
}

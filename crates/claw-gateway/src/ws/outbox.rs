//! What waits to be sent on one socket.
//!
//! Bounded by frames and bytes. Whoever has more text of a run waits with it while the box is half
//! full, so that deltas coalesce instead of being lost; when it is full all the same, the reader is
//! too slow and the socket closes with 1013: what it missed can be read from the store.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use claw_wire::ws::frame;
use serde::Serialize;
use tokio::sync::Notify;

use super::handshake::Close;
use crate::limits::{OUTBOX_BYTES_MAX, OUTBOX_FRAMES_MAX};

/// The next thing to do with the socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this text.
    Frame(String),
    /// Close it; nothing follows.
    Close(Close),
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<String>,
    bytes: usize,
    /// The number of the last event.
    seq: u64,
    close: Option<Close>,
}

/// The frames of one socket. Shared by the calls of that socket.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

impl Outbox {
    /// Adds an answer.
    pub(crate) fn push(&self, frame: String) {
        self.add(self.waiting(), frame);
    }

    /// Adds an event with the socket's next number.
    pub(crate) fn event(&self, name: &str, payload: &impl Serialize) {
        let json = frame::to_json(payload);
        let mut waiting = self.waiting();
        waiting.seq += 1;
        let frame = frame::event(name, &json, Some(waiting.seq));
        self.add(waiting, frame);
    }

    /// Closes the socket after what waits already; the first reason counts.
    pub(crate) fn close(&self, close: Close) {
        self.waiting().close.get_or_insert(close);
        self.filled.notify_one();
    }

    /// Whether more deltas are welcome.
    pub(crate) fn has_room(&self) -> bool {
        let waiting = self.waiting();
        waiting.frames.len() * 2 <= OUTBOX_FRAMES_MAX && waiting.bytes * 2 <= OUTBOX_BYTES_MAX
    }

    /// Waits for the next thing to send. Cancel-safe.
    pub(crate) async fn next(&self) -> Next {
        loop {
            let filled = self.filled.notified();
            if let Some(next) = self.take() {
                return next;
            }
            filled.await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut waiting = self.waiting();
        if let Some(frame) = waiting.frames.pop_front() {
            waiting.bytes -= frame.len();
            return Some(Next::Frame(frame));
        }
        waiting.close.map(Next::Close)
    }

    fn add(&self, mut waiting: MutexGuard<'_, Waiting>, frame: String) {
        if waiting.close.is_some() {
            return;
        }
        if waiting.frames.len() >= OUTBOX_FRAMES_MAX || waiting.bytes + frame.len() > OUTBOX_BYTES_MAX {
            // What waits would not be read either; the close must not wait behind it.
            waiting.frames.clear();
            waiting.bytes = 0;
            waiting.close = Some(Close { code: 1013, reason: "slow consumer" });
        } else {
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_out_in_order_and_events_are_numbered() {
        let outbox = Outbox::default();
        outbox.push("a".into());
        outbox.event("tick", &1);
        outbox.event("tick", &2);
        outbox.close(Close { code: 1012, reason: "service restart" });
        outbox.push("late".into());
        assert_eq!(outbox.next().await, Next::Frame("a".into()));
        assert_eq!(outbox.next().await, Next::Frame(r#"{"type":"event","event":"tick","payload":1,"seq":1}"#.into()));
        assert_eq!(outbox.next().await, Next::Frame(r#"{"type":"event","event":"tick","payload":2,"seq":2}"#.into()));
        assert_eq!(outbox.next().await, Next::Close(Close { code: 1012, reason: "service restart" }));
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_let_go_with_1013() {
        let outbox = Outbox::default();
        assert!(outbox.has_room());
        for _ in 0..=OUTBOX_FRAMES_MAX / 2 {
            outbox.push("x".into());
        }
        assert!(!outbox.has_room());
        for _ in 0..OUTBOX_FRAMES_MAX {
            outbox.push("x".into());
        }
        assert_eq!(outbox.next().await, Next::Close(Close { code: 1013, reason: "slow consumer" }));
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let outbox = Outbox::default();
        outbox.push("x".repeat(OUTBOX_BYTES_MAX));
        assert!(!outbox.has_room());
        outbox.push("x".into());
        assert_eq!(outbox.next().await, Next::Close(Close { code: 1013, reason: "slow consumer" }));
    }
}

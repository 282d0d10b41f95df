//! What waits to be sent on one socket.
//!
//! Bounded by frames and bytes. Whoever has more text of a run waits with it while the box is half
//! full, so that deltas coalesce instead of being lost; when it is full all the same, the reader is
//! too slow and the socket closes with 1013: what it missed can be read from the store.
//!
//! An event gets the connection's number when it leaves. So news that stands for a state
//! (`presence`, `health`) can take the place of older news that still waits, and no number is
//! missing; and an event for everybody waits here as one shared payload, not as a copy each.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use claw_wire::error::FrameError;
use claw_wire::ws::dialect_c;
use claw_wire::ws::frame::{self, FrameId, StateVersion};
use claw_wire::ws::notice::{Dialect, Notice, Outgoing};
use futures::task::AtomicWaker;
use serde::Serialize;
use serde_json::value::RawValue;

use super::handshake::Close;
use super::stage::Shared;
use crate::limits::{OUTBOX_BYTES_MAX, OUTBOX_FRAMES_MAX};

/// The next thing to do with the socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this text.
    Frame(String),
    /// Close it; nothing follows.
    Close(Close),
}

/// How a socket wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Voice {
    pub(crate) dialect: Dialect,
    /// Whether it is one of OpenClaw's own programs.
    pub(crate) is_stock: bool,
}

#[derive(Debug)]
enum Frame {
    Text(String),
    Event { name: &'static str, payload: String },
    Shared(Arc<Shared>),
}

impl Frame {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Event { name: _, payload } => payload.len(),
            Self::Shared(shared) => shared.payload().len(),
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The number of the last event.
    seq: u64,
    close: Option<Close>,
}

/// The frames of one socket. Shared by the calls of that socket.
#[derive(Debug)]
pub(crate) struct Outbox {
    voice: Voice,
    waiting: Mutex<Waiting>,
    filled: AtomicWaker,
}

impl Outbox {
    /// An empty one.
    pub(crate) fn new(voice: Voice) -> Self {
        Self { voice, waiting: Mutex::default(), filled: AtomicWaker::new() }
    }

    /// Adds a frame as it is.
    pub(crate) fn push(&self, frame: String) {
        self.add(self.waiting(), Frame::Text(frame));
    }

    /// Adds a good answer.
    pub(crate) fn answer(&self, id: &FrameId, payload: &impl Serialize) {
        self.push(match self.voice.dialect {
            Dialect::B => frame::answer(id, payload),
            Dialect::C => {
                let payload = RawValue::from_string(frame::to_json(payload)).expect("what was just written is JSON");
                dialect_c::answer(id, &payload)
            }
        });
    }

    /// Adds a good answer that is JSON already.
    pub(crate) fn answer_json(&self, id: &FrameId, payload: &RawValue) {
        self.push(match self.voice.dialect {
            Dialect::B => frame::answer_json(id, payload),
            Dialect::C => dialect_c::answer(id, payload),
        });
    }

    /// Adds a refusal; both dialects have the same.
    pub(crate) fn refuse(&self, id: &FrameId, error: &FrameError) {
        self.push(frame::refusal(id, error));
    }

    /// Tells something in the socket's own words, if it has words for it.
    pub(crate) fn tell(&self, notice: &Notice<'_>) {
        for outgoing in self.voice.dialect.frames(notice) {
            let frame = match outgoing {
                Outgoing::Event(name, payload) => Frame::Event { name, payload },
                Outgoing::Text(text) => Frame::Text(text),
            };
            self.add(self.waiting(), frame);
        }
    }

    /// Tells what everybody is told; of it dialect C has a word for tasks only.
    pub(crate) fn share(&self, shared: &Arc<Shared>) {
        if self.voice.dialect == Dialect::C {
            if shared.task().is_some() {
                self.push(dialect_c::push_json(shared.event(), shared.payload()));
            }
            return;
        }
        let mut waiting = self.waiting();
        if shared.is_state() {
            let is_older = |frame: &Frame| matches!(frame, Frame::Shared(older) if older.event() == shared.event());
            if let Some(place) = waiting.frames.iter().rposition(is_older) {
                let older = waiting.frames.remove(place);
                waiting.bytes -= older.map_or(0, |older| older.bytes());
            }
        }
        self.add(waiting, Frame::Shared(Arc::clone(shared)));
    }

    /// Closes the socket after what waits already; the first reason counts.
    pub(crate) fn close(&self, close: Close) {
        self.waiting().close.get_or_insert(close);
        self.filled.wake();
    }

    /// Whether more deltas are welcome.
    pub(crate) fn has_room(&self) -> bool {
        let waiting = self.waiting();
        waiting.frames.len() * 2 <= OUTBOX_FRAMES_MAX && waiting.bytes * 2 <= OUTBOX_BYTES_MAX
    }

    /// The next thing to send; if there is none, the caller is woken when there is. One at a time waits.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Next> {
        if let Some(next) = self.take() {
            return Poll::Ready(next);
        }
        self.filled.register(context.waker());
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Whoever waits does so until the result is dropped; then nobody is woken any more.
    pub(crate) const fn listening(&self) -> Listening<'_> {
        Listening(self)
    }

    /// The next thing to send, if it is there.
    fn take(&self) -> Option<Next> {
        let mut waiting = self.waiting();
        let Some(frame) = waiting.frames.pop_front() else { return waiting.close.map(Next::Close) };
        waiting.bytes -= frame.bytes();
        if !matches!(frame, Frame::Text(_)) {
            waiting.seq += 1;
        }
        let seq = Some(waiting.seq);
        drop(waiting);
        Some(Next::Frame(match frame {
            Frame::Text(text) => text,
            Frame::Event { name, payload } => frame::event(name, &payload, seq, None),
            Frame::Shared(shared) => {
                let version = shared.version().map(|version| self.shown(version));
                frame::event(shared.event(), shared.payload(), seq, version)
            }
        }))
    }

    /// A version in the form this client reads (B8).
    fn shown(&self, version: super::stage::Version) -> StateVersion {
        version.shown(self.voice.is_stock)
    }

    fn add(&self, mut waiting: MutexGuard<'_, Waiting>, frame: Frame) {
        if waiting.close.is_some() {
            return;
        }
        let bytes = frame.bytes();
        if waiting.frames.len() >= OUTBOX_FRAMES_MAX || waiting.bytes + bytes > OUTBOX_BYTES_MAX {
            // What waits would not be read either; the close must not wait behind it.
            waiting.frames.clear();
            waiting.bytes = 0;
            waiting.close = Some(Close { code: 1013, reason: "slow consumer" });
        } else {
            waiting.bytes += bytes;
            waiting.frames.push_back(frame);
        }
        drop(waiting);
        self.filled.wake();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody waits for what is sent next.
pub(crate) struct Listening<'a>(&'a Outbox);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        drop(self.0.filled.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::stage::{Audience, Version};

    async fn next(outbox: &Outbox) -> Next {
        std::future::poll_fn(|context| outbox.poll_next(context)).await
    }

    fn outbox(dialect: Dialect) -> Outbox {
        Outbox::new(Voice { dialect, is_stock: true })
    }

    fn shared(event: &'static str, payload: u64, version: Option<Version>) -> Arc<Shared> {
        Arc::new(Shared::new(event, Audience::of(claw_core::Scope::Read), &payload, version))
    }

    #[tokio::test]
    async fn frames_come_out_in_order_and_events_are_numbered() {
        let outbox = outbox(Dialect::B);
        outbox.push("a".into());
        outbox.tell(&Notice::Tick { ts: 1 });
        outbox.share(&shared("heartbeat", 2, None));
        outbox.close(Close { code: 1012, reason: "service restart" });
        outbox.push("late".into());
        assert_eq!(next(&outbox).await, Next::Frame("a".into()));
        let tick = r#"{"type":"event","event":"tick","payload":{"ts":1},"seq":1}"#;
        assert_eq!(next(&outbox).await, Next::Frame(tick.into()));
        let beat = r#"{"type":"event","event":"heartbeat","payload":2,"seq":2}"#;
        assert_eq!(next(&outbox).await, Next::Frame(beat.into()));
        assert_eq!(next(&outbox).await, Next::Close(Close { code: 1012, reason: "service restart" }));
    }

    #[tokio::test]
    async fn a_newer_state_takes_the_place_of_an_older_one_and_no_number_is_missing() {
        let outbox = outbox(Dialect::B);
        outbox.share(&shared("presence", 1, Some(Version { presence: 1, health: 1 })));
        outbox.tell(&Notice::Tick { ts: 1 });
        outbox.share(&shared("presence", 2, Some(Version { presence: 2, health: 1 })));
        let tick = r#"{"type":"event","event":"tick","payload":{"ts":1},"seq":1}"#;
        assert_eq!(next(&outbox).await, Next::Frame(tick.into()));
        let presence =
            r#"{"type":"event","event":"presence","payload":2,"seq":2,"stateVersion":{"presence":2,"health":1}}"#;
        assert_eq!(next(&outbox).await, Next::Frame(presence.into()));
        assert_eq!(outbox.take(), None);
    }

    #[tokio::test]
    async fn a_socket_of_dialect_c_hears_its_own_words_only() {
        let outbox = outbox(Dialect::C);
        outbox.share(&shared("presence", 1, None));
        outbox.tell(&Notice::Tick { ts: 1 });
        let beat = r#"{"type":"heartbeat","data":{"timestamp":1,"status":"ok"}}"#;
        assert_eq!(next(&outbox).await, Next::Frame(beat.into()));
        assert_eq!(outbox.take(), None);
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_let_go_with_1013() {
        let outbox = outbox(Dialect::B);
        assert!(outbox.has_room());
        for _ in 0..=OUTBOX_FRAMES_MAX / 2 {
            outbox.push("x".into());
        }
        assert!(!outbox.has_room());
        for _ in 0..OUTBOX_FRAMES_MAX {
            outbox.push("x".into());
        }
        assert_eq!(next(&outbox).await, Next::Close(Close { code: 1013, reason: "slow consumer" }));
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let outbox = outbox(Dialect::B);
        outbox.push("x".repeat(OUTBOX_BYTES_MAX));
        assert!(!outbox.has_room());
        outbox.push("x".into());
        assert_eq!(next(&outbox).await, Next::Close(Close { code: 1013, reason: "slow consumer" }));
    }
}

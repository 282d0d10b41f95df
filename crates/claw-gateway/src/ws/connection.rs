//! An authenticated socket: one future that waits for everything that can happen to it.
//!
//! Calls run inside it, not beside it: when the socket ends, whoever waited for it ends too, while
//! the runs that were started go on. A slow reader fills its outbox and nothing else.

use std::sync::Arc;

use claw_app::notice::TaskNotice;
use claw_core::Scope;
use claw_wire::error::FrameError;
use claw_wire::ws::frame::{self, Request};
use claw_wire::ws::gateway::{Shutdown, Tick};
use claw_wire::ws::tasks::TaskChanged;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{SinkExt, StreamExt};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::Message;

use super::handshake::{Close, Effect, Handshake};
use super::opening::{Incoming, of_error, of_message, say_goodbye};
use super::outbox::{Next, Outbox};
use super::{Socket, methods};
use crate::auth::Caller;
use crate::doors::Doors;
use crate::limits::{CALLS_MAX, RECHECK};

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// What it may do.
    pub(crate) caller: Caller,
    /// The protocol it speaks.
    pub(crate) protocol: u32,
    /// Whether it wants to hear of tools.
    pub(crate) wants_tool_events: bool,
}

/// What the calls of one socket share.
pub(crate) struct Line {
    pub(crate) doors: Arc<Doors>,
    pub(crate) peer: Peer,
    pub(crate) outbox: Outbox,
}

type Calls = FuturesUnordered<BoxFuture<'static, ()>>;

/// Serves a socket to its end.
pub(crate) async fn run(doors: &Arc<Doors>, socket: Socket, mut handshake: Handshake, peer: Peer) {
    let line = Arc::new(Line { doors: Arc::clone(doors), peer, outbox: Outbox::default() });
    let (mut sink, mut stream) = socket.split();
    let close = {
        let writer = write(&mut sink, &line.outbox);
        tokio::pin!(writer);
        let mut calls = Calls::new();
        let mut notices = doors.app.notices();
        let mut tick = interval(doors.settings.tick_interval);
        let mut recheck = interval(RECHECK);
        let mut is_told = false;
        loop {
            tokio::select! {
                close = &mut writer => break close,
                message = stream.next() => match message.map(|message| message.map(of_message)) {
                    Some(Ok(Incoming::Text(text))) => receive(&line, &mut handshake, &mut calls, &text),
                    Some(Ok(Incoming::Nothing)) => {}
                    Some(Ok(Incoming::Close)) | None => break None,
                    // The library reads nothing after an error, so there is nothing to wait for.
                    Some(Err(error)) => break Some(of_error(&error)),
                },
                Some(()) = calls.next() => {}
                notice = notices.recv() => match notice {
                    Ok(notice) => tell(&line, &notice),
                    Err(RecvError::Lagged(missed)) => tracing::debug!("a socket missed {missed} task notices"),
                    Err(RecvError::Closed) => line.outbox.close(Close { code: 1012, reason: "service restart" }),
                },
                _moment = tick.tick() => line.outbox.event("tick", &Tick { ts: doors.app.now().millis() }),
                _moment = recheck.tick() => {
                    if !doors.gate.still_admits(&line.peer.caller).await {
                        line.outbox.close(Close { code: 1008, reason: "credential revoked" });
                    }
                }
                () = doors.stop.cancelled(), if !is_told => {
                    is_told = true;
                    line.outbox.event("shutdown", &Shutdown { reason: "gateway stopping", restart_expected_ms: None });
                    line.outbox.close(Close { code: 1012, reason: "service restart" });
                }
            }
        }
    };
    let Ok(mut socket) = sink.reunite(stream) else { return };
    match close {
        Some(close) => say_goodbye(socket, close).await,
        // The client closed or is gone; the answer to its close is on its way.
        None => drop(socket.close(None).await),
    }
}

fn interval(period: std::time::Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Sends what waits until there is a reason to close; nothing when the socket is broken.
async fn write<S>(sink: &mut S, outbox: &Outbox) -> Option<Close>
where
    S: futures::Sink<Message> + Unpin,
{
    loop {
        match outbox.next().await {
            Next::Close(close) => return Some(close),
            Next::Frame(text) => sink.send(Message::text(text)).await.ok()?,
        }
    }
}

fn receive(line: &Arc<Line>, handshake: &mut Handshake, calls: &mut Calls, text: &str) {
    match handshake.receive(text) {
        Effect::Ignore | Effect::Verify(_) => {}
        Effect::Answer(answer) => line.outbox.push(answer),
        Effect::Refuse(refusal) => line.outbox.close(refusal.close),
        Effect::Call(request) => match call(line, calls.len(), &request) {
            Ok(started) => calls.push(started),
            Err(error) => line.outbox.push(frame::refusal(&request.id, &error)),
        },
    }
}

fn call(line: &Arc<Line>, running: usize, request: &Request<'_>) -> Result<BoxFuture<'static, ()>, FrameError> {
    if running >= CALLS_MAX {
        let error = FrameError::new("UNAVAILABLE", format!("{CALLS_MAX} calls of this socket are in progress already"));
        return Err(FrameError { retryable: Some(true), ..error });
    }
    methods::dispatch(line, request)
}

/// Shows a task's new state to whoever may see it.
fn tell(line: &Line, notice: &TaskNotice) {
    let principal = line.peer.caller.principal();
    if !principal.scopes.allows(Scope::Read) || !principal.visibility().sees(&notice.owner) {
        return;
    }
    let TaskNotice { id, owner: _, session, state, attempt, at } = notice;
    let changed = TaskChanged {
        id: id.to_string(),
        run_id: id.as_run(),
        status: state.as_str(),
        attempt: *attempt,
        session_key: session.as_str(),
        ts: at.millis(),
    };
    // News can be read again; a box that is half full is kept for answers.
    if line.outbox.has_room() {
        line.outbox.event("task", &changed);
    }
}

//! An authenticated socket: one future that waits for everything that can happen to it.
//!
//! Calls run inside it, not beside it: when the socket ends, whoever waited for it ends too, while
//! the runs that were started go on. A slow reader fills its outbox and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use claw_app::notice::TaskNotice;
use claw_core::Scope;
use claw_core::task::StateName;
use claw_wire::error::FrameError;
use claw_wire::ws::connect::{ClientInfo, ConnectParams};
use claw_wire::ws::frame::Request;
use claw_wire::ws::gateway::Shutdown;
use claw_wire::ws::notice::{Dialect, Notice};
use claw_wire::ws::system::PresenceEntry;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{SinkExt, StreamExt};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::Message;

use super::handshake::{Close, Effect, Handshake};
use super::opening::{Incoming, answer_close, of_error, of_message, say_goodbye};
use super::outbox::{Next, Outbox, Voice};
use super::stage::{Present, Shared};
use super::viewed::Viewed;
use super::{Socket, Visitor, methods, relay};
use crate::auth::Caller;
use crate::doors::Doors;
use crate::limits::{CALLS_MAX, RECHECK};

/// Frames sent before they are flushed together.
const FLUSH_FRAMES: usize = 64;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// What it may do.
    pub(crate) caller: Caller,
    /// The protocol it speaks.
    pub(crate) protocol: u32,
    /// How it wants to be spoken to.
    pub(crate) voice: Voice,
    /// Whether it wants to hear of tools.
    pub(crate) wants_tool_events: bool,
    /// What it says of itself.
    pub(crate) client: ClientInfo,
    /// Where it comes from.
    address: std::net::IpAddr,
}

impl Peer {
    /// A client that said `connect`.
    pub(crate) fn of_b(visitor: &Visitor, caller: Caller, protocol: u32, params: ConnectParams) -> Self {
        let voice = Voice { dialect: Dialect::B, is_stock: params.is_stock_client() };
        let wants_tool_events = params.wants_tool_events();
        let client = params.client.unwrap_or_default();
        Self { caller, protocol, voice, wants_tool_events, client, address: visitor.client.address }
    }

    /// A client of dialect C, which says nothing of itself; tools are part of its contract (C11).
    pub(crate) fn of_c(visitor: &Visitor, caller: Caller) -> Self {
        let voice = Voice { dialect: Dialect::C, is_stock: false };
        let (client, address) = (ClientInfo::default(), visitor.client.address);
        Self { caller, protocol: 3, voice, wants_tool_events: true, client, address }
    }

    /// As it is shown in presence.
    fn entry(&self, at: claw_core::Timestamp) -> PresenceEntry {
        let ClientInfo { id, version, platform, mode, display_name, device_family, model_identifier, instance_id } =
            self.client.clone();
        let short = |value: Option<String>| value.map(|value| value.chars().take(120).collect::<String>());
        let host = short(display_name.or(id));
        let name = host.as_deref().unwrap_or("client");
        let mode = short(mode);
        let text = format!("Node: {name} · mode {}", mode.as_deref().unwrap_or("operator"));
        PresenceEntry {
            ip: Some(self.address.to_string()),
            version: short(version),
            platform: short(platform),
            device_family: short(device_family),
            model_identifier: short(model_identifier),
            instance_id: short(instance_id),
            roles: vec!["operator"],
            scopes: self.caller.principal().scopes.iter().map(Scope::name).collect(),
            reason: Some("connect"),
            mode,
            ..PresenceEntry { host, ..PresenceEntry::text(text, at) }
        }
    }
}

/// What the calls of one socket share.
pub(crate) struct Line {
    pub(crate) doors: Arc<Doors>,
    pub(crate) peer: Peer,
    pub(crate) outbox: Outbox,
    /// Conversations and runs it looks at.
    pub(crate) viewed: Viewed,
    /// Whether it asked for news of conversations.
    pub(crate) is_subscribed: AtomicBool,
    _present: Present,
}

impl Line {
    fn new(doors: &Arc<Doors>, peer: Peer) -> Self {
        Self {
            doors: Arc::clone(doors),
            outbox: Outbox::new(peer.voice),
            viewed: Viewed::default(),
            is_subscribed: AtomicBool::new(false),
            _present: doors.stage.enter(peer.entry(doors.app.now())),
            peer,
        }
    }
}

type Calls = FuturesUnordered<BoxFuture<'static, ()>>;

/// Serves a socket to its end; `first` is a frame that was read with the handshake.
pub(crate) async fn run(
    doors: &Arc<Doors>,
    socket: Socket,
    mut handshake: Handshake,
    peer: Peer,
    first: Option<String>,
) {
    let mut news = doors.stage.listen();
    let line = Arc::new(Line::new(doors, peer));
    let (mut sink, mut stream) = socket.split();
    let close = {
        let writer = write(&mut sink, &line.outbox);
        tokio::pin!(writer);
        let mut calls = Calls::new();
        let mut tick = interval(doors.settings.tick_interval);
        let mut recheck = interval(RECHECK);
        let mut is_told = false;
        if let Some(text) = first {
            receive(&line, &mut handshake, &mut calls, &text);
        }
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
                shared = news.recv() => match shared {
                    Ok(shared) => hear(&line, &mut calls, &shared),
                    Err(RecvError::Lagged(missed)) => tracing::debug!("a socket missed {missed} pieces of news"),
                    Err(RecvError::Closed) => line.outbox.close(Close { code: 1012, reason: "service restart" }),
                },
                _moment = tick.tick() => line.outbox.tell(&Notice::Tick { ts: doors.app.now().millis() }),
                _moment = recheck.tick() => {
                    if !doors.gate.still_admits(&line.peer.caller).await {
                        line.outbox.close(Close { code: 1008, reason: "credential revoked" });
                    }
                }
                () = doors.stop.cancelled(), if !is_told => {
                    is_told = true;
                    let shutdown = Shutdown { reason: "gateway stopping", restart_expected_ms: None };
                    line.outbox.tell(&Notice::Shutdown(shutdown));
                    line.outbox.close(Close { code: 1012, reason: "service restart" });
                }
            }
        }
    };
    let Ok(socket) = sink.reunite(stream) else { return };
    match close {
        Some(close) => say_goodbye(socket, close).await,
        // The client closed or is gone.
        None => answer_close(socket).await,
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
    let mut next = outbox.next().await;
    loop {
        let mut unflushed = 0;
        loop {
            match next {
                Next::Close(close) => {
                    sink.flush().await.ok()?;
                    return Some(close);
                }
                Next::Frame(text) => sink.feed(Message::text(text)).await.ok()?,
            }
            unflushed += 1;
            if unflushed == FLUSH_FRAMES {
                break;
            }
            match outbox.take() {
                Some(more) => next = more,
                None => break,
            }
        }
        sink.flush().await.ok()?;
        next = outbox.next().await;
    }
}

fn receive(line: &Arc<Line>, handshake: &mut Handshake, calls: &mut Calls, text: &str) {
    match handshake.receive(text) {
        Effect::Ignore | Effect::Verify(_) | Effect::Enter => {}
        Effect::Answer(answer) => line.outbox.push(answer),
        Effect::Refuse(refusal) => line.outbox.close(refusal.close),
        Effect::Call(request) => match call(line, calls.len(), &request) {
            Ok(started) => calls.push(started),
            Err(error) => line.outbox.refuse(&request.id, &error),
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

/// Passes news on, to whom it may concern; a run that begins in a conversation in view is shown.
fn hear(line: &Arc<Line>, calls: &mut Calls, shared: &Arc<Shared>) {
    let is_subscribed = line.is_subscribed.load(Ordering::Relaxed);
    if !shared.audience().has(line.peer.caller.principal(), is_subscribed) {
        return;
    }
    if let Some(notice) = shared.task()
        && let Some(watch) = watch(line, notice)
        && calls.len() < CALLS_MAX
    {
        calls.push(watch);
    }
    // News can be read again; a box that is half full is kept for answers.
    if line.outbox.has_room() {
        line.outbox.share(shared);
    }
}

/// Shows somebody else's run, if it is in view and nobody here shows it already.
fn watch(line: &Arc<Line>, notice: &TaskNotice) -> Option<BoxFuture<'static, ()>> {
    if notice.state != StateName::Running || !line.viewed.has(&notice.session) {
        return None;
    }
    let (line, notice) = (Arc::clone(line), notice.clone());
    Some(Box::pin(async move { relay::watch(&line, &notice).await }))
}

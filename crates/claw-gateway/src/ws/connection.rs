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
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior};

use super::handshake::{Close, Effect, Handshake};
use super::opening::{Ready, answer_close, say_goodbye};
use super::outbox::{Outbox, Voice};
use super::pipe::Turn;
use super::stage::{News, Present, Shared};
use super::viewed::Viewed;
use super::{Visitor, methods, relay};
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

    /// Closes the socket if what let it in does not count any more (G12).
    async fn recheck(&self) {
        if !self.doors.gate.still_admits(&self.peer.caller).await {
            self.outbox.close(Close { code: 1008, reason: "credential revoked" });
        }
    }
}

type Calls = FuturesUnordered<BoxFuture<'static, ()>>;

/// Serves a socket to its end.
pub(crate) async fn run(doors: &Arc<Doors>, ready: Ready) {
    let Ready { mut pipe, handshake, peer, first } = ready;
    let mut news = doors.stage.listen(|| doors.app.notices());
    let line = Arc::new(Line::new(doors, *peer));
    let mut desk = Desk { line: Arc::clone(&line), handshake, calls: Calls::new() };
    let mut tick = interval(doors.settings.tick_interval);
    let mut recheck = interval(RECHECK);
    let must_ask = doors.gate.must_ask_again(&line.peer.caller);
    let stop = doors.stop.cancelled();
    tokio::pin!(stop);
    let mut is_told = false;
    if let Some(text) = first {
        desk.receive(&text);
    }
    let close = loop {
        // A reader that stalls is not woken for what it would not read: news waits, and what it
        // misses can be read again; a box that is half full is kept for answers.
        let has_room = line.outbox.has_room();
        tokio::select! {
            // The socket last: news ends when the box is half full, the others when they were heard,
            // but a client that never stops talking does not keep them waiting.
            biased;
            heard = news.recv(), if has_room => match heard {
                Ok(News::Shared(shared)) => desk.hear(&shared),
                Ok(News::CredentialsChanged) => line.recheck().await,
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!("a socket missed {missed} pieces of news");
                    line.recheck().await;
                }
                Err(RecvError::Closed) => break Some(Close { code: 1012, reason: "service restart" }),
            },
            _moment = tick.tick() => line.outbox.tell(&Notice::Tick { ts: doors.app.now().millis() }),
            _moment = recheck.tick(), if must_ask || !has_room => line.recheck().await,
            () = &mut stop, if !is_told => {
                is_told = true;
                let shutdown = Shutdown { reason: "gateway stopping", restart_expected_ms: None };
                line.outbox.tell(&Notice::Shutdown(shutdown));
                line.outbox.close(Close { code: 1012, reason: "service restart" });
            }
            Some(()) = desk.calls.next() => {}
            turn = pipe.turn(&line.outbox) => match turn {
                Turn::Text(text) => desk.receive(&text),
                Turn::Relieved => {}
                Turn::Ended(close) => break close,
            },
        }
    };
    let socket = pipe.into_socket();
    match close {
        Some(close) => Box::pin(say_goodbye(socket, close)).await,
        // The client closed or is gone.
        None => Box::pin(answer_close(socket)).await,
    }
}

fn interval(period: std::time::Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Where a socket's frames and news arrive.
struct Desk {
    line: Arc<Line>,
    handshake: Handshake,
    calls: Calls,
}

impl Desk {
    fn receive(&mut self, text: &str) {
        let outbox = &self.line.outbox;
        match self.handshake.receive(text) {
            Effect::Ignore | Effect::Verify(_) | Effect::Enter => {}
            Effect::Answer(answer) => outbox.push(answer),
            Effect::Refuse(refusal) => outbox.close(refusal.close),
            Effect::Call(request) => match call(&self.line, self.calls.len(), &request) {
                Ok(unfinished) => self.calls.extend(unfinished),
                Err(error) => outbox.refuse(&request.id, &error),
            },
        }
    }

    /// Passes news on, to whom it may concern; a run that begins in a conversation in view is shown.
    fn hear(&mut self, shared: &Arc<Shared>) {
        let line = &self.line;
        let is_subscribed = line.is_subscribed.load(Ordering::Relaxed);
        if !shared.audience().has(line.peer.caller.principal(), is_subscribed) {
            return;
        }
        if let Some(notice) = shared.task()
            && let Some(watch) = watch(line, notice)
            && self.calls.len() < CALLS_MAX
        {
            self.calls.push(watch);
        }
        line.outbox.share(shared);
    }
}

/// Starts a call; gives what is left of it when it has to wait for something.
fn call(line: &Arc<Line>, running: usize, request: &Request<'_>) -> Result<Option<BoxFuture<'static, ()>>, FrameError> {
    if running >= CALLS_MAX {
        let error = FrameError::new("UNAVAILABLE", format!("{CALLS_MAX} calls of this socket are in progress already"));
        return Err(FrameError { retryable: Some(true), ..error });
    }
    methods::dispatch(line, request)
}

/// Shows somebody else's run, if it is in view and nobody here shows it already.
fn watch(line: &Arc<Line>, notice: &TaskNotice) -> Option<BoxFuture<'static, ()>> {
    if notice.state != StateName::Running || !line.viewed.has(&notice.session) {
        return None;
    }
    let (line, notice) = (Arc::clone(line), notice.clone());
    Some(Box::pin(async move { relay::watch(&line, &notice).await }))
}

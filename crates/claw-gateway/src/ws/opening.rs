//! The first seconds of a socket: challenge, `connect`, hello – or the last word and a close code.
//!
//! Obeys [`Handshake`]; the socket is not split yet, and what it may send is limited. A socket whose
//! upgrade proved who it is hears `connected` as well (C7) and may take its time: whether it speaks B
//! or C shows with its first frame, and until then nothing else is pushed (K3).
//!
//! What only these seconds need is in futures of their own on the heap, so that an idle socket does
//! not carry it along.

use std::sync::Arc;
use std::time::Duration;

use claw_app::devices::Issued;
use claw_core::{Scope, Scopes, Visibility};
use claw_wire::ws::connect::{
    Challenge, ConnectParams, Features, Granted, HelloOk, Policy, Server, SessionDefaults, Snapshot,
};
use claw_wire::ws::dialect_c::{self, CAPABILITIES, Connected};
use claw_wire::ws::frame;
use claw_wire::ws::{EVENTS, FEATURES};
use futures::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::bytes::Bytes;

use super::connection::Peer;
use super::handshake::{Close, Effect, Handshake, Hello, Refusal};
use super::pipe::Pipe;
use super::{Socket, Visitor, intake, methods};
use crate::auth::{Admission, Caller, Denied, device};
use crate::doors::Doors;
use crate::error::millis;
use crate::limits::{FRAME_BYTES_MAX, OUTBOX_BYTES_MAX, RECHECK};
use crate::view;

/// How long a closed socket's remaining input is read, so that the close code is not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);
/// How much of it.
const LINGER_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// How long the last frames may take to leave.
const FAREWELL: Duration = Duration::from_secs(5);

/// Leads a socket through its handshake; whoever is not let in has heard why when nothing is given back.
pub(crate) async fn open(
    doors: &Arc<Doors>,
    mut socket: Socket,
    visitor: Visitor,
    permit: OwnedSemaphorePermit,
) -> Option<Ready> {
    let is_known = visitor.caller.is_some();
    let mut handshake = Handshake::new(is_known);
    let permit = Some(permit).filter(|_| !is_known);
    if is_known {
        socket.get_mut().trust();
    }
    let refusal = tokio::select! {
        opened = greet(doors, &mut socket, &visitor, &mut handshake) => match opened {
            Ok(Opened { peer, first }) => {
                drop(permit);
                socket.get_mut().trust();
                return Some(Ready { pipe: Box::new(Pipe::new(socket)), handshake, peer: Box::new(peer), first });
            }
            Err(refusal) => refusal,
        },
        close = impatience(doors, &visitor) => handshake.give_up(close),
        () = doors.stop.cancelled() => handshake.give_up(Close { code: 1012, reason: "service restart" }),
    };
    let Refusal { answer, close } = refusal;
    tracing::debug!("a socket was not let in: {} {}", close.code, close.reason);
    if let Some(answer) = answer {
        let _gone = tokio::time::timeout(FAREWELL, socket.send(Message::text(answer))).await;
    }
    say_goodbye(socket, close).await;
    None
}

/// Ends when a socket may not wait any longer: its time is up, or its credential does not count any more.
async fn impatience(doors: &Doors, visitor: &Visitor) -> Close {
    let Some(caller) = &visitor.caller else {
        tokio::time::sleep(doors.settings.handshake_deadline).await;
        return Close { code: 1000, reason: "handshake timeout" };
    };
    loop {
        tokio::time::sleep(RECHECK).await;
        if !doors.gate.still_admits(caller).await {
            return Close { code: 1008, reason: "credential revoked" };
        }
    }
}

/// A socket that was let in.
pub(crate) struct Ready {
    pub(crate) pipe: Box<Pipe>,
    pub(crate) handshake: Handshake,
    pub(crate) peer: Box<Peer>,
    /// A frame that was read with the handshake.
    pub(crate) first: Option<Utf8Bytes>,
}

/// Who was let in, and a frame that it has sent by then.
struct Opened {
    peer: Peer,
    first: Option<Utf8Bytes>,
}

/// Closes with a code, and reads on a little so that the code arrives; a client that has closed
/// already gets its answer.
pub(crate) async fn say_goodbye(mut socket: Socket, close: Close) {
    let frame = CloseFrame { code: close.code.into(), reason: close.reason.into() };
    let sent = tokio::time::timeout(FAREWELL, socket.send(Message::Close(Some(frame)))).await;
    if !matches!(sent, Ok(Ok(()))) {
        return answer_close(socket).await;
    }
    socket.get_mut().trust();
    let rest = async {
        // A client that answers the close has heard it, and waits for us to end the connection.
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return;
            }
        }
        // The library reads nothing after an error.
        let intake = socket.get_mut();
        let (mut left, mut buffer) = (LINGER_BYTES_MAX, [0; 4096]);
        while let Ok(count @ 1..) = intake.read(&mut buffer).await {
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
    };
    let _long_enough = tokio::time::timeout(LINGER, rest).await;
}

/// Sends what the library has ready for a client that closed, which is its close with the right code.
pub(crate) async fn answer_close(mut socket: Socket) {
    let answer = async {
        let _ended = SinkExt::close(&mut socket).await;
        // The library counts as sent what it has written.
        socket.get_mut().flush().await
    };
    let _gone = tokio::time::timeout(FAREWELL, answer).await;
}

/// Challenge, `connect`, hello.
async fn greet(
    doors: &Arc<Doors>,
    socket: &mut Socket,
    visitor: &Visitor,
    handshake: &mut Handshake,
) -> Result<Opened, Refusal> {
    let nonce = doors.app.ids().next().hyphenated().to_string();
    let challenge = Challenge { nonce: &nonce, ts: doors.app.now().millis() };
    send(socket, frame::event("connect.challenge", &frame::to_json(&challenge), None, None)).await?;
    if visitor.caller.is_some() {
        let client_id = visitor.id.uuid().hyphenated().to_string();
        let gateway_version = doors.settings.version.as_str();
        let connected = Connected { client_id, gateway_version, capabilities: CAPABILITIES };
        send(socket, dialect_c::push("connected", &connected)).await?;
    }
    loop {
        let text = read(socket).await?;
        match handshake.receive(&text) {
            Effect::Ignore | Effect::Call(_) => {}
            Effect::Answer(answer) => send(socket, answer).await?,
            Effect::Refuse(refusal) => return Err(refusal),
            Effect::Verify(hello) => {
                let peer = verify(doors, socket, visitor, (handshake, &nonce), *hello).await?;
                return Ok(Opened { peer, first: None });
            }
            Effect::Enter => match &visitor.caller {
                Some(caller) => {
                    let peer = Peer::of_c(visitor, caller.clone());
                    return Ok(Opened { peer, first: Some(text) });
                }
                None => return Err(handshake.deny(&Denied::Missing)),
            },
        }
    }
}

async fn verify(
    doors: &Arc<Doors>,
    socket: &mut Socket,
    visitor: &Visitor,
    (handshake, nonce): (&mut Handshake, &str),
    hello: Hello,
) -> Result<Peer, Refusal> {
    let Hello { id, protocol, params } = hello;
    let presented = visitor.presented.clone().with_connect(params.auth.as_ref());
    let identity = match device::verify(&params, nonce, doors.app.now()) {
        Ok(identity) => identity,
        Err(untrusted) => {
            doors.gate.note_device(visitor.client).await;
            return Err(handshake.deny(&untrusted.into()));
        }
    };
    let admitted = doors.gate.admit_connect(&presented, visitor.client, identity.as_ref(), asked(&params)).await;
    let Admission { caller, issued } = match admitted {
        Ok(admission) => admission,
        Err(denied) => return Err(handshake.deny(&denied)),
    };
    handshake.admit();
    let answer = hello_ok(doors, visitor, (&caller, issued.as_ref()), protocol, &params).await;
    send(socket, frame::answer(&id, &answer.as_ref())).await?;
    tracing::debug!(client = params.client.as_ref().and_then(|client| client.id.as_deref()), "a client is connected");
    Ok(Peer::of_b(visitor, caller, protocol, params))
}

/// What the client would like to do, if it says. Words we do not know count as nothing, and no word
/// grants what the credential does not.
fn asked(params: &ConnectParams) -> Option<Scopes> {
    let names = params.scopes.as_ref()?;
    let known = Scope::ALL.into_iter().filter(|scope| names.iter().any(|name| name == scope.name()));
    Some(Scopes::of(&known.collect::<Vec<_>>()))
}

async fn hello_ok(
    doors: &Doors,
    visitor: &Visitor,
    (caller, issued): (&Caller, Option<&Issued>),
    protocol: u32,
    params: &ConnectParams,
) -> Box<RawValue> {
    let may_read = caller.principal().scopes.allows(Scope::Read);
    let health = if may_read {
        view::health_for(doors, caller.principal(), false).await
    } else {
        RawValue::from_string("{}".to_owned()).expect("this is JSON").into()
    };
    let oversees = may_read && caller.principal().visibility() == Visibility::All;
    let presence = if oversees { frame::to_json(&doors.stage.presence()) } else { "[]".to_owned() };
    let presence = RawValue::from_string(presence).expect("what was just written is JSON");
    let hello = HelloOk {
        kind: "hello-ok",
        protocol,
        server: Server { version: &doors.settings.version, conn_id: visitor.id.to_string() },
        features: Features { methods: methods::names(), events: EVENTS, capabilities: FEATURES },
        snapshot: Snapshot {
            presence: &presence,
            health: &health,
            state_version: doors.stage.version().shown(params.is_stock_client()),
            uptime_ms: millis(doors.app.health.uptime()),
            session_defaults: SessionDefaults::of(doors.app.models.default_agent().to_string()),
            auth_mode: doors.gate.mode(),
        },
        auth: Granted {
            method: caller.method(),
            role: "operator",
            scopes: caller.principal().scopes.iter().map(Scope::name).collect(),
            device_token: issued.map(|issued| issued.secret.expose()),
            issued_at_ms: issued.map(|issued| issued.at.millis()),
        },
        policy: Policy {
            max_payload: FRAME_BYTES_MAX,
            max_buffered_bytes: OUTBOX_BYTES_MAX,
            tick_interval_ms: millis(doors.settings.tick_interval),
        },
    };
    RawValue::from_string(frame::to_json(&hello)).expect("what was just written is JSON")
}

async fn send(socket: &mut Socket, text: String) -> Result<(), Refusal> {
    socket.get_mut().inner().put(&text);
    socket.flush().await.map_err(|error| Refusal { answer: None, close: of_error(&error) })
}

async fn read(socket: &mut Socket) -> Result<Utf8Bytes, Refusal> {
    loop {
        let refusal = |close| Refusal { answer: None, close };
        match socket.next().await {
            None => return Err(refusal(Close { code: 1000, reason: "gone" })),
            Some(Err(error)) => return Err(refusal(of_error(&error))),
            Some(Ok(message)) => match of_message(message) {
                Incoming::Text(text) => return Ok(text),
                Incoming::Nothing => {}
                Incoming::Close => return Err(refusal(Close { code: 1000, reason: "gone" })),
            },
        }
    }
}

/// What a message is to us.
pub(crate) enum Incoming {
    Text(Utf8Bytes),
    Nothing,
    Close,
}

/// Binary frames are read like text; what is not UTF-8 is no frame of ours.
pub(crate) fn of_message(message: Message) -> Incoming {
    match message {
        Message::Text(text) => Incoming::Text(text),
        Message::Binary(bytes) => Incoming::Text(lossy(&bytes).into()),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Incoming::Nothing,
        Message::Close(_) => Incoming::Close,
    }
}

fn lossy(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The close code for what went wrong with a socket.
pub(crate) fn of_error(error: &Error) -> Close {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Close { code: 1009, reason: "message too big" },
        Error::Io(error) if intake::is_exceeded(error) => Close { code: 1009, reason: "message too big" },
        Error::Utf8(_) => Close { code: 1007, reason: "invalid UTF-8" },
        Error::Protocol(_) => Close { code: 1002, reason: "protocol error" },
        _ => Close { code: 1011, reason: "socket error" },
    }
}

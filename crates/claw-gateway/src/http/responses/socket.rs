//! `GET /v1/responses` as a WebSocket: `response.create` in, the events of a stream out, one to a frame.
//!
//! One response is made at a time; what comes meanwhile waits, within limits. A response that is not
//! stored can be continued on its own socket. When the socket ends, so does the response that is being
//! made, as with a stream over HTTP. A reader who is slow slows the response down, and is let go when
//! nothing leaves for too long.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claw_app::limiter::Claim;
use claw_core::{ConnectionId, RequestId, Scope, TaskId};
use claw_wire::BadRequest;
use claw_wire::openai::responses::events::{EventWriter, Framing, SocketError};
use claw_wire::openai::responses::request::{CreateFrame, RawFrame, ResponsesRequest};
use claw_wire::openai::responses::response_id;
use futures::{SinkExt, Stream, StreamExt};
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, UPGRADE};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::asked::{self, Asked, Memory};
use super::events::Events;
use crate::auth::Caller;
use crate::auth::presented::Presented;
use crate::doors::Doors;
use crate::error::Problem;
use crate::http::front::{Arrival, is_upgrade};
use crate::http::{body, render, stream};
use crate::limits::{BODY_BYTES_MAX, CREATES_WAITING_MAX, RECHECK, RESPONSES_SOCKET_AGE_MAX, STALLED_MAX};
use crate::ws::{self, Close, Incoming, Opening, Socket};

/// What begins an event that tells of a failure.
const FAILED: &[u8] = b"{\"type\":\"response.failed\"";

/// Lets a client in, before anything is switched.
pub(crate) async fn open(State(doors): State<Arc<Doors>>, request: Request) -> Result<Response, Problem> {
    if !is_upgrade(request.headers()) {
        let message = "GET /v1/responses opens a WebSocket; a response is made with POST, and shown under its id";
        let mut answer = Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", message).into_response();
        answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return Ok(answer);
    }
    let accept = match ws::accept_key(&request)? {
        Opening::Accept(accept) => accept,
        Opening::OtherVersion(answer) => return Ok(answer),
    };
    let presented = Presented::read(request.headers(), request.uri().query());
    let client = request.extensions().get::<Arrival>().ok_or_else(Problem::no_route)?.client;
    let caller = doors.gate.admit_socket(&presented, client).await?;
    if !caller.principal().scopes.allows(Scope::Write) {
        return Err(claw_app::Error::Forbidden(Scope::Write.name()).into());
    }
    let (id, headers) = (ConnectionId::new(doors.app.ids()), request.headers().clone());
    let served = Arc::clone(&doors);
    Ok(ws::switch(&doors, request, (&accept, id, BODY_BYTES_MAX), move |mut socket| async move {
        socket.get_mut().trust();
        let mut line = Line::new(served, caller, headers, socket);
        let close = line.serve().await;
        match close {
            Some(close) => Box::pin(ws::say_goodbye(line.socket, close)).await,
            None => Box::pin(ws::answer_close(line.socket)).await,
        }
    }))
}

/// A response that is being made.
struct Flight {
    events: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    /// What it goes on from.
    previous: Option<String>,
}

/// One socket.
struct Line {
    doors: Arc<Doors>,
    caller: Caller,
    /// Of the upgrade; they name agent and conversation, as with a request.
    headers: HeaderMap,
    socket: Socket,
    recheck: Interval,
    memory: Memory,
    waiting: VecDeque<Utf8Bytes>,
    waiting_bytes: usize,
}

/// What happened.
enum Turn {
    Piece(Option<Bytes>),
    Frame(Option<Result<Message, tokio_tungstenite::tungstenite::Error>>),
    Recheck,
    Aged,
    Stop,
}

impl Line {
    fn new(doors: Arc<Doors>, caller: Caller, headers: HeaderMap, socket: Socket) -> Self {
        let mut recheck = tokio::time::interval_at(Instant::now() + RECHECK, RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (memory, waiting) = (Memory::default(), VecDeque::new());
        Self { doors, caller, headers, socket, recheck, memory, waiting, waiting_bytes: 0 }
    }

    /// Serves it to its end; a reason to close it with, if there is somebody to tell.
    async fn serve(&mut self) -> Option<Close> {
        let mut flight: Option<Flight> = None;
        let age = tokio::time::sleep(RESPONSES_SOCKET_AGE_MAX);
        tokio::pin!(age);
        let doors = Arc::clone(&self.doors);
        loop {
            if flight.is_none()
                && let Some(text) = self.waiting.pop_front()
            {
                self.waiting_bytes -= text.len();
                match self.begin(text).await {
                    Ok(begun) => flight = begun,
                    Err(close) => return close,
                }
                continue;
            }
            let turn = tokio::select! {
                piece = next(&mut flight), if flight.is_some() => Turn::Piece(piece),
                frame = self.socket.next() => Turn::Frame(frame),
                _moment = self.recheck.tick() => Turn::Recheck,
                () = &mut age => Turn::Aged,
                () = doors.stop.cancelled() => Turn::Stop,
            };
            let told = match turn {
                Turn::Piece(None) => {
                    flight = None;
                    Ok(())
                }
                Turn::Piece(Some(piece)) => {
                    let previous = flight.as_ref().and_then(|flight| flight.previous.clone());
                    self.pass_on(&piece, previous).await
                }
                Turn::Frame(None) => return None,
                Turn::Frame(Some(Err(error))) => return Some(ws::of_error(&error)),
                Turn::Frame(Some(Ok(message))) => match ws::of_message(message) {
                    Incoming::Text(text) => self.take(text).await,
                    Incoming::Nothing => Ok(()),
                    Incoming::Close => return None,
                },
                Turn::Recheck => still_admitted(&doors, &self.caller).await,
                Turn::Aged => {
                    let minutes = RESPONSES_SOCKET_AGE_MAX.as_secs() / 60;
                    let message = format!("a socket is open for at most {minutes} minutes; open another one");
                    let problem = Problem::new(StatusCode::BAD_REQUEST, "websocket_connection_limit_reached", message);
                    let _gone = self.refuse(&problem).await;
                    return Some(Close { code: 1000, reason: "connection limit reached" });
                }
                Turn::Stop => return Some(Close { code: 1012, reason: "service restart" }),
            };
            if let Err(close) = told {
                return close;
            }
        }
    }

    /// Keeps a frame until its turn comes.
    async fn take(&mut self, text: Utf8Bytes) -> Result<(), Option<Close>> {
        if self.waiting.len() >= CREATES_WAITING_MAX || self.waiting_bytes + text.len() > BODY_BYTES_MAX {
            let message = format!("{CREATES_WAITING_MAX} responses wait on this socket already, or too many bytes");
            return self.refuse(&Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message)).await;
        }
        self.waiting_bytes += text.len();
        self.waiting.push_back(text);
        Ok(())
    }

    /// Begins what a frame asks for, or says why not.
    async fn begin(&mut self, text: Utf8Bytes) -> Result<Option<Flight>, Option<Close>> {
        match self.create(text).await {
            Ok(Begun::Flight(flight)) => Ok(Some(flight)),
            Ok(Begun::Told(events)) => self.pass_on(&events, None).await.map(|()| None),
            Err((problem, previous)) => {
                self.memory.forget(previous.as_deref());
                self.refuse(&problem).await.map(|()| None)
            }
        }
    }

    async fn create(&mut self, text: Utf8Bytes) -> Result<Begun, (Problem, Option<String>)> {
        let bytes = Bytes::from(text);
        let frame: Result<RawFrame, BadRequest> = body::parse(bytes.clone()).await;
        let frame = frame.and_then(CreateFrame::try_from).map_err(|bad| (Problem::from(bad), None))?;
        let CreateFrame { generate, previous } = frame;
        let blame = |problem: Problem| (problem, previous.clone());
        let request: ResponsesRequest = body::parse(bytes).await.map_err(|bad: BadRequest| blame(bad.into()))?;
        let request = ResponsesRequest { stream: Some(true), ..request };
        let principal = self.caller.principal();
        let asked = asked::read(&self.doors, principal, request, &self.headers, &self.memory).await;
        let Asked { mut turn, place, kept, stream: _, named } = asked.map_err(blame)?;
        let created = self.doors.app.now().seconds();
        if !generate {
            let task = TaskId::new(self.doors.app.ids());
            let mut writer = EventWriter::new(task, created, kept, None, Framing::Lines);
            let mut events = writer.opening();
            events.append(&mut writer.prepared(created));
            self.memory.warm(response_id(task), turn);
            return Ok(Begun::Told(events.into()));
        }
        turn.stream = true;
        let chat = &self.doors.app.chat;
        let refused = |error: claw_app::Error| blame(Problem::from(error).named(named));
        let pass = chat.admit(principal, Claim::ONE, None).await.map_err(refused)?;
        let run = chat.start(principal, turn, place).await.map_err(refused)?.holding(pass);
        self.memory.remember(response_id(run.id));
        let writer = EventWriter::new(run.id, run.created_at.seconds(), kept, None, Framing::Lines);
        let request_id = RequestId::new(self.doors.app.ids()).to_string().into();
        let events = Box::pin(stream::pieces(run, Events(writer), None, request_id));
        Ok(Begun::Flight(Flight { events, previous }))
    }

    /// Sends the events of a piece, each as a frame.
    async fn pass_on(&mut self, piece: &[u8], previous: Option<String>) -> Result<(), Option<Close>> {
        // A comment has no place among frames; the connection is kept alive all the same.
        if piece.starts_with(b": ") {
            let ping = self.socket.feed(Message::Ping(Bytes::new())).await;
            return match ping {
                Ok(()) => self.deliver().await,
                Err(_gone) => Err(None),
            };
        }
        for line in piece.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if line.starts_with(FAILED) {
                self.memory.forget(previous.as_deref());
            }
            self.socket.get_mut().inner().put(&String::from_utf8_lossy(line));
        }
        self.deliver().await
    }

    async fn refuse(&mut self, problem: &Problem) -> Result<(), Option<Close>> {
        let error = SocketError::new(problem.status.as_u16(), render::payload(problem));
        let text = serde_json::to_string(&error).expect("error frames always serialise");
        self.socket.get_mut().inner().put(&text);
        self.deliver().await
    }

    /// Waits until what was said has left; meanwhile a credential may lose its worth, and the gateway stop.
    async fn deliver(&mut self) -> Result<(), Option<Close>> {
        let patience = tokio::time::sleep(STALLED_MAX);
        tokio::pin!(patience);
        let doors = Arc::clone(&self.doors);
        loop {
            tokio::select! {
                sent = self.socket.flush() => return sent.map_err(|_gone| None),
                _moment = self.recheck.tick() => still_admitted(&doors, &self.caller).await?,
                () = &mut patience => return Err(Some(Close { code: 1013, reason: "slow consumer" })),
                () = doors.stop.cancelled() => return Err(Some(Close { code: 1012, reason: "service restart" })),
            }
        }
    }
}

/// Ends the socket if what let it in does not count any more (G12).
async fn still_admitted(doors: &Doors, caller: &Caller) -> Result<(), Option<Close>> {
    match doors.gate.still_admits(caller).await {
        true => Ok(()),
        false => Err(Some(Close { code: 1008, reason: "credential revoked" })),
    }
}

/// What a frame led to.
enum Begun {
    Flight(Flight),
    /// All there is to say of it.
    Told(Bytes),
}

/// The next piece of the response that is being made. Cancel-safe.
async fn next(flight: &mut Option<Flight>) -> Option<Bytes> {
    match flight {
        Some(flight) => flight.events.next().await,
        None => std::future::pending().await,
    }
}

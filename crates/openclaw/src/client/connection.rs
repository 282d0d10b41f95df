//! One open WebSocket: in, ask, listen.
//!
//! Nothing is spawned; whoever waits polls. Answers are told apart by id, events are handed over
//! in the order they come. A gateway that is silent for longer than its own tick allows is lost.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::answers::Hello;
use super::target::{Credential, Kind, Target};
use super::{ClientError, Refusal};

/// Connecting, TLS and the upgrade.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The handshake of the protocol; a gateway gives up after 15 s itself.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);
/// One request (B26).
const CALL_MAX: Duration = Duration::from_secs(30);
/// The largest message taken, a little above what a gateway sends.
const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// Silence after which a gateway counts as lost, in tenths of its tick.
const SILENCE_TICK_TENTHS: u32 = 25;
/// A tick below or above these is not believed.
const TICK_MIN: Duration = Duration::from_secs(1);
const TICK_MAX: Duration = Duration::from_secs(120);

/// An open connection, past the handshake.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u64,
    silence_max: Duration,
    /// Why the gateway said it will close.
    farewell: Option<String>,
}

/// What a gateway says.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The answer to a request of ours; a refusal may carry a payload, too.
    Answer { id: String, result: Result<Payload, Refusal> },
    /// Something happened.
    Event { name: String, payload: Payload },
}

/// An answer's or event's content, not looked at yet.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    what: &'static str,
    json: Box<RawValue>,
}

impl Payload {
    /// Reads as much of it as `T` wants.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(self.json.get()).map_err(|source| ClientError::Unexpected { what: self.what, source })
    }

    /// All of it, indented.
    pub(crate) fn pretty(&self) -> String {
        // The only look at what nobody here has a type for: every field is shown as it came.
        let value: Result<serde_json::Value, _> = serde_json::from_str(self.json.get());
        value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| self.json.get().to_owned())
    }

    /// All of it, on one line.
    pub(crate) fn compact(&self) -> String {
        // A gateway sends no line breaks; another sender's are spaces to JSON.
        self.json.get().replace(['\n', '\r'], " ")
    }
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    ok: Option<bool>,
    event: Option<String>,
    payload: Option<Box<RawValue>>,
    error: Option<Refusal>,
}

impl Connection {
    /// Opens the socket and shakes hands.
    pub(crate) async fn open(target: &Target) -> Result<Self, ClientError> {
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(MESSAGE_BYTES_MAX);
        config.max_frame_size = Some(MESSAGE_BYTES_MAX);
        claw_net::install_crypto();
        let connecting = connect_async_with_config(target.url(), Some(config), true);
        let (socket, _response) = match timeout(CONNECT_MAX, connecting).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(not_opened(target, error)),
            Err(_elapsed) => return Err(target.not_running()),
        };
        let mut connection = Self { socket, requests: 0, silence_max: HANDSHAKE_MAX, farewell: None };
        let seconds = HANDSHAKE_MAX.as_secs();
        timeout(HANDSHAKE_MAX, connection.shake_hands(target))
            .await
            .map_err(|_elapsed| ClientError::TooSlow { what: "connect", seconds })??;
        Ok(connection)
    }

    /// Asks and waits for the one answer; events that come in between are dropped.
    pub(crate) async fn call(&mut self, method: &'static str, params: &impl Serialize) -> Result<Payload, ClientError> {
        self.call_within(method, params, CALL_MAX).await
    }

    /// The same for what may take longer.
    pub(crate) async fn call_within(
        &mut self,
        method: &'static str,
        params: &impl Serialize,
        limit: Duration,
    ) -> Result<Payload, ClientError> {
        let asked = self.ask(method, params).await?;
        let answered = async {
            loop {
                if let Incoming::Answer { id, result } = self.next().await?
                    && id == asked
                {
                    return result.map(|payload| Payload { what: method, ..payload }).map_err(ClientError::Refused);
                }
            }
        };
        let seconds = limit.as_secs();
        timeout(limit, answered).await.map_err(|_elapsed| ClientError::TooSlow { what: method, seconds })?
    }

    /// Asks without waiting; returns the id that answers will carry.
    pub(crate) async fn ask(&mut self, method: &str, params: &impl Serialize) -> Result<String, ClientError> {
        #[derive(Serialize)]
        struct Request<'a, P> {
            r#type: &'static str,
            id: &'a str,
            method: &'a str,
            params: P,
        }
        self.requests += 1;
        let id = self.requests.to_string();
        let request = Request { r#type: "req", id: &id, method, params };
        let text = serde_json::to_string(&request)
            .map_err(|source| ClientError::Unexpected { what: "our own request", source })?;
        match timeout(CALL_MAX, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(id),
            Ok(Err(error)) => Err(self.lost(&error.to_string())),
            Err(_elapsed) => Err(self.lost("it takes nothing any more")),
        }
    }

    /// The next thing the gateway says. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Incoming, ClientError> {
        loop {
            let message = match timeout(self.silence_max, self.socket.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return Err(self.lost(&error.to_string())),
                Ok(None) => return Err(self.lost("it was closed")),
                Err(_elapsed) => return Err(self.lost("the gateway has fallen silent")),
            };
            match message {
                Message::Text(text) => {
                    if let Some(incoming) = self.read(text.as_str())? {
                        return Ok(incoming);
                    }
                }
                Message::Close(frame) => {
                    let reason = frame.map(|frame| frame.reason.to_string()).filter(|reason| !reason.is_empty());
                    return Err(self.lost(reason.as_deref().unwrap_or("it was closed")));
                }
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Says goodbye; failing at it costs nobody anything.
    pub(crate) async fn close(mut self) {
        let _gone_anyway = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    /// Frames of kinds we do not know are skipped.
    fn read(&mut self, text: &str) -> Result<Option<Incoming>, ClientError> {
        let frame: Frame =
            serde_json::from_str(text).map_err(|source| ClientError::Unexpected { what: "a request", source })?;
        let Frame { kind, id, ok, event, payload, error } = frame;
        let payload = payload.map(|json| Payload { what: "a request", json });
        match (kind.as_str(), id, event) {
            ("res", Some(id), _) => {
                let result = if ok == Some(true) { Ok(payload.unwrap_or_else(nothing)) } else { Err(blame(error)) };
                Ok(Some(Incoming::Answer { id, result }))
            }
            ("event", _, Some(name)) => {
                let payload = payload.unwrap_or_else(nothing);
                if name == "shutdown" {
                    self.farewell = Some("the gateway is stopping".to_owned());
                }
                Ok(Some(Incoming::Event { name, payload }))
            }
            _ => Ok(None),
        }
    }

    fn lost(&self, reason: &str) -> ClientError {
        ClientError::Lost { reason: self.farewell.clone().unwrap_or_else(|| reason.to_owned()) }
    }

    async fn shake_hands(&mut self, target: &Target) -> Result<(), ClientError> {
        loop {
            // What comes before is for clients of the other dialect.
            if let Incoming::Event { name, .. } = self.next().await?
                && name == "connect.challenge"
            {
                break;
            }
        }
        let asked = self.ask("connect", &introduction(target.credential())).await?;
        loop {
            match self.next().await? {
                Incoming::Answer { id, result: Ok(payload) } if id == asked => {
                    let hello: Hello = payload.read()?;
                    let tick = Duration::from_millis(hello.policy.tick_interval_ms).clamp(TICK_MIN, TICK_MAX);
                    self.silence_max = tick * SILENCE_TICK_TENTHS / 10;
                    return Ok(());
                }
                Incoming::Answer { id, result: Err(refusal) } if id == asked => {
                    return Err(match refusal.is_about_credentials() {
                        true => target.unauthorized(refusal.message),
                        false => ClientError::Refused(refusal),
                    });
                }
                Incoming::Answer { .. } | Incoming::Event { .. } => {}
            }
        }
    }
}

fn introduction(credential: Option<&Credential>) -> serde_json::Value {
    let auth = credential.map_or_else(
        || json!({}),
        |credential| match credential.kind {
            Kind::Token => json!({"token": credential.secret.expose()}),
            Kind::Password => json!({"password": credential.secret.expose()}),
        },
    );
    json!({
        "minProtocol": 3,
        "maxProtocol": 4,
        "client": {
            "id": "openclaw-cli",
            "version": env!("CARGO_PKG_VERSION"),
            "platform": std::env::consts::OS,
            "mode": "cli",
        },
        "role": "operator",
        "scopes": ["operator.read", "operator.write", "operator.admin"],
        "caps": ["tool-events"],
        "auth": auth,
    })
}

fn not_opened(target: &Target, error: tungstenite::Error) -> ClientError {
    match &error {
        tungstenite::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => target.not_running(),
        tungstenite::Error::Http(response) if response.status() == 401 => {
            target.unauthorized("it refused the connection".to_owned())
        }
        _ => ClientError::Unreachable { place: target.place(), source: Box::new(error) },
    }
}

fn nothing() -> Payload {
    Payload { what: "a request", json: RawValue::NULL.to_owned() }
}

fn blame(error: Option<Refusal>) -> Refusal {
    error.filter(|refusal| !refusal.message.is_empty()).unwrap_or_else(|| Refusal {
        code: "UNKNOWN".to_owned(),
        message: "the gateway refused without saying why".to_owned(),
        details: None,
    })
}

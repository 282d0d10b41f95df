//! A WebSocket client that speaks dialect B and says what it saw.
//!
//! It hides nothing: frames are plain JSON, events that came while an answer was awaited are kept in
//! order, and a close is a value with its code. Every wait ends after ten seconds.

#![expect(clippy::indexing_slicing, reason = "a missing field of a JSON value is null, not a panic")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Longest wait for something a test says will happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client.
#[derive(Debug)]
pub struct WsClient {
    socket: WebSocketStream<TcpStream>,
    asked: u64,
    /// Events that came while something else was awaited.
    events: VecDeque<Value>,
}

/// What came next.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A frame.
    Frame(Value),
    /// The gateway closed: code and reason; 1006 when it said nothing.
    Closed(u16, String),
}

/// The parameters of a `connect` as the contracts' client sends them.
pub fn connect_params(token: Option<&str>) -> Value {
    let mut params = json!({
        "minProtocol": 3, "maxProtocol": 3,
        "client": {"id": "vscode-extension", "version": "0.1.9", "platform": "linux", "mode": "operator"},
        "role": "operator", "scopes": ["operator.read", "operator.write"], "locale": "en-US",
    });
    if let (Some(token), Some(fields)) = (token, params.as_object_mut()) {
        fields.insert("auth".to_owned(), json!({"token": token}));
    }
    params
}

/// The parameters of a `connect` as a stock client of protocol 4 sends them.
pub fn stock_params(token: &str) -> Value {
    json!({
        "minProtocol": 3, "maxProtocol": 4,
        "client": {"id": "gateway-client", "version": "1.0.0", "platform": "linux", "mode": "backend"},
        "role": "operator", "scopes": ["operator.admin"], "caps": ["tool-events"], "auth": {"token": token},
    })
}

impl WsClient {
    /// Opens a socket and sends nothing; `path` may carry a query.
    ///
    /// # Errors
    /// The gateway refuses the upgrade: [`Error::Http`] with its answer.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a test's header is text"));
        }
        let stream = TcpStream::connect(address).await?;
        let (socket, _response) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Self { socket, asked: 0, events: VecDeque::new() })
    }

    /// Opens a socket, takes the challenge and sends `connect`; gives the answer's frame.
    ///
    /// # Panics
    /// No challenge came first, or no answer.
    pub async fn connect_with(address: SocketAddr, params: &Value) -> (Self, Value) {
        let mut client = Self::open(address, "/", &[]).await.expect("the gateway upgrades");
        let challenge = client.event("connect.challenge").await;
        assert!(challenge["payload"]["nonce"].is_string(), "{challenge}");
        let answer = client.call("connect", params).await;
        (client, answer)
    }

    /// Connects as the contracts' client.
    ///
    /// # Panics
    /// The gateway does not let it in.
    pub async fn connect(address: SocketAddr, token: &str) -> Self {
        let (client, answer) = Self::connect_with(address, &connect_params(Some(token))).await;
        assert_eq!(answer["ok"], json!(true), "{answer}");
        client
    }

    /// Sends a text as it is.
    pub async fn send(&mut self, text: impl Into<String>) {
        // Whoever is closed on hears it by reading.
        let _closed = self.socket.send(Message::text(text.into())).await;
    }

    /// Sends bytes as a binary frame.
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        let _closed = self.socket.send(Message::binary(bytes)).await;
    }

    /// Sends a request; returns its id.
    pub async fn ask(&mut self, method: &str, params: &Value) -> String {
        self.asked += 1;
        let id = format!("r{}", self.asked);
        self.send(json!({"type": "req", "id": id, "method": method, "params": params}).to_string()).await;
        id
    }

    /// Sends a request and waits for its first answer.
    pub async fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params).await;
        self.answer(&id).await
    }

    /// The payload of a request's first answer.
    ///
    /// # Panics
    /// The gateway refuses.
    pub async fn payload(&mut self, method: &str, params: &Value) -> Value {
        let mut answer = self.call(method, params).await;
        assert_eq!(answer["ok"], json!(true), "{method}: {answer}");
        answer["payload"].take()
    }

    /// The next answer to `id`; events that come before it are kept.
    ///
    /// # Panics
    /// The socket closes, or another answer comes first.
    pub async fn answer(&mut self, id: &str) -> Value {
        loop {
            match self.next().await {
                Incoming::Frame(frame) if frame["type"] != "res" => self.events.push_back(frame),
                Incoming::Frame(frame) => {
                    assert_eq!(frame["id"], id, "another answer came: {frame}");
                    return frame;
                }
                Incoming::Closed(code, reason) => panic!("closed with {code} {reason:?} before the answer to {id}"),
            }
        }
    }

    /// The next event of this name, kept or new; other events are kept.
    ///
    /// # Panics
    /// The socket closes, or an answer comes first.
    pub async fn event(&mut self, name: &str) -> Value {
        if let Some(found) = self.events.iter().position(|event| event["event"] == name) {
            return self.events.remove(found).unwrap_or_default();
        }
        loop {
            match self.next().await {
                Incoming::Frame(frame) if frame["event"] == name => return frame,
                Incoming::Frame(frame) if frame["type"] != "res" => self.events.push_back(frame),
                other => panic!("waited for the event {name}, and got {other:?}"),
            }
        }
    }

    /// Events that came and were not asked for, oldest first.
    pub fn take_events(&mut self) -> Vec<Value> {
        self.events.drain(..).collect()
    }

    /// Waits for the close; frames before it are dropped.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Incoming::Closed(code, reason) = self.next().await {
                return (code, reason);
            }
        }
    }

    /// Whatever comes next on the socket.
    ///
    /// # Panics
    /// Nothing comes within ten seconds, or something that is no frame.
    pub async fn next(&mut self) -> Incoming {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("something comes in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Incoming::Frame(serde_json::from_str(&text).expect("the gateway sends JSON"));
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Incoming::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None))) | Some(Err(_)) | None => return Incoming::Closed(1006, String::new()),
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            }
        }
    }
}

//! A WebSocket on bare TCP, which writes whatever a test says and shows what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use claw_testkit::ws_client::connect_params;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, TOKEN};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
/// The bit of the last fragment.
pub(crate) const FIN: u8 = 0x80;

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Frame(u8, Vec<u8>),
    /// The code; 1005 without one, 1006 when the stream ended without a close.
    Closed(u16),
}

pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    seen: Vec<u8>,
}

/// The request that opens a socket, without its blank line.
pub(crate) fn upgrade_head(address: SocketAddr) -> String {
    format!(
        "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
}

/// A client's frame: first byte as given, masked, the shortest length.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x11, 0x22, 0x33, 0x44];
    bytes.extend(mask);
    bytes.extend(payload.iter().enumerate().map(|(place, byte)| byte ^ mask[place % 4]));
    bytes
}

impl Raw {
    /// A socket that has heard the challenge.
    pub(crate) async fn stranger(house: &House) -> Self {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(format!("{}\r\n", upgrade_head(house.address)).as_bytes()).await.unwrap();
        Self::upgraded(stream).await
    }

    /// A socket whose request was sent.
    pub(crate) async fn upgraded(stream: TcpStream) -> Self {
        let mut raw = Self { stream, seen: Vec::new() };
        let end = loop {
            if let Some(end) = raw.seen.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert!(raw.more().await, "closed: {}", String::from_utf8_lossy(&raw.seen));
        };
        let head: Vec<u8> = raw.seen.drain(..end + 4).collect();
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        assert_eq!(raw.json().await["event"], json!("connect.challenge"));
        raw
    }

    /// A socket that was let in.
    pub(crate) async fn caller(house: &House) -> Self {
        Self::let_in(house, TcpStream::connect(house.address).await.unwrap()).await
    }

    /// The same over a stream of the test's own.
    pub(crate) async fn let_in(house: &House, mut stream: TcpStream) -> Self {
        stream.write_all(format!("{}\r\n", upgrade_head(house.address)).as_bytes()).await.unwrap();
        let mut raw = Self::upgraded(stream).await;
        let connect = json!({"type": "req", "id": "c", "method": "connect", "params": connect_params(Some(TOKEN))});
        raw.write(&frame(FIN | TEXT, connect.to_string().as_bytes())).await;
        assert_eq!(raw.answer("c").await["ok"], json!(true));
        raw
    }

    /// Writes bytes; whoever is closed on hears it by reading.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _closed = self.stream.write_all(bytes).await;
    }

    /// Whatever comes next.
    pub(crate) async fn next(&mut self) -> Seen {
        loop {
            if let Some((opcode, payload)) = self.take() {
                if opcode != CLOSE {
                    return Seen::Frame(opcode, payload);
                }
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                return Seen::Closed(code);
            }
            if !self.more().await {
                return Seen::Closed(1006);
            }
        }
    }

    /// The next text as JSON.
    pub(crate) async fn json(&mut self) -> Value {
        loop {
            match self.next().await {
                Seen::Frame(TEXT, text) => return serde_json::from_slice(&text).unwrap(),
                Seen::Frame(..) => {}
                Seen::Closed(code) => panic!("closed with {code}"),
            }
        }
    }

    /// The answer to `id`; what comes before it is dropped.
    pub(crate) async fn answer(&mut self, id: &str) -> Value {
        loop {
            let next = self.json().await;
            if next["type"] == "res" && next["id"] == id {
                return next;
            }
        }
    }

    /// The code it is closed with; what comes before is dropped.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Seen::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    /// Asks for health; the answer shows that the socket lives.
    pub(crate) async fn lives(&mut self) {
        self.write(&frame(FIN | TEXT, br#"{"type":"req","id":"alive","method":"health"}"#)).await;
        assert_eq!(self.answer("alive").await["ok"], json!(true));
    }

    /// A whole frame of what has come; the gateway masks nothing and sends no fragments.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.seen.first()?, *self.seen.get(1)?);
        assert_eq!((first & 0xf0, second & 0x80), (FIN, 0), "whole frames without a mask");
        let (start, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes(*self.seen.get(2..)?.first_chunk()?))),
            127 => (10, u64::from_be_bytes(*self.seen.get(2..)?.first_chunk()?) as usize),
            short => (2, usize::from(short)),
        };
        let payload = self.seen.get(start..start + length)?.to_vec();
        self.seen.drain(..start + length);
        Some((first & 0x0f, payload))
    }

    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.seen)).await;
        matches!(read.expect("something comes in time"), Ok(1..))
    }
}

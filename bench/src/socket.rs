//! One WebSocket as its client sees it, as raw as possible, so that thousands cost the driver little.
//!
//! Reads only what a server may send unasked of extensions: whole frames, no masks. What it sends
//! is masked with zeros, which RFC 6455 allows and which costs nothing here.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Nothing a server owes takes longer.
const ANSWER: Duration = Duration::from_secs(60);
/// The longest head of an answer to an upgrade.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What a stalled reader lets the system take for it: the least there is.
const STALLED_BYTES: u32 = 4096;
/// Small segments, or the loopback's would make room for megabytes at the sender.
const STALLED_SEGMENT: u32 = 536;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// An open socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    read: BytesMut,
}

/// How much a reader lets the system keep for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// As usual.
    Usual,
    /// As little as there can be, so that a reader that does not read stops its server soon.
    Least,
}

impl Socket {
    /// Connects and upgrades.
    pub(crate) async fn open(address: SocketAddr, path: &str, room: Room) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if room == Room::Least {
            socket.set_recv_buffer_size(STALLED_BYTES)?;
            setsockopt(&socket, sockopt::TcpMaxSeg, &STALLED_SEGMENT)?;
        }
        let mut stream = socket.connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut opened = Self { stream, read: BytesMut::new() };
        let end = loop {
            if let Some(end) = memmem::find(&opened.read, b"\r\n\r\n") {
                break end;
            }
            ensure!(opened.read.len() < HEAD_BYTES_MAX, "the answer to an upgrade does not end");
            opened.fill().await?;
        };
        let head = opened.read.split_to(end + 4);
        ensure!(head.starts_with(b"HTTP/1.1 101"), "not upgraded: {}", String::from_utf8_lossy(&head));
        Ok(opened)
    }

    /// Connects to a gateway and waits for `hello-ok`.
    pub(crate) async fn hello(address: SocketAddr, token: &str, room: Room) -> anyhow::Result<Self> {
        let mut socket = Self::open(address, "/ws", room).await?;
        let client = json!({"id": "cli", "version": "1.0.0", "platform": "linux", "mode": "cli"});
        let params = json!({
            "minProtocol": 3, "maxProtocol": 4, "client": client, "role": "operator",
            "scopes": ["operator.admin"], "auth": {"token": token},
        });
        let _challenge = socket.next().await?;
        let hello = socket.call("connect", &params.to_string()).await?;
        ensure!(memmem::find(&hello, b"hello-ok").is_some(), "no hello: {}", String::from_utf8_lossy(&hello));
        Ok(socket)
    }

    /// Calls a gateway's method and gives the answer's frame; events meanwhile are skipped.
    pub(crate) async fn call(&mut self, method: &str, params: &str) -> anyhow::Result<Bytes> {
        self.send(&request(method, params)).await?;
        loop {
            let frame = self.next().await?;
            if frame.starts_with(b"{\"type\":\"res\"") {
                ensure!(memmem::find(&frame, b"\"ok\":true").is_some(), "{}", String::from_utf8_lossy(&frame));
                return Ok(frame);
            }
        }
    }

    /// Sends one text.
    pub(crate) async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let mut frame = Vec::with_capacity(text.len() + 14);
        frame.push(0x80 | TEXT);
        match u16::try_from(text.len()) {
            Ok(short @ 0..126) => frame.push(0x80 | short as u8),
            Ok(middle) => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&middle.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The next text.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Bytes> {
        tokio::time::timeout(ANSWER, self.endless()).await.context("a socket stays silent")?
    }

    /// The next text, whenever it comes. Cancel-safe.
    pub(crate) async fn endless(&mut self) -> anyhow::Result<Bytes> {
        loop {
            match take(&mut self.read)? {
                Some((TEXT, text)) => return Ok(text),
                Some((CLOSE, reason)) => bail!("the server closed: {}", String::from_utf8_lossy(&reason)),
                Some(_) => {}
                None => self.fill().await?,
            }
        }
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        self.read.reserve(1024);
        ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the server is gone");
        Ok(())
    }
}

/// A request's frame.
pub(crate) fn request(method: &str, params: &str) -> String {
    format!("{{\"type\":\"req\",\"id\":\"bench\",\"method\":\"{method}\",\"params\":{params}}}")
}

/// Lets this process, and whatever it starts from now on, have as many descriptors as it may.
pub(crate) fn raise_descriptors() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// One frame off the front: what it is, and its payload.
fn take(read: &mut BytesMut) -> anyhow::Result<Option<(u8, Bytes)>> {
    let Some((&[first, second], rest)) = read.split_first_chunk::<2>() else { return Ok(None) };
    ensure!(first & 0x80 != 0 && second & 0x80 == 0, "a server's frame is in parts or masked");
    let (head, length) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (10, usize::try_from(u64::from_be_bytes(*length))?),
            None => return Ok(None),
        },
        short => (2, usize::from(short)),
    };
    if read.len() < head + length {
        return Ok(None);
    }
    read.advance(head);
    Ok(Some((first & 0x0f, read.split_to(length).freeze())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_whole_and_in_order() {
        let long = [b'x'; 300];
        let mut read = BytesMut::from(&[0x81, 2, b'h', b'i', 0x89, 0, 0x81, 126, 1, 44][..]);
        read.extend_from_slice(&long);
        read.extend_from_slice(&[0x81]);
        assert_eq!(take(&mut read).unwrap(), Some((TEXT, Bytes::from_static(b"hi"))));
        assert_eq!(take(&mut read).unwrap(), Some((9, Bytes::new())));
        assert_eq!(take(&mut read).unwrap(), Some((TEXT, Bytes::copy_from_slice(&long))));
        assert_eq!(take(&mut read).unwrap(), None);
        assert!(take(&mut BytesMut::from(&[0x01, 0][..])).is_err(), "a part of a message");
    }
}

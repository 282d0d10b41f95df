//! A small HTTP client that can also misbehave: bytes are written as a test says.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends requests with the same headers, each on a connection of its own.
#[derive(Clone)]
pub(crate) struct Http {
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
    /// The error's code, the most exact one there is: C39's seven words stand for many.
    pub(crate) fn code(&self) -> String {
        let error = &self.json()["error"];
        error["details"]["code"].as_str().or(error["code"].as_str()).unwrap_or_default().to_owned()
    }
}

impl Http {
    pub(crate) fn new(address: SocketAddr, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { address, headers }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None).await
    }
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Some(&body.to_string())).await
    }

    /// One request; a body is sent as JSON unless a content type was set.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&str>) -> Reply {
        let mut head = self.head(method, path);
        if let Some(body) = body {
            if !self.headers.iter().any(|(name, _)| name == "content-type") {
                head.push_str("content-type: application/json\r\n");
            }
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        let mut open = Open::raw(self.address, format!("{head}connection: close\r\n\r\n").as_bytes()).await;
        open.write(body.unwrap_or_default().as_bytes()).await;
        open.reply().await
    }

    /// A POST whose answer is read piece by piece.
    pub(crate) async fn stream(&self, path: &str, body: &Value) -> Open {
        let body = body.to_string();
        let head = self.head("POST", path);
        let head = format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Open::raw(self.address, head.as_bytes()).await
    }

    /// A GET whose answer is read piece by piece.
    pub(crate) async fn watch(&self, path: &str) -> Open {
        Open::raw(self.address, format!("{}\r\n", self.head("GET", path)).as_bytes()).await
    }

    /// The request line and the headers, without the blank line.
    pub(crate) fn head(&self, method: &str, path: &str) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }
}

/// An open connection with a request on it.
pub(crate) struct Open {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Open {
    pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut open = Self { stream, seen: Vec::new() };
        open.write(bytes).await;
        open
    }

    /// Writes more of the request; an answer that came early may have closed it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _closed = self.stream.write_all(bytes).await;
    }

    /// Reads until `text` has come.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let came = tokio::time::timeout(PATIENCE, async {
            while !String::from_utf8_lossy(&self.seen).contains(text) {
                assert_ne!(self.stream.read_buf(&mut self.seen).await.unwrap(), 0, "closed before {text:?}");
            }
        });
        if came.await.is_err() {
            panic!("{text:?} did not come, but: {}", String::from_utf8_lossy(&self.seen));
        }
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Reads to the end of the answer.
    pub(crate) async fn reply(mut self) -> Reply {
        let read = async {
            loop {
                if let Some(reply) = parse(&self.seen) {
                    return reply;
                }
                match self.stream.read_buf(&mut self.seen).await {
                    Ok(1..) => {}
                    // At the end of the connection what has come is the answer.
                    Ok(0) | Err(_) => return cut(&self.seen),
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer ends in time")
    }
}

/// The answer if it is whole.
fn parse(seen: &[u8]) -> Option<Reply> {
    let end = seen.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut reply = head(&seen[..end]);
    let body = &seen[end + 4..];
    let is_chunked = reply.header("transfer-encoding") == Some("chunked");
    let length: Option<usize> = reply.header("content-length").map(|text| text.parse().unwrap());
    let whole = match (is_chunked, length) {
        (true, _) => chunks(body)?,
        (false, Some(length)) => body.get(..length)?.to_vec(),
        (false, None) => matches!(reply.status, 101 | 204 | 304).then(Vec::new)?,
    };
    reply.text = String::from_utf8(whole).unwrap();
    Some(reply)
}

fn cut(seen: &[u8]) -> Reply {
    assert!(!seen.is_empty(), "closed without an answer");
    let end = seen.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    Reply { text: String::from_utf8_lossy(&seen[end + 4..]).into_owned(), ..head(&seen[..end]) }
}

fn head(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Reply { status, headers, text: String::new() }
}

fn chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        let chunk = body.get(line + 2..line + 2 + size)?;
        whole.extend_from_slice(chunk);
        body = body.get(line + 2 + size + 2..)?;
        if size == 0 {
            return Some(whole);
        }
    }
}

/// The data of each server-sent event, comments left out; with the event's name where it has one.
pub(crate) fn events(text: &str) -> Vec<(String, String)> {
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim_start().to_owned())
    };
    let blocks = text.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':'));
    blocks
        .map(|block| (field(block, "event:").unwrap_or_default(), field(block, "data:").unwrap_or_default()))
        .collect()
}

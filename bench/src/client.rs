//! One keep-alive connection, as raw as hyper gives it, so that the driver costs little.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::TcpStream;

/// No single answer takes longer; a load that hangs is an error, not a wait.
const ANSWER: Duration = Duration::from_secs(120);

/// What is sent: the same bytes over and over, or one of a series.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
}

impl Call {
    /// `GET path`.
    pub(crate) fn get(path: &'static str) -> Self {
        Self { method: Method::GET, path, body: Bytes::new() }
    }

    /// `POST path` with a JSON body.
    pub(crate) fn post(path: &'static str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, path, body: body.into() }
    }
}

/// A stream as its reader saw it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streamed {
    /// From the request to the first token.
    pub(crate) first_token: Duration,
    /// How many tokens came.
    pub(crate) tokens: usize,
}

/// One connection to one server.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: Option<String>,
}

impl Connection {
    /// Connects; `token` goes with every request as a bearer credential.
    pub(crate) async fn open(address: SocketAddr, token: Option<&str>) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await.context("cannot connect")?;
        socket.set_nodelay(true)?;
        let (sender, driver) = handshake(TokioIo::new(socket)).await?;
        tokio::spawn(driver);
        Ok(Self { sender, host: address.to_string(), token: token.map(|token| format!("Bearer {token}")) })
    }

    async fn send(&mut self, call: &Call) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder().method(&call.method).uri(call.path).header(HOST, &self.host);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        if call.method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(call.body.clone()))?).await?)
    }

    /// Sends and reads the whole answer, which must be a success.
    pub(crate) async fn call(&mut self, call: &Call) -> anyhow::Result<Bytes> {
        let answered = async {
            let response = self.send(call).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            if !status.is_success() {
                bail!("{} {} was answered with {status}: {}", call.method, call.path, String::from_utf8_lossy(&body));
            }
            Ok(body)
        };
        tokio::time::timeout(ANSWER, answered).await.with_context(|| format!("{} hangs", call.path))?
    }

    /// Sends and reads the answer as a stream of tokens, which `needle` stands for.
    pub(crate) async fn stream(&mut self, call: &Call, needle: &str) -> anyhow::Result<Streamed> {
        let began = Instant::now();
        let streamed = async {
            let response = self.send(call).await?;
            if !response.status().is_success() {
                bail!("{} was answered with {}", call.path, response.status());
            }
            let mut body = response.into_body();
            let (mut first_token, mut tokens, mut read) = (None, 0, Vec::new());
            while let Some(frame) = body.frame().await {
                read.extend_from_slice(frame?.data_ref().map(Bytes::as_ref).unwrap_or_default());
                let found = memmem::find_iter(&read, needle).count();
                tokens += found;
                // What may be the first part of a token that was cut.
                read.drain(..read.len().saturating_sub(needle.len() - 1));
                if found > 0 && first_token.is_none() {
                    first_token = Some(began.elapsed());
                }
            }
            Ok(Streamed { first_token: first_token.context("a stream ended without a token")?, tokens })
        };
        tokio::time::timeout(ANSWER, streamed).await.with_context(|| format!("{} hangs", call.path))?
    }

    /// Calls and reads one whole number of the answer's JSON, by its path.
    pub(crate) async fn number(&mut self, path: &'static str, pointer: &str) -> anyhow::Result<u64> {
        let body = self.call(&Call::get(path)).await?;
        let value: serde_json::Value = serde_json::from_slice(&body)?;
        value.pointer(pointer).and_then(serde_json::Value::as_u64).with_context(|| format!("{path} has no {pointer}"))
    }
}

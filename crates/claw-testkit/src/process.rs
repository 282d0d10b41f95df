//! A real gateway as a process of its own: started, called, killed.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use claw_net::{HttpClient, Request, RequestBody};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The token that [`write_config`] sets.
pub const TOKEN: &str = "oc_gw_test";

/// A gateway that takes longer to start has not started.
const START: Duration = Duration::from_secs(30);

/// Writes a configuration whose only provider, `mock`, is at `base_url`, with the model `mock-1`.
///
/// # Errors
/// The file cannot be written.
pub fn write_config(state_dir: &Path, base_url: &str) -> io::Result<()> {
    let config = serde_json::json!({
        "gateway": {"auth": {"token": TOKEN}},
        "models": {"providers": {"mock": {"baseUrl": base_url, "models": [{"id": "mock-1"}]}}},
        "embedded": {"enabled": false},
    });
    std::fs::write(state_dir.join("openclaw.json"), config.to_string())
}

/// Where a measured run wants its coverage; a process whose environment is cleared needs to be told.
#[expect(clippy::disallowed_methods, reason = "the compiler's instrumentation is told nowhere else")]
pub fn coverage() -> Option<(&'static str, OsString)> {
    const FILE: &str = "LLVM_PROFILE_FILE";
    Some((FILE, std::env::var_os(FILE)?))
}

/// A running gateway; killed when dropped.
#[derive(Debug)]
pub struct GatewayProcess {
    child: Child,
    address: SocketAddr,
    // Held, so that the gateway never writes into a closed pipe.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl GatewayProcess {
    /// Starts `binary` on a free port over `state_dir` and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, ended, or was not ready in time; with what it said.
    pub async fn start(binary: &Path, state_dir: &Path, environment: &[(&str, String)]) -> io::Result<Self> {
        let mut child = Command::new(binary)
            .args(["gateway", "start", "--port", "0"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", state_dir)
            .env("OPENCLAW_STATE_DIR", state_dir)
            .envs(coverage())
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::OpenOptions::new().create(true).append(true).open(state_dir.join("stderr"))?))
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next()) {
                    return address.parse().map_err(io::Error::other);
                }
            }
            Err(io::Error::other("it ended before it was ready"))
        };
        let address = match tokio::time::timeout(START, ready).await {
            Ok(address) => address?,
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it was not ready in time")),
        };
        Ok(Self { child, address, _stdout: lines })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn kill(mut self) -> io::Result<()> {
        if !self.has_ended() {
            self.child.start_kill()?;
        }
        self.child.wait().await.map(drop)
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }
}

/// Calls a gateway over HTTP with its token.
#[derive(Debug, Clone)]
pub struct Api {
    client: HttpClient,
    base: String,
    token: String,
}

/// An answer: status, headers, JSON body (null when there is none).
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

impl Api {
    /// A client of the gateway at `address`.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(address: SocketAddr, token: &str) -> Result<Self, claw_net::Error> {
        claw_net::install_crypto();
        let settings = claw_net::Settings::default();
        Ok(Self { client: HttpClient::new(settings)?, base: format!("http://{address}"), token: token.to_owned() })
    }

    /// One call with a JSON body, or none.
    ///
    /// # Errors
    /// The gateway cannot be reached, or broke off.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, claw_net::Error> {
        let mut map = HeaderMap::new();
        let bearer = format!("Bearer {}", self.token);
        for (name, value) in headers.iter().copied().chain([("authorization", bearer.as_str())]) {
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a test's header is text"));
        }
        if body.is_some() {
            map.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let url = format!("{}{path}", self.base).parse().expect("a test's path is a path");
        let body = body.map(|body| RequestBody::from(body.to_string())).unwrap_or_default();
        let mut response = self.client.send(Request { method, url, headers: map, body }).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.read_whole(64 * 1024 * 1024).await?;
        Ok(Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Api::call`].
    pub async fn get(&self, path: &str) -> Result<Answer, claw_net::Error> {
        self.call(Method::GET, path, &[], None).await
    }

    /// `POST` with a JSON body.
    ///
    /// # Errors
    /// As [`Api::call`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, claw_net::Error> {
        self.call(Method::POST, path, &[], Some(body)).await
    }
}

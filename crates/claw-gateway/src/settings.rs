//! What the doors are told.

use std::sync::Arc;
use std::time::Duration;

use claw_core::{AgentId, Secret};
use claw_wire::BadRequest;
use tokio::sync::watch;

use crate::auth::border::Border;
use crate::auth::{Credentials, Digest};
use crate::limits;

/// Renders the metrics as Prometheus text.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Reads the tail of the gateway's own log.
pub trait LogTail: Send + Sync {
    /// At most `limit` lines behind `cursor`, the newest when absent. Must not block for long.
    fn tail(&self, cursor: Option<u64>, limit: usize) -> LogPage;
}

/// Lines of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// Where the log is, for people.
    pub file: String,
    /// Where to go on.
    pub cursor: u64,
    /// How much there is.
    pub size: u64,
    /// The lines, oldest first.
    pub lines: Vec<String>,
    /// Whether lines before these were left out.
    pub is_truncated: bool,
    /// Whether the asked cursor is no longer there.
    pub is_reset: bool,
}

/// What programs outside may set off.
#[derive(Debug, Clone)]
pub struct Hooks {
    /// What they have to bring.
    pub token: Digest,
    /// The path they are below: `/hooks`.
    pub path: String,
    /// Largest body.
    pub body_bytes_max: usize,
    /// The conversation of runs that name none; one of its own each if absent.
    pub default_session: Option<String>,
    /// Whether a request may name its conversation.
    pub allow_request_session: bool,
    /// What such a name has to begin with, if anything.
    pub session_prefixes: Vec<String>,
    /// The agents they may ask; all if absent.
    pub agents: Option<Vec<AgentId>>,
}

impl Hooks {
    /// With this token, below `/hooks`, and nothing else allowed.
    pub fn new(token: &Secret) -> Self {
        Self {
            token: Digest::of(token.expose()),
            path: "/hooks".to_owned(),
            body_bytes_max: limits::HOOK_BODY_BYTES,
            default_session: None,
            allow_request_session: false,
            session_prefixes: Vec::new(),
            agents: None,
        }
    }

    /// What of a path stands below theirs; nothing if it is elsewhere.
    pub(crate) fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(self.path.as_str())? {
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        }
    }

    /// The conversation a run belongs to, where one is named.
    ///
    /// Errors: the request names one and may not.
    pub(crate) fn session<'a>(&'a self, named: Option<&'a str>) -> Result<Option<&'a str>, BadRequest> {
        let Some(named) = named else { return Ok(self.default_session.as_deref()) };
        if !self.allow_request_session {
            let message = "a hook may not name its conversation; hooks.allowRequestSessionKey lets it";
            return Err(BadRequest::of("sessionKey", message));
        }
        if !self.session_prefixes.is_empty() && !self.session_prefixes.iter().any(|start| named.starts_with(start)) {
            let message = format!("sessionKey must begin with one of {}", self.session_prefixes.join(", "));
            return Err(BadRequest::of("sessionKey", message));
        }
        Ok(Some(named))
    }

    /// Errors: the agent is not one of theirs.
    pub(crate) fn check_agent(&self, agent: &AgentId) -> Result<(), BadRequest> {
        match &self.agents {
            Some(agents) if !agents.contains(agent) => {
                let message = format!("hooks may not ask the agent {agent}; see hooks.allowedAgentIds");
                Err(BadRequest::of("agentId", message))
            }
            _ => Ok(()),
        }
    }
}

/// Which of the doors are open, under which names and to which pages.
#[derive(Debug, Clone)]
pub struct Surface {
    pub(crate) border: Border,
    /// Whether `/v1/chat/completions` is there (A4, K12).
    pub chat_completions: bool,
    /// Whether `/v1/responses` is there.
    pub responses: bool,
    /// What programs outside may set off; without it those paths are not there (advisory 67).
    pub hooks: Option<Hooks>,
}

impl Surface {
    /// Everything is there, under these host names besides loopback names and addresses, and for
    /// these web origins besides our own.
    pub fn new(allowed_hosts: &[String], allowed_origins: &[String]) -> Self {
        Self {
            border: Border::new(allowed_hosts, allowed_origins),
            chat_completions: true,
            responses: true,
            hooks: None,
        }
    }

    /// Whether what is served at `path` is switched off.
    pub(crate) fn hides(&self, path: &str) -> bool {
        match path {
            "/v1/chat/completions" => !self.chat_completions,
            "/v1/responses" => !self.responses,
            path => path.starts_with("/v1/responses/") && !self.responses,
        }
    }
}

impl Default for Surface {
    fn default() -> Self {
        Self::new(&[], &[])
    }
}

/// What the doors are told by the composition root.
#[derive(Clone)]
pub struct Settings {
    /// The version to show, as CalVer.
    pub version: String,
    /// The address as configured, for `/status`.
    pub bind: String,
    /// This machine's name, for presence.
    pub host: String,
    /// Where state lives, for stock clients that show it.
    pub state_dir: String,
    /// What is asked of callers; a new value counts at once, open sockets included (K16, G12).
    pub credentials: watch::Receiver<Arc<Credentials>>,
    /// Whether plain HTTP requests of other machines may carry the credential in the query.
    pub allow_query: bool,
    /// What is there and for whom; a new value counts from the next request on (K16).
    pub surface: watch::Receiver<Arc<Surface>>,
    /// Open connections at most.
    pub connections_max: usize,
    /// Sockets that are not authenticated yet at most; more are 503.
    pub handshakes_max: usize,
    /// A body has arrived by then.
    pub body_deadline: Duration,
    /// A socket is authenticated by then.
    pub handshake_deadline: Duration,
    /// How often a `tick` is sent.
    pub tick_interval: Duration,
    /// The metrics; without it `/metrics` answers 404.
    pub metrics: Option<RenderMetrics>,
    /// The log; without it `logs.tail` answers no lines.
    pub logs: Option<Arc<dyn LogTail>>,
}

impl Settings {
    /// The usual settings around the credentials in force.
    pub fn new(credentials: watch::Receiver<Arc<Credentials>>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bind: "127.0.0.1".to_owned(),
            host: "localhost".to_owned(),
            state_dir: String::new(),
            credentials,
            allow_query: false,
            surface: watch::channel(Arc::default()).1,
            connections_max: limits::CONNECTIONS_MAX,
            handshakes_max: limits::HANDSHAKES_MAX,
            body_deadline: limits::BODY_DEADLINE,
            handshake_deadline: limits::HANDSHAKE_DEADLINE,
            tick_interval: limits::TICK_INTERVAL,
            metrics: None,
            logs: None,
        }
    }
}

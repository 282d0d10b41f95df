//! A model server on port 0 that does what a script says.
//!
//! It speaks OpenAI's chat completions over real HTTP, streamed or not, and can wait at a gate,
//! stall, cut, garble, refuse and call tools. Each request takes the next [`Reply`] of the
//! script; when the script is used up, a function of the request answers – at first one that
//! echoes the last user message, word by word. Every request is remembered, and how many answers
//! and connections are open can be waited for, so that no test has to sleep.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claw_runtime::TaskScope;
use http::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::gate::Gate;
pub use self::reply::Reply;
pub use self::seen::Seen;

mod gate;
mod render;
mod reply;
mod seen;
mod server;

/// Longest wait for something a test says will happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long [`Upstream::stop`] waits for connections to close.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What an upstream is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// How many requests are remembered; the oldest go first. Load tests want 0.
    pub requests_kept_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { port: 0, requests_kept_max: 10_000 }
    }
}

/// What an upstream is busy with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that are open.
    pub connections: usize,
    /// Chat completions that are being answered.
    pub answers: usize,
    /// Chat completions asked for since the start.
    pub requests: u64,
}

/// A running model server; it stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    scope: TaskScope,
}

type Responder = dyn Fn(&Seen) -> Reply + Send + Sync;

struct Shared {
    state: Mutex<State>,
    counts: watch::Sender<Counts>,
    requests_kept_max: usize,
}

struct State {
    script: VecDeque<Reply>,
    responder: Arc<Responder>,
    requests: VecDeque<Seen>,
    requests_seen: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Starts on a free port, echoing.
    pub async fn start() -> Self {
        Self::start_with(Settings::default()).await.expect("a free port on the loopback")
    }

    /// Starts with settings. Errors: the port is taken.
    pub async fn start_with(settings: Settings) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
        let address = listener.local_addr()?;
        let state = State {
            script: VecDeque::new(),
            responder: Arc::new(Reply::echo),
            requests: VecDeque::new(),
            requests_seen: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            counts: watch::Sender::new(Counts::default()),
            requests_kept_max: settings.requests_kept_max,
        });
        let scope = TaskScope::new();
        let (serving, inner) = (Arc::clone(&shared), scope.clone());
        drop(scope.spawn(move |_cancel| server::serve(listener, serving, inner)));
        Ok(Self { address, shared, scope })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a provider is given: `http://127.0.0.1:<port>/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Appends replies; each answers one request.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.state().script.extend(replies);
    }

    /// Answers by a function of the request whenever the script is used up.
    pub fn respond_with(&self, responder: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        self.shared.state().responder = Arc::new(responder);
    }

    /// Replies of the script that nobody has asked for yet.
    pub fn script_left(&self) -> usize {
        self.shared.state().script.len()
    }

    /// The chat completions asked for, oldest first, as far as they are remembered.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.state().requests.iter().cloned().collect()
    }

    /// What it is busy with now.
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits until `condition` holds; false after `limit`. Cancel-safe.
    pub async fn wait_within(&self, limit: Duration, mut condition: impl FnMut(Counts) -> bool) -> bool {
        let mut counts = self.shared.counts.subscribe();
        let held = counts.wait_for(|counts| condition(*counts));
        tokio::time::timeout(limit, held).await.is_ok_and(|held| held.is_ok())
    }

    /// Waits until `count` requests have come.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn requested(&self, count: u64) {
        let came = self.wait_within(PATIENCE, |counts| counts.requests >= count).await;
        assert!(came, "{count} requests did not come; counts: {:?}", self.counts());
    }

    /// Waits until no answer is under way: all were read to the end, or their readers have left.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn answered(&self) {
        let ended = self.wait_within(PATIENCE, |counts| counts.answers == 0).await;
        assert!(ended, "answers are still under way; counts: {:?}", self.counts());
    }

    /// Closes the port and every connection; further calls find nobody.
    pub async fn stop(&self) {
        let left = self.scope.close(STOP_GRACE).await;
        assert_eq!(left, 0, "connections of the scripted upstream did not close");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.scope.cancel();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the request and finds its reply.
    fn reply_to(&self, headers: HeaderMap, body: Value) -> (Seen, Reply) {
        let mut state = self.state();
        state.requests_seen += 1;
        let number = state.requests_seen;
        let seen = Seen { number, headers, body };
        if self.requests_kept_max > 0 {
            if state.requests.len() == self.requests_kept_max {
                state.requests.pop_front();
            }
            state.requests.push_back(seen.clone());
        }
        let next = state.script.pop_front();
        let responder = Arc::clone(&state.responder);
        drop(state);
        // Counted after it was remembered: whoever waits for the count finds the request.
        self.counts.send_modify(|counts| counts.requests += 1);
        let reply = next.unwrap_or_else(|| responder(&seen));
        (seen, reply)
    }
}

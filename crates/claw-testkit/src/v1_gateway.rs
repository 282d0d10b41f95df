//! An OpenClaw gateway of the first generation, as far as its chat completions go.
//!
//! It asks for its token (401), knows its agents (404), takes so many runs at once and sends the others
//! away with 429 and `Retry-After`, ends a run that takes longer than its limit in one of the ways in which
//! real ones do, and streams a role, the text and `[DONE]`. Everything a scripted [`Upstream`] can do, it
//! can do, too: the script decides what a run comes to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::upstream::{Reply, Seen, Upstream};

/// What it is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What callers have to bring.
    pub token: String,
    /// The agents it knows.
    pub agents: Vec<String>,
    /// Runs at once; more are sent away.
    pub concurrent_max: usize,
    /// When those may come back, in seconds.
    pub retry_after: String,
    /// Longest run; a real one has ten minutes.
    pub run_limit: Duration,
    /// How it ends a longer one.
    pub ending: Ending,
}

/// How a run ends whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The connection is closed.
    Breaks,
    /// What was said by then stands, and `[DONE]` follows without a reason, as in 2026.2.17.
    Done,
    /// A sentence of the gateway's own stands in place of an answer.
    Sentence,
    /// An error object that names the limit, then `[DONE]`.
    Error,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: "v1-token".to_owned(),
            agents: vec!["main".to_owned()],
            concurrent_max: usize::MAX,
            retry_after: "1".to_owned(),
            run_limit: Duration::from_secs(600),
            ending: Ending::Breaks,
        }
    }
}

/// The wire's own words where there was no answer in time.
const NO_ANSWER: &str = "Request timed out before a response was generated. Please try again, or increase \
    `agents.defaults.timeoutSeconds` in your config.";

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

struct State {
    settings: Mutex<Settings>,
    script: Mutex<Arc<Script>>,
    running: Arc<AtomicUsize>,
    most: AtomicUsize,
    sent_away: AtomicUsize,
}

/// A running double; it stops when dropped.
pub struct V1Gateway {
    upstream: Upstream,
    state: Arc<State>,
}

impl V1Gateway {
    /// Starts on a free port; its agents say what they are asked.
    pub async fn start(settings: Settings) -> Self {
        let upstream = Upstream::start().await;
        let state = Arc::new(State {
            settings: Mutex::new(settings),
            script: Mutex::new(Arc::new(Reply::echo)),
            running: Arc::default(),
            most: AtomicUsize::new(0),
            sent_away: AtomicUsize::new(0),
        });
        let answering = Arc::clone(&state);
        upstream.respond_with(move |seen| answering.answer(seen));
        Self { upstream, state }
    }

    /// What a configuration names: without `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.upstream.address())
    }

    /// What a run comes to, from now on.
    pub fn respond_with(&self, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *self.state.script.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Asks for another token from now on.
    pub fn change_token(&self, token: &str) {
        token.clone_into(&mut self.state.settings.lock().unwrap_or_else(PoisonError::into_inner).token);
    }

    /// Takes so many runs at once from now on.
    pub fn change_limit(&self, concurrent_max: usize) {
        self.state.settings.lock().unwrap_or_else(PoisonError::into_inner).concurrent_max = concurrent_max;
    }

    /// The server below: its requests, its counts.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The most runs that were ever on at once.
    pub fn most(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// How many it sent away.
    pub fn sent_away(&self) -> usize {
        self.state.sent_away.load(Ordering::SeqCst)
    }
}

impl State {
    fn answer(&self, seen: &Seen) -> Reply {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if seen.header("authorization") != format!("Bearer {}", settings.token) {
            return Reply::words(401, "Unauthorized");
        }
        let agent = match seen.header("x-openclaw-agent-id") {
            "" => "main",
            named => named,
        };
        if !settings.agents.iter().any(|known| known == agent) {
            return Reply::words(404, format!("Unknown agent: {agent}"));
        }
        let Some(seat) = Seat::take(&self.running, settings.concurrent_max) else {
            self.sent_away.fetch_add(1, Ordering::SeqCst);
            return Reply::words(429, "Too many concurrent runs").retry_after(settings.retry_after);
        };
        self.most.fetch_max(self.running.load(Ordering::SeqCst), Ordering::SeqCst);
        let script = Arc::clone(&self.script.lock().unwrap_or_else(PoisonError::into_inner));
        let (reply, limit) = (script(seen), settings.run_limit);
        let reply = match settings.ending {
            Ending::Breaks => reply.cut_at(limit),
            Ending::Done => reply.done_at(limit),
            Ending::Sentence => reply.saying_at(limit, NO_ANSWER),
            Ending::Error => reply.error_at(limit, "the run's time limit was reached"),
        };
        reply.keeping(Arc::new(seat))
    }
}

/// One of the runs at once, until its answer has ended.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(running: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let entered = running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| (now < most).then_some(now + 1));
        entered.is_ok().then(|| Self(Arc::clone(running)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

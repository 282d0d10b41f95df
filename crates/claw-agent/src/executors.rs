//! Other gateways that carry out whole runs, and how many runs each of them takes at once.
//!
//! How many one takes nobody says, so it is found out: a gate begins at the configured number, loses
//! a place with every run that is turned away, and wins one back after a row of runs that were
//! taken. Whoever is turned away says when to come back, and until then nobody goes. A run that is turned away
//! again, with no more on there than were taken meanwhile, is so for a reason of its own: it waits alone, each time for
//! longer, and the gate is as wide as before it came.
//!
//! Surprise: gates outlive catalogues. A new configuration neither forgets what was found out nor
//! lets twice as many in.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claw_core::provider::{Cut, Provider};
use claw_core::turn::Origin;
use claw_core::{Principal, TaskId, Text};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::catalog::Resolved;
use crate::limits::{
    CONTINUATIONS, EXECUTOR_RUN_LIMIT, EXECUTOR_WAIT_DEFAULT, EXECUTOR_WAIT_MIN, EXECUTOR_WAIT_OWN_MAX,
    RUN_LIMIT_GRACE, TAKEN_TO_WIDEN, TURNED_AWAY_MAX,
};

/// What a conversation is told whose run was ended, unless the configuration has other words.
pub const CONTINUE_WITH: &str = "The gateway ended your last turn because its time limit was reached; the task is not \
    done. Go on from where you stopped, without repeating what you have said or done. If nothing is left to do, say only \
    what is still missing from your answer.";

/// How a run goes on that another gateway has ended because its time there was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// What its conversation there is told.
    pub message: Text,
    /// How often one run is told so; never, if zero.
    pub times_max: u32,
    /// How long that gateway lets a run take, where it does not say so itself at the end.
    pub run_limit: Duration,
}

impl Default for Continuation {
    fn default() -> Self {
        Self { message: CONTINUE_WITH.into(), times_max: CONTINUATIONS, run_limit: EXECUTOR_RUN_LIMIT }
    }
}

impl Continuation {
    /// Whether the time there was over when it ended a run like this, `after` so long.
    pub(crate) fn is_over(&self, cut: &Cut, after: Duration) -> bool {
        match cut {
            Cut::Limit(_) => true,
            Cut::TimedOut(_) => after >= self.run_limit,
            // Such a gateway ends every run without a word: only one that ends just when its time does was cut.
            Cut::Unexplained { .. } => {
                (self.run_limit..self.run_limit.saturating_add(RUN_LIMIT_GRACE)).contains(&after)
            }
        }
    }
}

/// Another gateway, as configured.
#[derive(Clone)]
pub struct Executor {
    /// How it is spoken to; its id is the executor's.
    pub provider: Arc<dyn Provider>,
    /// Which of its agents serves.
    pub agent: String,
    /// Runs at once at most.
    pub concurrent_max: usize,
    /// Whether it serves others than the operator.
    pub serves_tenants: bool,
    /// What becomes of runs that it ends when their time there is over.
    pub continuation: Continuation,
    /// Its number among the catalogue's sources.
    pub(crate) source: usize,
}

impl Executor {
    /// One that serves the operator alone.
    pub fn new(provider: Arc<dyn Provider>, agent: impl Into<String>, concurrent_max: usize) -> Self {
        Self {
            provider,
            agent: agent.into(),
            concurrent_max,
            serves_tenants: false,
            continuation: Continuation::default(),
            source: 0,
        }
    }

    /// The same for API keys and hooks, too.
    #[must_use]
    pub fn serving_tenants(self, serves_tenants: bool) -> Self {
        Self { serves_tenants, ..self }
    }

    /// The same with another way to go on.
    #[must_use]
    pub fn continuing(self, continuation: Continuation) -> Self {
        Self { continuation, ..self }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.provider.id()
    }

    /// Whether it carries out runs of `principal` that came by `origin`.
    pub fn serves(&self, principal: &Principal, origin: &Origin) -> bool {
        self.serves_tenants || (principal.id.is_operator() && !origin.is_hook())
    }

    /// `<executor>/<agent there>`, where a model's name stands otherwise.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.id(), self.agent)
    }

    pub(crate) fn resolved(&self) -> Resolved {
        Resolved {
            provider: Arc::clone(&self.provider),
            model: self.agent.clone(),
            tools: false,
            context_tokens: None,
            output_tokens_max: None,
            never_thinks: false,
            source: self.source,
        }
    }
}

/// How a gate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateState {
    /// The executor's id.
    pub executor: String,
    /// Runs that are on there.
    pub running: usize,
    /// How many it is believed to take.
    pub open: usize,
    /// How many it may be given at all.
    pub concurrent_max: usize,
    /// How long nobody goes there, since it asked for that.
    pub wait: Option<Duration>,
}

/// The gates of all executors. Clones are the same gates.
#[derive(Debug, Clone, Default)]
pub struct Gates(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    gates: Mutex<BTreeMap<String, Gate>>,
    /// Told when somebody leaves.
    left: watch::Sender<()>,
}

#[derive(Debug)]
struct Gate {
    concurrent_max: usize,
    open: usize,
    running: usize,
    /// Runs taken since the last change.
    taken: usize,
    /// Runs taken at all.
    taken_ever: u64,
    /// How many were on there when one of them was taken, since it last became narrower.
    proved: usize,
    closed_until: Option<Instant>,
    /// Who was turned away, and not taken since.
    turned: HashMap<TaskId, Turned>,
}

/// A run that was turned away.
#[derive(Debug, Default)]
struct Turned {
    /// How often in a row it was for a reason of its own.
    times: u32,
    /// How much narrower it has made the gate.
    narrowed: usize,
    /// What had been taken by then.
    taken_ever: u64,
}

/// What it means to be turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away {
    /// How long to wait.
    pub wait: Duration,
    /// Whether nobody else waits: the gate stays open.
    pub is_own: bool,
}

impl Gate {
    fn new(concurrent_max: usize) -> Self {
        Self {
            concurrent_max,
            open: concurrent_max,
            running: 0,
            taken: 0,
            taken_ever: 0,
            proved: 0,
            closed_until: None,
            turned: HashMap::new(),
        }
    }

    /// Takes up another number of the configuration; what was found out below it stays.
    fn resize(&mut self, concurrent_max: usize) {
        let concurrent_max = concurrent_max.max(1);
        if concurrent_max != self.concurrent_max {
            let was_wide = self.open == self.concurrent_max;
            self.open = if was_wide { concurrent_max } else { self.open.min(concurrent_max) };
            self.concurrent_max = concurrent_max;
        }
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        self.closed_until.map(|until| until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Somebody was turned away who is told to come back after `wait`.
    fn turn_away(&mut self, id: TaskId, wait: Duration) -> Away {
        let before = self.turned.remove(&id);
        let is_own =
            before.as_ref().is_some_and(|before| self.taken_ever > before.taken_ever) && self.running <= self.proved;
        let mut turned = before.unwrap_or_default();
        turned.taken_ever = self.taken_ever;
        let wait = if is_own {
            self.open = self.open.saturating_add(std::mem::take(&mut turned.narrowed)).min(self.concurrent_max);
            turned.times = turned.times.saturating_add(1);
            wait.saturating_mul(1 << turned.times.min(10)).min(EXECUTOR_WAIT_OWN_MAX.max(wait))
        } else {
            let open = self.open.saturating_sub(1).max(1);
            turned.narrowed += self.open - open;
            (self.open, self.taken, self.proved) = (open, 0, self.proved.min(open));
            let until = Instant::now() + wait;
            self.closed_until = Some(self.closed_until.map_or(until, |before| before.max(until)));
            wait
        };
        if self.turned.len() >= TURNED_AWAY_MAX {
            // Whoever has gone elsewhere never says so.
            self.turned.clear();
        }
        self.turned.insert(id, turned);
        Away { wait, is_own }
    }

    fn has_room(&self, now: Instant) -> bool {
        self.running < self.open && self.wait(now).is_none()
    }
}

/// There is no room; look again after so long at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full(pub Duration);

impl Gates {
    /// Takes up the numbers of a new configuration; whoever waits with the old one changes nothing any more.
    pub(crate) fn adopt(&self, executors: &[Executor]) {
        for executor in executors {
            self.with(executor.id(), |gate| gate.resize(executor.concurrent_max));
        }
        // There may be room now.
        self.0.left.send_replace(());
    }

    /// Lets one run in, if there is room.
    pub fn try_enter(&self, executor: &Executor) -> Result<Pass, Full> {
        let now = Instant::now();
        let mut gates = self.gates();
        let gate = gates.entry(executor.id().to_owned()).or_insert_with(|| Gate::new(executor.concurrent_max.max(1)));
        if !gate.has_room(now) {
            return Err(Full(gate.wait(now).unwrap_or(EXECUTOR_WAIT_DEFAULT)));
        }
        gate.running += 1;
        Ok(Pass { gates: self.clone(), executor: executor.id().to_owned() })
    }

    /// Lets one run in, once there is room. Cancel-safe.
    pub async fn enter(&self, executor: &Executor) -> Pass {
        // Subscribed before the first look, so that nobody leaves unseen.
        let mut left = self.0.left.subscribe();
        loop {
            match self.try_enter(executor) {
                Ok(pass) => return pass,
                Err(Full(wait)) => drop(tokio::time::timeout(wait, left.changed()).await),
            }
        }
    }

    /// Hears of everybody who leaves.
    pub fn listen(&self) -> watch::Receiver<()> {
        self.0.left.subscribe()
    }

    /// How long until the next closed gate opens by itself.
    pub fn next_opening(&self) -> Option<Duration> {
        let now = Instant::now();
        self.gates().values().filter_map(|gate| gate.wait(now)).min()
    }

    /// How they stand; those that nobody has gone through yet are not among them.
    pub fn states(&self) -> Vec<GateState> {
        let now = Instant::now();
        let gates = self.gates();
        let shown = gates.iter().map(|(executor, gate)| GateState {
            executor: executor.clone(),
            running: gate.running,
            open: gate.open,
            concurrent_max: gate.concurrent_max,
            wait: gate.wait(now),
        });
        shown.collect()
    }

    fn gates(&self) -> MutexGuard<'_, BTreeMap<String, Gate>> {
        self.0.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, executor: &str, change: impl FnOnce(&mut Gate)) {
        if let Some(gate) = self.gates().get_mut(executor) {
            change(gate);
        }
    }
}

/// One run's leave to go there; given back when dropped.
#[derive(Debug)]
pub struct Pass {
    gates: Gates,
    executor: String,
}

impl Pass {
    /// Whether it is a leave to go there.
    pub(crate) fn is_for(&self, executor: &Executor) -> bool {
        self.executor == executor.id()
    }

    /// It was taken: a row of those makes the gate wider.
    pub(crate) fn taken(&self, id: TaskId) {
        self.gates.with(&self.executor, |gate| {
            gate.turned.remove(&id);
            gate.taken_ever += 1;
            gate.proved = gate.proved.max(gate.running);
            gate.taken += 1;
            if gate.taken >= gate.open.saturating_mul(TAKEN_TO_WIDEN) && gate.open < gate.concurrent_max {
                (gate.open, gate.taken) = (gate.open + 1, 0);
            }
        });
    }

    /// It was turned away: the gate becomes narrower, and is closed for as long as was asked for, unless that is its
    /// own affair.
    pub(crate) fn turned_away(&self, id: TaskId, asked: Option<Duration>) -> Away {
        let wait = asked.unwrap_or(EXECUTOR_WAIT_DEFAULT).max(EXECUTOR_WAIT_MIN);
        let mut away = Away { wait, is_own: false };
        self.gates.with(&self.executor, |gate| away = gate.turn_away(id, wait));
        away
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gates.with(&self.executor, |gate| gate.running = gate.running.saturating_sub(1));
        self.gates.0.left.send_replace(());
    }
}

#[cfg(test)]
#[path = "executors/tests.rs"]
mod tests;

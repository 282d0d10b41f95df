//! Leaves alone what has failed: one breaker per (source, model), a source being a provider with
//! one of its keys.
//!
//! Pure but for a lock: time and chance are arguments. Closed until [`FAILURES_TO_OPEN`] failures
//! follow one another within [`FAILURES_WINDOW`], then open for a time that doubles with each
//! opening, then half-open: one request probes, the others go on elsewhere. A refusal that is no
//! accident – a bad key, a rate limit, an unknown model – opens at once, for as long as the
//! provider asked.
//!
//! Surprise: only what has failed is remembered, so a healthy house pays one atomic load a request
//! and names that strangers invent take no memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claw_core::provider::ProviderError;
use claw_core::{Timestamp, retry};

use crate::limits::{
    BREAKER_OPEN_MAX, BREAKER_OPEN_MIN, BREAKERS_MAX, FAILURES_TO_OPEN, FAILURES_WINDOW, PROBE_AFTER, REFUSED_FOR_MIN,
};

/// What is kept of a failure's words.
const CAUSE_BYTES_MAX: usize = 300;

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It has failed lately, and is asked.
    Closed,
    /// It is not asked.
    Open {
        /// How long yet.
        wait: Duration,
    },
    /// Its time is over, and one request finds out.
    HalfOpen,
}

/// Whether a source may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    /// As any other.
    Free,
    /// As the one that finds out.
    Probe,
    /// Not now.
    Aside(Aside),
}

/// Why a source is not asked, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) wait: Duration,
    pub(crate) cause: String,
    pub(crate) kind: Kind,
}

impl Aside {
    /// Whether it is not even asked when nobody else can be.
    pub(crate) const fn is_firm(&self) -> bool {
        matches!(self.kind, Kind::Failing | Kind::Asked)
    }
}

/// What led to an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Failure after failure.
    Failing,
    /// It asked for the pause itself.
    Asked,
    /// It refuses: a key, a limit, a model. Asking again may be useless but harms nobody.
    Refused,
    /// Its pause is over, and another request is finding out.
    Probed,
}

/// All breakers of a catalogue.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    /// By source, then by model.
    cells: Mutex<HashMap<usize, HashMap<String, Cell>>>,
    /// How many cells there are.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Cell {
    /// One after another, within the window.
    failures: u32,
    /// The first of them.
    since: Timestamp,
    /// How often it has opened without a success in between.
    openings: u32,
    pause: Option<Pause>,
    cause: String,
}

#[derive(Debug)]
struct Pause {
    from: Timestamp,
    wait: Duration,
    kind: Kind,
    /// When the last probe set out.
    probed: Option<Timestamp>,
}

impl Pause {
    /// What is left of it; nothing also when the clock was set back to before it began.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = self.wait.saturating_sub(now.since(self.from));
        (now >= self.from && !left.is_zero()).then_some(left)
    }

    /// Whether somebody is finding out; one who takes for ever does not count.
    fn is_probed(&self, now: Timestamp) -> bool {
        self.probed.is_some_and(|began| now >= began && now.since(began) < PROBE_AFTER)
    }
}

/// How an error counts.
enum Verdict {
    /// It may be an accident.
    Accident,
    /// It is none.
    Refusal { kind: Kind, asked: Option<Duration> },
    /// It says nothing about the source.
    Faultless,
}

fn verdict(error: &ProviderError) -> Verdict {
    match error {
        ProviderError::Unreachable { .. } | ProviderError::Timeout { .. } | ProviderError::Interrupted { .. } => {
            Verdict::Accident
        }
        ProviderError::Status { status, retry_after, .. } => match (status, retry_after) {
            (429 | 503, Some(asked)) => Verdict::Refusal { kind: Kind::Asked, asked: Some(*asked) },
            (429, None) => Verdict::Refusal { kind: Kind::Refused, asked: None },
            (401..=404, asked) => {
                Verdict::Refusal { kind: Kind::Refused, asked: Some(asked.unwrap_or(REFUSED_FOR_MIN)) }
            }
            (400, _) if error.is_operators() => Verdict::Refusal { kind: Kind::Refused, asked: Some(REFUSED_FOR_MIN) },
            (408 | 409 | 425 | 500..=599, _) => Verdict::Accident,
            _ => Verdict::Faultless,
        },
        ProviderError::Busy { .. } | ProviderError::SetAside { .. } | ProviderError::Unsupported { .. } => {
            Verdict::Faultless
        }
    }
}

impl Breakers {
    /// Whether `model` may be asked of `source` now. [`Admission::Probe`] must be followed by one
    /// of the three verbs below.
    pub(crate) fn admit(&self, source: usize, model: &str, now: Timestamp) -> Admission {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Admission::Free;
        }
        let mut cells = self.cells();
        let Some(cell) = cells.get_mut(&source).and_then(|models| models.get_mut(model)) else {
            return Admission::Free;
        };
        let Some(pause) = &mut cell.pause else { return Admission::Free };
        let aside = |wait, kind| Admission::Aside(Aside { wait, cause: cell.cause.clone(), kind });
        if let Some(left) = pause.left(now) {
            return aside(left, pause.kind);
        }
        if pause.is_probed(now) {
            return aside(Duration::ZERO, Kind::Probed);
        }
        pause.probed = Some(now);
        Admission::Probe
    }

    /// It answered to the end: all is forgotten.
    pub(crate) fn succeeded(&self, source: usize, model: &str) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut cells = self.cells();
        if let Some(models) = cells.get_mut(&source) {
            models.remove(model);
        }
        self.counted(&cells);
    }

    /// It gave no (whole) answer; `random` is from 0 up to 1.
    pub(crate) fn failed(&self, source: usize, model: &str, error: &ProviderError, now: Timestamp, random: f64) {
        let (kind, asked) = match verdict(error) {
            Verdict::Faultless => return self.released(source, model),
            Verdict::Accident => (Kind::Failing, None),
            Verdict::Refusal { kind, asked } => (kind, asked),
        };
        let mut cells = self.cells();
        if self.count.load(Ordering::Relaxed) >= BREAKERS_MAX {
            forget_the_idle(&mut cells, now);
        }
        let is_full = cells.values().map(HashMap::len).sum::<usize>() >= BREAKERS_MAX;
        let models = cells.entry(source).or_default();
        if is_full && !models.contains_key(model) {
            return;
        }
        let cell = models.entry(model.to_owned()).or_insert_with(|| Cell::new(now));
        cell.fail(kind, asked, now, random);
        cell.cause = cut(error.outline());
        self.counted(&cells);
    }

    /// Nothing was found out: the next request may probe.
    pub(crate) fn released(&self, source: usize, model: &str) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut cells = self.cells();
        if let Some(pause) =
            cells.get_mut(&source).and_then(|models| models.get_mut(model)).and_then(|cell| cell.pause.as_mut())
        {
            pause.probed = None;
        }
    }

    /// What has failed lately: source, model, position, the newest cause.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<(usize, String, Position, String)> {
        let cells = self.cells();
        let all =
            cells.iter().flat_map(|(source, models)| models.iter().map(move |(model, cell)| (source, model, cell)));
        all.map(|(source, model, cell)| (*source, model.clone(), cell.position(now), cell.cause.clone())).collect()
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<usize, HashMap<String, Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self, cells: &HashMap<usize, HashMap<String, Cell>>) {
        self.count.store(cells.values().map(HashMap::len).sum(), Ordering::Relaxed);
    }
}

impl Cell {
    fn new(now: Timestamp) -> Self {
        Self { failures: 0, since: now, openings: 0, pause: None, cause: String::new() }
    }

    fn fail(&mut self, kind: Kind, asked: Option<Duration>, now: Timestamp, random: f64) {
        if now.since(self.since) > FAILURES_WINDOW || now < self.since {
            (self.failures, self.since) = (0, now);
        }
        self.failures = self.failures.saturating_add(1);
        match &self.pause {
            // Requests that set out before the opening add nothing to it.
            Some(pause) if pause.left(now).is_some() => return,
            Some(_half_open) => {}
            None if kind == Kind::Failing && self.failures < FAILURES_TO_OPEN => return,
            None => {}
        }
        self.openings = self.openings.saturating_add(1);
        let policy = retry::Policy { base: BREAKER_OPEN_MIN, cap: BREAKER_OPEN_MAX, attempts_max: u32::MAX };
        let wait = policy.delay(self.openings, Some(asked.unwrap_or(BREAKER_OPEN_MIN)), random);
        self.pause = Some(Pause { from: now, wait, kind, probed: None });
    }

    fn position(&self, now: Timestamp) -> Position {
        match &self.pause {
            None => Position::Closed,
            Some(pause) => pause.left(now).map_or(Position::HalfOpen, |wait| Position::Open { wait }),
        }
    }
}

/// Makes room: whatever waits for nothing, and has not failed for a while.
fn forget_the_idle(cells: &mut HashMap<usize, HashMap<String, Cell>>, now: Timestamp) {
    for models in cells.values_mut() {
        models.retain(|_, cell| {
            let is_recent = now >= cell.since && now.since(cell.since) <= FAILURES_WINDOW;
            is_recent || cell.pause.as_ref().is_some_and(|pause| pause.left(now).is_some())
        });
    }
}

fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(CAUSE_BYTES_MAX));
    words
}

/// One request under way, whose outcome its breaker waits for. Dropped without one it says that
/// nothing was found out.
pub(crate) struct Trial {
    breakers: Arc<Breakers>,
    source: usize,
    model: String,
    is_settled: bool,
}

impl Trial {
    pub(crate) fn new(breakers: Arc<Breakers>, source: usize, model: String) -> Self {
        Self { breakers, source, model, is_settled: false }
    }

    pub(crate) fn succeeded(mut self) {
        self.is_settled = true;
        self.breakers.succeeded(self.source, &self.model);
    }

    pub(crate) fn failed(mut self, error: &ProviderError, now: Timestamp, random: f64) {
        self.is_settled = true;
        self.breakers.failed(self.source, &self.model, error, now, random);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !self.is_settled {
            self.breakers.released(self.source, &self.model);
        }
    }
}

#[cfg(test)]
#[path = "breaker/tests.rs"]
mod tests;

//! How much one key may have generated: answers in a minute, and answers at once (K19, C45, C46).
//!
//! Whoever waits on the line for an answer takes a [`Pass`] first and holds its place until the answer is there
//! or nobody waits for it any more. Tasks queue, and take none; reading takes none.
//!
//! Several answers to one request count as so many. An answer that goes on without its caller keeps its place.
//!
//! A request counts for a minute, in steps of a second, so that no minute sees more than the number. The usual
//! leaky bucket lets twice as many through in its first minute, and cannot say truly how many are left.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use claw_core::{Clock, Principal, PrincipalId, Timestamp};

use crate::limits::{LIMITER_KEYS_MAX, LIMITER_SHARDS, OVERLOAD_RETRY};

/// Seconds in which a request counts.
const WINDOW_SECONDS: i64 = 60;

/// What one key may have generated; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that begin within a minute.
    pub requests_per_minute: u32,
    /// Answers under way at once.
    pub concurrent_max: u32,
}

impl Quota {
    /// No limit.
    pub const NONE: Self = Self { requests_per_minute: 0, concurrent_max: 0 };
}

/// C45 and C46.
impl Default for Quota {
    fn default() -> Self {
        Self { requests_per_minute: 100, concurrent_max: 10 }
    }
}

/// The quotas in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotas {
    /// Of the gateway's own token or password.
    pub operator: Quota,
    /// Of each API key.
    pub api_keys: Quota,
}

impl Quotas {
    /// No limits.
    pub const NONE: Self = Self { operator: Quota::NONE, api_keys: Quota::NONE };

    fn of(&self, principal: &PrincipalId) -> Quota {
        if principal.is_operator() { self.operator } else { self.api_keys }
    }
}

/// Where a key stands in its minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests it has in a minute.
    pub limit: u32,
    /// How many of them are left now.
    pub remaining: u32,
    /// When there is one more than that.
    pub reset: Duration,
}

/// Why there is no pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// So many were asked for within a minute.
    #[error("this key may have {limit} answers generated in a minute, and has; try again in {} s", seconds(*wait))]
    Rate {
        /// How many it may.
        limit: u32,
        /// After that there is one more.
        wait: Duration,
    },
    /// So many are under way.
    #[error("this key may have {limit} answers generated at once; try again when one that is under way has ended")]
    Concurrent {
        /// How many it may.
        limit: u32,
    },
    /// One request asks for more than the key may ever have: waiting does not help.
    #[error("this key may have {limit} answers generated {within}, and {asked} are asked for in one request")]
    Beyond {
        /// How many it may.
        limit: u32,
        /// How many were asked for.
        asked: u32,
        /// At once, or in a minute.
        within: &'static str,
    },
    /// More keys are active than can be told apart.
    #[error("too many keys are active; try again in {} s", OVERLOAD_RETRY.as_secs())]
    Keys,
}

/// A refusal, and where the key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{excess}")]
pub struct Refusal {
    /// Why.
    pub excess: Excess,
    /// Nothing where requests are not counted.
    pub standing: Option<Standing>,
}

impl Refusal {
    /// When to come back: after that time there is room, where time alone makes it.
    pub const fn retry_after(&self) -> Duration {
        match self.excess {
            Excess::Rate { wait, .. } => wait,
            Excess::Concurrent { .. } | Excess::Beyond { .. } | Excess::Keys => OVERLOAD_RETRY,
        }
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// What one request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Counted in the minute.
    answers: u32,
    /// Taken among those under way.
    places: u32,
}

impl Claim {
    /// One answer, for which its caller waits.
    pub const ONE: Self = Self { answers: 1, places: 1 };
    /// One answer that is made later: counted, and without a place.
    pub const LATER: Self = Self { answers: 1, places: 0 };

    /// So many answers at once, for which their caller waits.
    pub fn several(answers: usize) -> Self {
        let answers = u32::try_from(answers).unwrap_or(u32::MAX);
        Self { answers, places: answers }
    }
}

/// Leave to have answers generated. Places that nobody took out of it are free again when it is dropped.
#[derive(Debug, Default)]
pub struct Pass {
    places: Vec<Hold>,
    standing: Option<Standing>,
}

impl Pass {
    /// Where the key stands; nothing where requests are not counted.
    pub const fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// The place of one answer, for as long as that takes.
    pub(crate) fn take_place(&mut self) -> Option<Hold> {
        self.places.pop()
    }
}

/// A place among a key's answers under way.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Account>);

impl Hold {
    /// All of them or none.
    fn take(account: &Arc<Account>, places: u32, concurrent_max: u32) -> Option<Vec<Self>> {
        if places == 0 {
            return Some(Vec::new());
        }
        let more = |running: u32| {
            running.checked_add(places).filter(|running| concurrent_max == 0 || *running <= concurrent_max)
        };
        account.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some((0..places).map(|_| Self(Arc::clone(account))).collect())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of one key.
#[derive(Debug)]
struct Account {
    running: AtomicU32,
    window: Mutex<Window>,
}

impl Account {
    /// Whether it says nothing that a fresh one would not.
    fn is_idle(&self, now: Timestamp) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.roll(now);
        window.total == 0 && self.running.load(Ordering::Relaxed) == 0
    }
}

/// The requests of the last minute, by the second.
#[derive(Debug)]
struct Window {
    /// By the second's number modulo their count.
    seconds: [u32; WINDOW_SECONDS as usize],
    /// The last second that was looked at.
    newest: i64,
    total: u32,
}

impl Window {
    fn at(now: Timestamp) -> Self {
        Self { seconds: [0; WINDOW_SECONDS as usize], newest: now.seconds(), total: 0 }
    }

    /// Lets go of what is older than a minute. A clock that is set back a little makes the newest second longer;
    /// one that is set back by more than the window begins it anew, so that nobody waits for hours.
    fn roll(&mut self, now: Timestamp) {
        let second = now.seconds();
        let passed = second.saturating_sub(self.newest);
        if passed.unsigned_abs() >= WINDOW_SECONDS.unsigned_abs() {
            *self = Self::at(now);
            return;
        }
        for gone in self.newest + 1..=second {
            let slot = self.slot(gone);
            let freed = std::mem::take(slot);
            self.total -= freed;
        }
        self.newest = self.newest.max(second);
    }

    fn slot(&mut self, second: i64) -> &mut u32 {
        let place = usize::try_from(second.rem_euclid(WINDOW_SECONDS)).unwrap_or_default();
        self.seconds.get_mut(place).expect("a remainder is below its divisor")
    }

    /// Counts so many answers, if they are left; else how long to wait for them.
    fn take(&mut self, now: Timestamp, answers: u32, limit: u32) -> Result<Standing, Duration> {
        self.roll(now);
        let total = self.total.saturating_add(answers);
        if total > limit {
            return Err(self.until_freed(now, total - limit));
        }
        let newest = self.newest;
        *self.slot(newest) += answers;
        self.total = total;
        Ok(self.standing(now, limit))
    }

    fn standing(&self, now: Timestamp, limit: u32) -> Standing {
        Standing { limit, remaining: limit.saturating_sub(self.total), reset: self.until_freed(now, 1) }
    }

    /// How long it takes until so many requests are older than a minute.
    fn until_freed(&self, now: Timestamp, wanted: u32) -> Duration {
        let oldest = self.newest - WINDOW_SECONDS + 1;
        let (older, newer) =
            self.seconds.split_at(usize::try_from(oldest.rem_euclid(WINDOW_SECONDS)).unwrap_or_default());
        let mut freed = 0_u32;
        for (second, count) in (oldest..).zip(newer.iter().chain(older)) {
            freed = freed.saturating_add(*count);
            if freed >= wanted {
                return Timestamp::from_millis((second + WINDOW_SECONDS) * 1000).since(now);
            }
        }
        Duration::ZERO
    }
}

type Shard = Mutex<HashMap<PrincipalId, Arc<Account>>>;

/// Counts for every key. Cheap to clone.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    quotas: RwLock<Quotas>,
    shards: [Shard; LIMITER_SHARDS],
    hasher: RandomState,
    clock: Arc<dyn Clock>,
}

impl Limiter {
    /// With these quotas, by this clock.
    pub fn new(quotas: Quotas, clock: Arc<dyn Clock>) -> Self {
        let shards = std::array::from_fn(|_| Shard::default());
        Self(Arc::new(Inner { quotas: RwLock::new(quotas), shards, hasher: RandomState::new(), clock }))
    }

    /// Goes on with other quotas. What is under way and was asked for counts on.
    pub fn adopt(&self, quotas: Quotas) {
        *self.0.quotas.write().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    /// Leave to have answers generated, if the key has so many left. A refused request does not count.
    ///
    /// Errors: the key has had its number or can never have that many, or there are too many keys.
    pub fn admit(&self, principal: &Principal, claim: Claim) -> Result<Pass, Refusal> {
        let quota = self.0.quotas.read().unwrap_or_else(PoisonError::into_inner).of(&principal.id);
        if quota == Quota::NONE {
            return Ok(Pass::default());
        }
        let now = self.0.clock.now();
        let pass = self.pass(&principal.id, claim, quota, now);
        if let Err(Refusal { excess, .. }) = &pass {
            let why = match excess {
                Excess::Rate { .. } => "rate",
                Excess::Concurrent { .. } => "concurrency",
                Excess::Beyond { .. } => "beyond",
                Excess::Keys => "keys",
            };
            metrics::counter!("openclaw_generations_refused_total", "limit" => why).increment(1);
        }
        pass
    }

    fn pass(&self, key: &PrincipalId, claim: Claim, quota: Quota, now: Timestamp) -> Result<Pass, Refusal> {
        let Quota { requests_per_minute, concurrent_max } = quota;
        let Claim { answers, places } = claim;
        for (asked, limit, within) in
            [(places, concurrent_max, "at once"), (answers, requests_per_minute, "in a minute")]
        {
            if limit > 0 && asked > limit {
                return Err(Refusal { excess: Excess::Beyond { limit, asked, within }, standing: None });
            }
        }
        let account = self.0.account(key, now).ok_or(Refusal { excess: Excess::Keys, standing: None })?;
        let places = Hold::take(&account, places, concurrent_max);
        if requests_per_minute == 0 {
            let excess = Excess::Concurrent { limit: concurrent_max };
            let places = places.ok_or(Refusal { excess, standing: None })?;
            return Ok(Pass { places, standing: None });
        }
        let mut window = account.window.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(places) = places else {
            window.roll(now);
            let standing = Some(window.standing(now, requests_per_minute));
            return Err(Refusal { excess: Excess::Concurrent { limit: concurrent_max }, standing });
        };
        match window.take(now, answers, requests_per_minute) {
            Ok(standing) => Ok(Pass { places, standing: Some(standing) }),
            Err(wait) => {
                let excess = Excess::Rate { limit: requests_per_minute, wait };
                Err(Refusal { excess, standing: Some(window.standing(now, requests_per_minute)) })
            }
        }
    }

    /// How many keys are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

impl Inner {
    /// The key's account, opened if it has none; nothing where all that there is room for are in use.
    fn account(&self, key: &PrincipalId, now: Timestamp) -> Option<Arc<Account>> {
        let place = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % LIMITER_SHARDS;
        let mut shard = self.shards.get(place)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = shard.get(key) {
            return Some(Arc::clone(account));
        }
        if shard.len() >= LIMITER_KEYS_MAX / LIMITER_SHARDS {
            // Whoever holds a second one is about to use it.
            shard.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_idle(now));
        }
        if shard.len() >= LIMITER_KEYS_MAX / LIMITER_SHARDS {
            return None;
        }
        let account = Arc::new(Account { running: AtomicU32::new(0), window: Mutex::new(Window::at(now)) });
        shard.insert(key.clone(), Arc::clone(&account));
        Some(account)
    }
}

#[cfg(test)]
#[path = "limiter/tests.rs"]
mod tests;

//! One key's account: its minute, its answers under way, its month.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claw_core::{PrincipalId, Timestamp};

use super::tokens::Tokens;
use super::window::Window;
use crate::limits::{LIMITER_KEYS_MAX, LIMITER_SHARDS};

/// Of one key.
#[derive(Debug)]
pub(super) struct Account {
    running: AtomicU32,
    window: Mutex<Window>,
    tokens: Mutex<Tokens>,
}

impl Account {
    fn at(now: Timestamp) -> Self {
        Self { running: AtomicU32::new(0), window: Mutex::new(Window::at(now)), tokens: Mutex::default() }
    }

    pub(super) fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it says nothing that a fresh one would not.
    fn is_idle(&self, now: Timestamp) -> bool {
        let mut window = self.window();
        window.roll(now);
        window.total == 0 && self.running.load(Ordering::Relaxed) == 0 && self.tokens().is_idle()
    }
}

/// A place among a key's answers under way.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Account>);

impl Hold {
    /// All of them or none.
    pub(super) fn take(account: &Arc<Account>, places: u32, concurrent_max: u32) -> Option<Vec<Self>> {
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

type Shard = Mutex<HashMap<PrincipalId, Arc<Account>>>;

/// The accounts of all keys that are active.
#[derive(Debug)]
pub(super) struct Accounts {
    shards: [Shard; LIMITER_SHARDS],
    hasher: RandomState,
}

impl Accounts {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()), hasher: RandomState::new() }
    }

    /// The key's account, opened if it has none; nothing where all that there is room for are in use.
    pub(super) fn open(&self, key: &PrincipalId, now: Timestamp) -> Option<Arc<Account>> {
        let mut shard = self.shard(key)?;
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
        let account = Arc::new(Account::at(now));
        shard.insert(key.clone(), Arc::clone(&account));
        Some(account)
    }

    /// The key's account, if it has one.
    pub(super) fn find(&self, key: &PrincipalId) -> Option<Arc<Account>> {
        self.shard(key)?.get(key).map(Arc::clone)
    }

    fn shard(&self, key: &PrincipalId) -> Option<MutexGuard<'_, HashMap<PrincipalId, Arc<Account>>>> {
        let place = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % LIMITER_SHARDS;
        Some(self.shards.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many keys are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

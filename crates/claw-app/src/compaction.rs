//! Conversations that grow too long get their older part retold in fewer words.
//!
//! In the background, beside the runs: nothing waits for it, it holds nothing of the session, and it
//! has a deadline of its own. Only its last step writes, and that changes nothing where the history
//! has gone another way since. If it fails, the history stays as it was, and is left alone for a while.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use claw_agent::{Meter as _, Older, Retold};
use claw_core::provider::Usage;
use claw_core::{Failure, FailureReason, Message, SessionId, Timestamp, Visibility, estimate};
use claw_store::{NewSummary, Session, StoredMessage};
use tokio::sync::Semaphore;

use crate::Error;
use crate::engine::Engine;
use crate::limits::{
    COMPACT_AGAIN_AFTER, COMPACT_KEEP_MESSAGES, COMPACT_MESSAGES_MAX, COMPACTIONS_MAX, COMPACTIONS_WAITING_MAX,
};
use crate::notice::SessionNoticeKind;

/// How conversations are compacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compaction {
    /// Whether it is done at all.
    pub is_on: bool,
    /// The model that does it; the conversation's own when absent.
    pub model: Option<String>,
    /// The newest part, in tokens, stays as it was said.
    pub keep_tokens: u32,
    /// How long it may take.
    pub timeout: Duration,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { is_on: true, model: None, keep_tokens: 20_000, timeout: Duration::from_mins(2) }
    }
}

/// Which sessions are being compacted, and which could not be.
#[derive(Debug)]
pub(crate) struct Compactor {
    settings: RwLock<Compaction>,
    state: Mutex<State>,
    places: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    under_way: HashSet<SessionId>,
    left_alone: HashMap<SessionId, Timestamp>,
}

impl Compactor {
    pub(crate) fn new(settings: Compaction) -> Self {
        Self { settings: RwLock::new(settings), state: Mutex::default(), places: Semaphore::new(COMPACTIONS_MAX) }
    }

    /// Goes on with other settings.
    pub(crate) fn adopt(&self, settings: Compaction) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub(crate) fn settings(&self) -> Compaction {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session's only place; nothing while it is under way, was left alone, or too many wait.
    fn enter(&self, session: SessionId, now: Timestamp) -> Option<Entered<'_>> {
        let mut state = self.state();
        state.left_alone.retain(|_, until| *until > now);
        let is_free = state.under_way.len() < COMPACTIONS_WAITING_MAX && !state.left_alone.contains_key(&session);
        // Made only where it counts: dropping one takes the lock.
        let is_entered = is_free && state.under_way.insert(session);
        is_entered.then(|| Entered { compactor: self, session })
    }

    fn leave_alone(&self, session: SessionId, until: Timestamp) {
        let mut state = self.state();
        if state.left_alone.len() < COMPACTIONS_WAITING_MAX {
            state.left_alone.insert(session, until);
        }
    }
}

/// A session that is being compacted, until this is dropped.
struct Entered<'c> {
    compactor: &'c Compactor,
    session: SessionId,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.compactor.state().under_way.remove(&self.session);
    }
}

impl Engine {
    /// Has a session's older part retold, some time, beside everything else.
    pub(crate) fn compact_later(self: &Arc<Self>, session: SessionId) {
        if !self.compactor.settings().is_on {
            return;
        }
        let engine = Arc::clone(self);
        drop(self.scope.spawn(|cancel| async move {
            let compacted = async {
                let now = engine.clock.now();
                let Some(_entered) = engine.compactor.enter(session, now) else { return };
                if let Err(error) = engine.compact(session).await {
                    tracing::warn!(session.id = %session, "{session} could not be compacted: {error}");
                    engine.compactor.leave_alone(session, now.plus(COMPACT_AGAIN_AFTER));
                }
            };
            tokio::select! { () = cancel.cancelled() => {}, () = compacted => {} }
        }));
    }

    /// Has a session's older part retold now; false where there is nothing to retell, or it has
    /// gone another way meanwhile.
    ///
    /// Errors: no model did it in time; the history is as it was.
    pub(crate) async fn compact(&self, id: SessionId) -> Result<bool, Error> {
        let settings = self.compactor.settings();
        let work = async {
            let Ok(_place) = self.compactor.places.acquire().await else { return Ok(false) };
            let Some(session) = self.store.session_by_id(id, &Visibility::All).await? else { return Ok(false) };
            let Some((older, seqs)) = self.older(&session, &settings).await? else { return Ok(false) };
            let Retold { text, covers, usage, model } = self.agent.retell(&older).await.map_err(Error::Run)?;
            let Some(upto) = covers.checked_sub(1).and_then(|last| seqs.get(last)).copied() else { return Ok(false) };
            let (key, at) = (session.key.clone(), self.clock.now());
            let owner = session.owner.clone();
            let summary = NewSummary { session: id, key, upto, text, usage, model, at };
            let is_changed = self.noted(self.store.summarise(summary).await.await)?;
            self.limiter.stored(&owner, Usage::default());
            if is_changed {
                tracing::info!(session.id = %id, covers, "{covers} messages of {id} are shown to models as a summary");
                self.tell_session(&session, SessionNoticeKind::Changed);
            }
            Ok(is_changed)
        };
        match tokio::time::timeout(settings.timeout, work).await {
            Ok(done) => done,
            Err(_late) => {
                let message = format!("no model summed it up within {} s", settings.timeout.as_secs());
                Err(Error::Run(Failure::new(FailureReason::Provider, message)))
            }
        }
    }

    /// What is to be retold of a session, and the numbers of its messages.
    async fn older(&self, session: &Session, settings: &Compaction) -> Result<Option<(Older, Vec<u64>)>, Error> {
        let mut stored = self.store.context(session.id, COMPACT_MESSAGES_MAX).await?;
        let summary = self.store.summary(session.id).await?;
        stored.truncate(older_part(&stored, settings.keep_tokens));
        if stored.is_empty() {
            return Ok(None);
        }
        let (seqs, messages) = stored.into_iter().map(|stored| (stored.seq, stored.message)).unzip();
        let model = settings.model.clone().or_else(|| session.profile.model.clone());
        Ok(Some((Older { agent: session.agent.clone(), model, summary, messages }, seqs)))
    }
}

/// How many messages are older than the part that stays: whole turns, and never the last one.
fn older_part(stored: &[StoredMessage], keep_tokens: u32) -> usize {
    let all: u64 = stored.iter().map(|stored| estimate::tokens(std::slice::from_ref(&stored.message), &[])).sum();
    // A short conversation that is to be compacted all the same keeps its newer half.
    let keep = u64::from(keep_tokens).min(all / 2);
    let (mut sum, mut older) = (0, 0);
    for (place, StoredMessage { message, .. }) in stored.iter().enumerate().rev() {
        sum += estimate::tokens(std::slice::from_ref(message), &[]);
        let is_kept = sum <= keep && stored.len() - place <= COMPACT_KEEP_MESSAGES;
        if matches!(message, Message::User { .. }) {
            match (is_kept, older) {
                (true, _) | (false, 0) => older = place,
                (false, _) => break,
            }
        }
    }
    older
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(messages: Vec<Message>) -> Vec<StoredMessage> {
        let at = Timestamp::from_millis(0);
        (1..).zip(messages).map(|(seq, message)| StoredMessage { seq, message, task: None, at }).collect()
    }

    /// Turns of about 120 tokens.
    fn turns(count: usize) -> Vec<StoredMessage> {
        let turn = || [Message::user("word ".repeat(80)), Message::assistant("yes", Vec::new())];
        stored((0..count).flat_map(|_| turn()).collect())
    }

    #[test]
    fn the_newest_turns_stay_whole() {
        assert_eq!(older_part(&turns(10), 20_000), 10, "half of a short one");
        assert_eq!(older_part(&turns(10), 330), 14);
        assert_eq!(older_part(&turns(10), 0), 18, "the last turn stays in any case");
        assert_eq!(older_part(&turns(1), 20_000), 0);
        assert_eq!(older_part(&[], 20_000), 0);
        let many = older_part(&turns(400), 1_000_000);
        assert_eq!(800 - many, COMPACT_KEEP_MESSAGES);
        let one_turn: Vec<Message> = std::iter::once(Message::user("go"))
            .chain((0..50).map(|_| Message::assistant("still at it", Vec::new())))
            .collect();
        assert_eq!(older_part(&stored(one_turn), 10), 0);
    }
}

//! What everybody may hear: who is here, how the gateway is, what happened to it.
//!
//! News is rendered once and shared by all sockets. `presence` and `health` are states: they have
//! versions that rise with each change, and are told in a rhythm that keeps what all listeners
//! together are sent within [`SHARED_BYTES_PER_SECOND`].

mod rhythm;
mod roster;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use claw_app::notice::TaskNotice;
use claw_core::{Principal, PrincipalId, Scope, Timestamp};
use claw_wire::ws::frame::{self, StateVersion};
use claw_wire::ws::gateway::Health;
use claw_wire::ws::system::{HeartbeatEvent, PresenceEntry};
use claw_wire::ws::tasks::TaskChanged;
use serde::Serialize;
use tokio::sync::{Notify, broadcast};

pub(crate) use rhythm::run;
use roster::Roster;

use crate::limits::{SHARED_BYTES_PER_SECOND, SHARED_MAX, SYSTEM_EVENTS_MAX};

/// How often `presence` and `health` have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) presence: u64,
    pub(crate) health: u64,
}

impl Version {
    /// In the form a client reads (B8): stock programs want an object.
    pub(crate) const fn shown(self, is_stock: bool) -> StateVersion {
        let Self { presence, health } = self;
        if is_stock { StateVersion::Object { presence, health } } else { StateVersion::Number(presence + health) }
    }
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audience {
    scope: Scope,
    /// Whose object it is about; nobody's when everybody with the scope may know.
    owner: Option<PrincipalId>,
    /// Only sockets that asked for news of conversations.
    subscribed: bool,
}

impl Audience {
    /// Everybody with `scope`.
    #[cfg(test)]
    pub(crate) const fn of(scope: Scope) -> Self {
        Self { scope, owner: None, subscribed: false }
    }
    /// Those with `scope` who see everything: news of people and devices is none of a tenant's business.
    pub(crate) fn overseers(scope: Scope) -> Self {
        Self { scope, owner: Some(PrincipalId::operator()), subscribed: false }
    }
    /// Those with `scope` who may see what is this principal's.
    pub(crate) const fn owners(scope: Scope, owner: PrincipalId) -> Self {
        Self { scope, owner: Some(owner), subscribed: false }
    }
    /// Those who asked for news of conversations and may see this one.
    pub(crate) const fn of_session(owner: PrincipalId) -> Self {
        Self { scope: Scope::Read, owner: Some(owner), subscribed: true }
    }
    /// Whether this caller is among them.
    pub(crate) fn has(&self, principal: &Principal, is_subscribed: bool) -> bool {
        principal.scopes.allows(self.scope)
            && (is_subscribed || !self.subscribed)
            && self.owner.as_ref().is_none_or(|owner| principal.visibility().sees(owner))
    }
}

/// One event for many.
#[derive(Debug)]
pub(crate) struct Shared {
    event: &'static str,
    audience: Audience,
    payload: String,
    version: Option<Version>,
    /// The task whose new state it tells.
    task: Option<TaskNotice>,
}

impl Shared {
    pub(crate) fn new(
        event: &'static str,
        audience: Audience,
        payload: &impl Serialize,
        version: Option<Version>,
    ) -> Self {
        Self { event, audience, payload: frame::to_json(payload), version, task: None }
    }
    /// A task's new state (A25).
    fn of_task(notice: TaskNotice) -> Self {
        let TaskNotice { id, owner, session, state, attempt, at } = &notice;
        let changed = TaskChanged {
            id: id.to_string(),
            run_id: id.as_run(),
            status: state.as_str(),
            attempt: *attempt,
            session_key: session.as_str(),
            ts: at.millis(),
        };
        let audience = Audience { scope: Scope::Read, owner: Some(owner.clone()), subscribed: false };
        let shared = Self::new("task", audience, &changed, None);
        Self { task: Some(notice), ..shared }
    }
    pub(crate) const fn task(&self) -> Option<&TaskNotice> {
        self.task.as_ref()
    }
    pub(crate) const fn event(&self) -> &'static str {
        self.event
    }
    pub(crate) const fn audience(&self) -> &Audience {
        &self.audience
    }
    pub(crate) fn payload(&self) -> &str {
        &self.payload
    }
    pub(crate) const fn version(&self) -> Option<Version> {
        self.version
    }
    /// Whether it stands for a state, so that a newer one replaces it.
    pub(crate) const fn is_state(&self) -> bool {
        self.version.is_some()
    }
}

/// What every socket hears.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// Something to pass on.
    Shared(Arc<Shared>),
    /// Whoever is connected may not be welcome any more (G12).
    CredentialsChanged,
}

/// See the module.
pub(crate) struct Stage {
    news: broadcast::Sender<News>,
    roster: Mutex<Roster>,
    presence_version: AtomicU64,
    health_version: AtomicU64,
    /// What counts of the health that was seen last.
    health: Mutex<Option<String>>,
    /// Somebody came, left or spoke.
    presence_changed: Notify,
    heartbeat: Mutex<Heartbeats>,
    tasks: Mutex<Gathering>,
    /// Changes of tasks are gathered again.
    gathers: Notify,
}

/// Whether changes of tasks are gathered: runs come by the thousand where nobody has a socket open.
#[derive(Debug, Default)]
enum Gathering {
    #[default]
    Off,
    /// From now on, and nobody passes them on yet.
    Begun(broadcast::Receiver<TaskNotice>),
    On,
}

/// What is known of heartbeats.
#[derive(Debug, Default)]
struct Heartbeats {
    is_off: bool,
    last: Option<HeartbeatEvent>,
    /// Texts for the main conversation's next turn.
    events: std::collections::VecDeque<Remembered>,
}

/// A text for the main conversation's next turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) text: String,
    /// Whether somebody outside said it, whom nobody here vouches for (advisory 78).
    pub(crate) is_outside: bool,
    /// The end of a hook's run that it tells of: whoever tells it writes that down.
    pub(crate) end: Option<String>,
}

impl Stage {
    /// An empty stage; `host` is the gateway's own entry.
    pub(crate) fn new(own: PresenceEntry) -> Self {
        Self {
            news: broadcast::Sender::new(SHARED_MAX),
            roster: Mutex::new(Roster::new(own)),
            presence_version: AtomicU64::new(1),
            health_version: AtomicU64::new(1),
            health: Mutex::default(),
            presence_changed: Notify::new(),
            heartbeat: Mutex::default(),
            tasks: Mutex::default(),
            gathers: Notify::new(),
        }
    }

    /// Hears everything that is shared from now on; `gather` begins to hear of tasks.
    pub(crate) fn listen(&self, gather: impl FnOnce() -> broadcast::Receiver<TaskNotice>) -> broadcast::Receiver<News> {
        let news = self.news.subscribe();
        let mut tasks = self.gathering();
        if matches!(*tasks, Gathering::Off) {
            *tasks = Gathering::Begun(gather());
            self.gathers.notify_one();
        }
        news
    }

    /// Changes of tasks, once somebody listens. Cancel-safe.
    async fn gathered(&self) -> broadcast::Receiver<TaskNotice> {
        loop {
            if let Some(notices) = self.take_gathered() {
                return notices;
            }
            self.gathers.notified().await;
        }
    }

    fn take_gathered(&self) -> Option<broadcast::Receiver<TaskNotice>> {
        let mut tasks = self.gathering();
        match std::mem::replace(&mut *tasks, Gathering::On) {
            Gathering::Begun(notices) => Some(notices),
            before => {
                *tasks = before;
                None
            }
        }
    }

    /// Whether nobody listens any more; then changes of tasks are not gathered from now on.
    fn rests(&self) -> bool {
        let mut tasks = self.gathering();
        let is_alone = self.listeners() == 0;
        if is_alone {
            *tasks = Gathering::Off;
        }
        is_alone
    }

    fn gathering(&self) -> std::sync::MutexGuard<'_, Gathering> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sockets listen.
    pub(crate) fn listeners(&self) -> usize {
        self.news.receiver_count()
    }

    /// Tells everybody of the audience.
    pub(crate) fn share(&self, event: &'static str, audience: Audience, payload: &impl Serialize) {
        self.send(Shared::new(event, audience, payload, None));
    }

    fn send(&self, shared: Shared) {
        let _nobody_listens = self.news.send(News::Shared(Arc::new(shared)));
    }

    /// Has every socket make sure that its credential still counts.
    fn recheck(&self) {
        let _nobody_listens = self.news.send(News::CredentialsChanged);
    }

    /// How often the states have changed.
    pub(crate) fn version(&self) -> Version {
        Version {
            presence: self.presence_version.load(Ordering::Relaxed),
            health: self.health_version.load(Ordering::Relaxed),
        }
    }

    /// Somebody connected; leaves when the result is dropped.
    pub(crate) fn enter(self: &Arc<Self>, entry: PresenceEntry) -> Present {
        let number = self.roster().enter(entry);
        self.presence_moves();
        Present { stage: Arc::clone(self), number }
    }

    /// A text about something outside; told as presence (B17), and to the main conversation's next turn.
    pub(crate) fn note(&self, entry: PresenceEntry) {
        let text = entry.text.clone();
        self.roster().note(entry);
        self.remember(text);
        self.presence_moves();
    }

    /// Keeps a text for the main conversation's next turn; the oldest goes when there are too many.
    pub(crate) fn remember(&self, text: String) {
        self.keep(Remembered { text, is_outside: false, end: None });
    }

    /// The same for what somebody outside says.
    pub(crate) fn remember_outside(&self, text: String) {
        self.keep(Remembered { text, is_outside: true, end: None });
    }

    /// The same for the end of a hook's run, by the name it is known by.
    pub(crate) fn remember_end(&self, text: String, end: String) {
        self.keep(Remembered { text, is_outside: true, end: Some(end) });
    }

    /// Keeps it, or keeps it again.
    pub(crate) fn keep(&self, remembered: Remembered) {
        let mut heartbeats = self.heartbeats();
        heartbeats.events.push_back(remembered);
        if heartbeats.events.len() > SYSTEM_EVENTS_MAX {
            heartbeats.events.pop_front();
        }
    }

    /// What the main conversation's next turn is to be told, oldest first; it is not told twice.
    pub(crate) fn take_remembered(&self) -> Vec<Remembered> {
        self.heartbeats().events.drain(..).collect()
    }

    /// The same, left in place.
    pub(crate) fn remembered(&self) -> Vec<String> {
        self.heartbeats().events.iter().map(|remembered| remembered.text.clone()).collect()
    }

    /// Who is here: the gateway, then the latest.
    pub(crate) fn presence(&self) -> Vec<PresenceEntry> {
        self.roster().entries()
    }

    fn presence_moves(&self) {
        self.presence_version.fetch_add(1, Ordering::Relaxed);
        self.presence_changed.notify_one();
    }

    /// Somebody looked at the health; tells everybody if something that counts has changed.
    pub(crate) fn see(&self, health: &Health) {
        let seen = essence(health);
        let mut last = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let has_changed = last.as_ref().is_some_and(|last| *last != seen);
        *last = Some(seen);
        drop(last);
        if has_changed {
            self.health_version.fetch_add(1, Ordering::Relaxed);
            self.send(Shared::new("health", Audience::overseers(Scope::Read), health, Some(self.version())));
        }
    }

    /// Turns heartbeats on or off; off, `wake` starts nothing.
    pub(crate) fn set_heartbeats(&self, is_on: bool) {
        self.heartbeats().is_off = !is_on;
    }

    /// Whether `wake` may start a turn.
    pub(crate) fn has_heartbeats(&self) -> bool {
        !self.heartbeats().is_off
    }

    /// A heartbeat happened.
    pub(crate) fn beat(&self, event: HeartbeatEvent) {
        self.share("heartbeat", Audience::overseers(Scope::Read), &event);
        self.heartbeats().last = Some(event);
    }

    /// The last one.
    pub(crate) fn last_beat(&self) -> Option<HeartbeatEvent> {
        self.heartbeats().last.clone()
    }

    fn roster(&self) -> std::sync::MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heartbeats(&self) -> std::sync::MutexGuard<'_, Heartbeats> {
        self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait after `bytes` went to every listener.
    fn pause_after(&self, bytes: usize) -> std::time::Duration {
        let sent = (bytes * self.listeners()) as u64;
        std::time::Duration::from_millis(sent.saturating_mul(1000) / SHARED_BYTES_PER_SECOND)
    }
}

/// What of health counts as a change: not its moment, not how many tasks there are.
fn essence(health: &Health) -> String {
    let providers: Vec<_> = health.providers.iter().map(|it| (&it.model, it.key, it.breaker)).collect();
    frame::to_json(&(health.ok, &health.failing, &health.channels, providers, &health.default_agent_id))
}

/// Somebody who is connected.
pub(crate) struct Present {
    stage: Arc<Stage>,
    number: u64,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.stage.roster().leave(self.number);
        self.stage.presence_moves();
    }
}

/// The gateway's own entry.
pub(crate) fn own_entry(host: &str, version: &str, at: Timestamp) -> PresenceEntry {
    PresenceEntry {
        host: Some(host.to_owned()),
        version: Some(version.to_owned()),
        platform: Some(std::env::consts::OS.to_owned()),
        mode: Some("gateway".to_owned()),
        reason: Some("self"),
        ..PresenceEntry::text(format!("Gateway: {host} · app {version} · mode gateway · reason self"), at)
    }
}

#[cfg(test)]
mod tests {
    use claw_core::Scopes;

    use super::*;

    #[test]
    fn news_reaches_those_who_may_hear_it() {
        let operator = Principal::operator();
        let key = PrincipalId::from_stored("key_1".into());
        let reader = Principal { id: key.clone(), scopes: Scopes::of(&[Scope::Read]) };
        assert!(Audience::of(Scope::Read).has(&reader, false));
        assert!(!Audience::of(Scope::Pairing).has(&reader, true));
        assert!(Audience::of_session(key).has(&reader, true));
        assert!(!Audience::overseers(Scope::Read).has(&reader, true));
        assert!(Audience::overseers(Scope::Pairing).has(&operator, false));
        assert!(
            !Audience::of_session(PrincipalId::operator()).has(&reader, true),
            "foreign conversations are not told"
        );
        assert!(!Audience::of_session(PrincipalId::operator()).has(&operator, false), "nobody asked");
    }

    #[test]
    fn the_version_rises_with_each_change_of_presence() {
        let at = Timestamp::from_millis(0);
        let stage = Arc::new(Stage::new(own_entry("h", "1", at)));
        let before = stage.version();
        let present = stage.enter(PresenceEntry::text("a client".into(), at));
        assert_eq!(stage.presence().len(), 2);
        drop(present);
        assert_eq!(stage.version().presence, before.presence + 2);
        assert_eq!(before.shown(false), StateVersion::Number(2));
    }

    #[test]
    fn remembered_texts_are_bounded_and_told_once() {
        let stage = Stage::new(own_entry("h", "1", Timestamp::from_millis(0)));
        for number in 0..=SYSTEM_EVENTS_MAX {
            stage.remember(number.to_string());
        }
        let told = stage.take_remembered();
        assert_eq!((told.len(), told.first().map(|first| first.text.as_str())), (SYSTEM_EVENTS_MAX, Some("1")));
        assert!(stage.take_remembered().is_empty());
    }
}

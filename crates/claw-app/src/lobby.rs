//! Where tasks wait for room at another gateway, without a worker.
//!
//! A worker that claims such a task looks first whether its executor has room. If not it puts the ticket
//! back, far in the future, and the task into the lobby; whoever leaves an executor makes room for the
//! first in line there (lane, priority, age), whose place is kept until a worker has its ticket.
//! Nothing of this is on disk: the tasks wait in the store as any others, and a lost call costs a
//! look every half minute.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claw_agent::Catalog;
use claw_agent::catalog::UnknownExecutor;
use claw_agent::executors::{Executor, Pass};
use claw_core::task::StateName;
use claw_core::{JsonText, Lane, Principal, Priority, TaskId, Turn, Visibility};
use claw_queue::Claim;
use claw_store::DueTicket;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Error;
use crate::engine::Engine;
use crate::limits::{LOBBY_LOOK, LOBBY_MAX, PLACE_KEPT};

/// Who goes first at one executor.
type Rank = (Lane, Reverse<Priority>, u64);

/// See the module.
#[derive(Default)]
pub(crate) struct Lobby {
    lines: Mutex<Lines>,
    /// Somebody came while others waited.
    arrived: Notify,
}

#[derive(Default)]
struct Lines {
    by_executor: BTreeMap<String, BTreeMap<Rank, DueTicket>>,
    /// Where each of them stands.
    places: HashMap<TaskId, (String, Rank)>,
    /// Places kept for those that were called.
    kept: HashMap<TaskId, (Pass, Instant)>,
    numbers: u64,
}

impl Lines {
    /// Queues it; whoever stands there already keeps its place. Beyond the limit it only looks again by itself.
    fn queue(&mut self, executor: &str, due: DueTicket) {
        if self.stands_at(executor, due.id) {
            return;
        }
        self.leave(due.id);
        if self.places.len() >= LOBBY_MAX {
            return;
        }
        self.numbers += 1;
        let rank = (due.lane, Reverse(due.priority), self.numbers);
        self.places.insert(due.id, (executor.to_owned(), rank));
        self.by_executor.entry(executor.to_owned()).or_default().insert(rank, due);
    }

    fn stands_at(&self, executor: &str, id: TaskId) -> bool {
        self.places.get(&id).is_some_and(|(at, _)| at == executor)
    }

    fn first(&mut self, executor: &str) -> Option<DueTicket> {
        let line = self.by_executor.get_mut(executor)?;
        let (_, due) = line.pop_first()?;
        if line.is_empty() {
            self.by_executor.remove(executor);
        }
        self.places.remove(&due.id);
        Some(due)
    }

    /// Takes it out, whoever called it.
    fn leave(&mut self, id: TaskId) {
        let Some((executor, rank)) = self.places.remove(&id) else { return };
        if let Some(line) = self.by_executor.get_mut(&executor) {
            line.remove(&rank);
            if line.is_empty() {
                self.by_executor.remove(&executor);
            }
        }
    }
}

impl Lobby {
    /// Looks again: what was configured has changed.
    pub(crate) fn look(&self) {
        self.arrived.notify_one();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Whether another gateway is to carry the turn out, and may.
    ///
    /// Errors: `NotFound` (executor), `Invalid` – what cannot be chosen there.
    pub(crate) fn goes_elsewhere(&self, catalog: &Catalog, principal: &Principal, turn: &Turn) -> Result<bool, Error> {
        let found = catalog.executor(turn).map_err(|UnknownExecutor(id)| absent(id))?;
        let Some(executor) = found else { return Ok(false) };
        let runs = || format!("the run goes to the executor {}", executor.id());
        if !executor.serves(principal, &turn.origin) {
            return Err(match &turn.executor {
                Some(id) => absent(id.clone()),
                // Who may not use the executor need not know that there is one (G13).
                None => Error::NotFound { what: "agent", id: turn.agent.to_string() },
            });
        }
        if turn.model.is_some() {
            return Err(Error::invalid("model", format!("{}, which chooses its model itself", runs())));
        }
        if !turn.client_tools.is_empty() || turn.own_tools.is_some() {
            return Err(Error::invalid("tools", format!("{}, which has tools of its own and takes no others", runs())));
        }
        if turn.sampling.response_format.as_ref().is_some_and(chooses_a_form) {
            let why = format!("{}, which answers in no form that is chosen for it", runs());
            return Err(Error::invalid("response_format", why));
        }
        Ok(true)
    }

    /// The leave a claimed task needs to go to another gateway; nothing for all others.
    ///
    /// Errors: there is no room; after so long it may look again, unless it is called before.
    pub(crate) async fn room_for(&self, claim: &Claim) -> Result<Option<Pass>, Duration> {
        let catalog = self.agent.catalog();
        if !catalog.has_executors() {
            return Ok(None);
        }
        let id = TaskId::from_uuid(claim.ticket.subject);
        if let Some((pass, _)) = self.lobby.lines().kept.remove(&id) {
            return Ok(Some(pass));
        }
        let Ok(Some(task)) = self.store.task(id, &Visibility::All).await else { return Ok(None) };
        // A stale ticket waits for nothing: whoever starts the task finds out.
        if task.state.name() != StateName::Queued {
            return Ok(None);
        }
        let Ok(Some(executor)) = catalog.executor(&task.turn) else { return Ok(None) };
        let due = DueTicket {
            id,
            attempt: claim.ticket.attempt,
            lane: claim.ticket.lane,
            priority: claim.ticket.priority,
            not_before: self.clock.now(),
        };
        self.enter_or_wait(executor, due)
    }

    fn enter_or_wait(&self, executor: &Executor, due: DueTicket) -> Result<Option<Pass>, Duration> {
        let mut lines = self.lobby.lines();
        if !lines.by_executor.contains_key(executor.id())
            && let Ok(pass) = self.agent.gates().try_enter(executor)
        {
            lines.leave(due.id);
            return Ok(Some(pass));
        }
        lines.queue(executor.id(), due);
        self.lobby.look();
        Err(LOBBY_LOOK)
    }

    /// Calls in whoever there is room for; what was called and never came gives its place back.
    async fn call_in(&self) {
        self.lobby.lines().kept.retain(|_, (_, since)| since.elapsed() < PLACE_KEPT);
        let catalog = self.agent.catalog();
        let waited_for: Vec<String> = self.lobby.lines().by_executor.keys().cloned().collect();
        for id in waited_for {
            while let Some(due) = self.next_at(catalog.executor_named(&id), &id) {
                self.issue(due).await;
            }
        }
    }

    /// The first in line if there is room, its place kept. An executor that is gone lets all go: the run says so.
    fn next_at(&self, executor: Option<&Executor>, id: &str) -> Option<DueTicket> {
        let mut lines = self.lobby.lines();
        if !lines.by_executor.contains_key(id) {
            return None;
        }
        let Some(executor) = executor else { return lines.first(id) };
        let pass = self.agent.gates().try_enter(executor).ok()?;
        let due = lines.first(id)?;
        lines.kept.insert(due.id, (pass, Instant::now()));
        Some(due)
    }
}

/// Whether it is more than the text that comes anyway.
fn chooses_a_form(format: &JsonText) -> bool {
    let letters = format.as_str().chars().filter(|letter| !letter.is_whitespace());
    !letters.eq(r#"{"type":"text"}"#.chars())
}

fn absent(id: String) -> Error {
    Error::NotFound { what: "executor", id }
}

/// Calls in whoever waits, for as long as the app lives.
pub(crate) async fn run(engine: &Arc<Engine>) {
    let mut left = engine.agent.gates().listen();
    loop {
        let arrived = engine.lobby.arrived.notified();
        engine.call_in().await;
        let has_kept = !engine.lobby.lines().kept.is_empty();
        let opening = engine.agent.gates().next_opening();
        let look = if has_kept { PLACE_KEPT } else { LOBBY_LOOK };
        let wait = opening.map_or(look, |opening| opening.min(look));
        tokio::select! {
            () = arrived => {}
            changed = left.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claw_core::Timestamp;

    fn due(number: u128) -> DueTicket {
        let id = TaskId::from_uuid(uuid::Uuid::from_u128(number));
        let not_before = Timestamp::from_millis(0);
        DueTicket { id, attempt: 0, lane: Lane::Standard, priority: Priority::NORMAL, not_before }
    }

    /// However long it takes until there is room, nobody who came later goes first.
    #[test]
    fn whoever_looks_again_keeps_the_place_in_line() {
        let mut lines = Lines::default();
        for number in [1, 2, 1, 3] {
            lines.queue("home", due(number));
        }
        // The configuration sends it elsewhere now: there it stands at the end.
        lines.queue("other", due(4));
        lines.queue("other", due(2));
        let mut order = |executor: &str| -> Vec<TaskId> {
            std::iter::from_fn(|| lines.first(executor)).map(|due| due.id).collect()
        };
        assert_eq!(order("home"), [due(1).id, due(3).id]);
        assert_eq!(order("other"), [due(4).id, due(2).id]);
        assert!(lines.places.is_empty() && lines.by_executor.is_empty());
    }
}

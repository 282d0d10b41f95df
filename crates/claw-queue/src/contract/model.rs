//! Random steps, done to a backend and to a reference that is too simple to be wrong.
//!
//! After each step both must have said the same and hold the same. Every failure names its seed.

use std::collections::BTreeSet;
use std::time::Duration;

use claw_core::{Lane, Priority};

use super::{Fixture, at_most, ticket};
use crate::{Claim, Depth, Ticket, TicketKind};

/// Few subjects, so that they meet often.
const SUBJECTS: u128 = 12;
const LEASE_SECONDS: u64 = 30;

/// Does `steps` random steps, then drains the queue.
pub(super) async fn run(fixture: &dyn Fixture, seed: u64, steps: usize) {
    let mut play = Play { fixture, random: fastrand::Rng::with_seed(seed), model: Model::default(), hands: vec![] };
    for step in 0..steps {
        let done = play.step().await;
        let depth = fixture.queue().depth().await.unwrap();
        assert_eq!(depth, play.model.depth(), "seed {seed}, step {step}: {done}");
    }
    play.drain(seed).await;
}

struct Play<'fixture> {
    fixture: &'fixture dyn Fixture,
    random: fastrand::Rng,
    model: Model,
    /// Every claim ever made, current or not: those of lost workers are late one day.
    hands: Vec<Claim>,
}

impl Play<'_> {
    async fn step(&mut self) -> &'static str {
        let queue = self.fixture.queue();
        match self.random.u8(0..100) {
            0..4 => {
                let (ticket, delay) = (self.any_ticket(), self.any_delay());
                assert_eq!(queue.restore(ticket, delay).await, Ok(self.model.restore(ticket, delay)), "{ticket:?}");
                "restore"
            }
            4..30 => {
                let (ticket, delay) = (self.any_ticket(), self.any_delay());
                queue.push(ticket, delay).await.unwrap();
                self.model.push(ticket, delay);
                "push"
            }
            30..55 => {
                self.claim().await;
                "claim"
            }
            55..70 => {
                let Some(claim) = self.any_claim() else { return "nothing to complete" };
                assert_eq!(queue.complete(&claim).await, Ok(self.model.complete(&claim)), "complete {claim:?}");
                "complete"
            }
            70..78 => {
                let Some(claim) = self.any_claim() else { return "nothing to release" };
                let delay = self.any_delay();
                let released = self.model.release(&claim, delay);
                assert_eq!(queue.release(&claim, delay).await, Ok(released), "release {claim:?}");
                "release"
            }
            78..86 => {
                let Some(claim) = self.any_claim() else { return "nothing to extend" };
                let lease = Duration::from_secs(self.random.u64(1..LEASE_SECONDS * 2));
                assert_eq!(queue.extend(&claim, lease).await, Ok(self.model.extend(&claim, lease)), "extend {claim:?}");
                "extend"
            }
            86..90 => {
                let ticket = self.any_ticket();
                let removed = self.model.remove(ticket.kind, ticket.subject);
                assert_eq!(queue.remove(ticket.kind, ticket.subject).await, Ok(removed), "remove {ticket:?}");
                "remove"
            }
            _ => {
                let time = Duration::from_millis(self.random.u64(0..LEASE_SECONDS * 700));
                self.fixture.pass(time).await;
                self.model.pass(time);
                "time passes"
            }
        }
    }

    async fn claim(&mut self) {
        let mut lanes = Lane::ALL.to_vec();
        self.random.shuffle(&mut lanes);
        lanes.truncate(self.random.usize(0..=3));
        let max = self.random.usize(1..4);
        let lease = Duration::from_secs(self.random.u64(0..LEASE_SECONDS));
        let claims = self.fixture.queue().claim(&lanes, at_most(max), lease).await.unwrap();
        self.model.claim(&lanes, max, lease, &claims);
        self.hands.extend(claims);
    }

    /// Ends with every subject that was ever owed completed: nothing is lost, nothing is left.
    async fn drain(&mut self, seed: u64) {
        let queue = self.fixture.queue();
        let owed: BTreeSet<_> = self.model.entries.iter().map(|entry| entry.ticket.subject).collect();
        let mut completed = BTreeSet::new();
        for _ in 0..3 {
            let time = Duration::from_secs(LEASE_SECONDS * 10);
            self.fixture.pass(time).await;
            self.model.pass(time);
            let claims = queue.claim(&Lane::ALL, at_most(1_000), Duration::from_secs(1)).await.unwrap();
            self.model.claim(&Lane::ALL, 1_000, Duration::from_secs(1), &claims);
            for claim in claims {
                assert_eq!(queue.complete(&claim).await, Ok(self.model.complete(&claim)), "seed {seed}");
                completed.insert(claim.ticket.subject);
            }
        }
        assert_eq!(completed, owed, "seed {seed}");
        assert_eq!(queue.depth().await, Ok(Depth::default()), "seed {seed}");
    }

    fn any_ticket(&mut self) -> Ticket {
        Ticket {
            attempt: self.random.u32(1..5),
            lane: Lane::ALL[self.random.usize(0..3)],
            priority: Priority::new(self.random.u8(4..7)).unwrap(),
            ..ticket(self.random.u128(0..SUBJECTS))
        }
    }

    fn any_delay(&mut self) -> Duration {
        if self.random.bool() { Duration::ZERO } else { Duration::from_millis(self.random.u64(0..60_000)) }
    }

    /// A recent claim mostly, else any; now and then a forged one.
    fn any_claim(&mut self) -> Option<Claim> {
        let recent = self.hands.len().saturating_sub(if self.random.u8(0..4) > 0 { 4 } else { usize::MAX });
        let mut claim = *self.random.choice(&self.hands[recent..])?;
        match self.random.u8(0..20) {
            0 => claim.lease_id = self.random.choice(&self.hands)?.lease_id,
            1 => claim.ticket = self.any_ticket(),
            2 => claim.lease_id = self.random.u64(..),
            _ => {}
        }
        Some(claim)
    }
}

/// The reference: one list, searched from end to end.
#[derive(Debug, Default)]
struct Model {
    now: Duration,
    entries: Vec<Entry>,
    ages: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    ticket: Ticket,
    age: u64,
    /// When it is due, or when its lease ends.
    at: Duration,
    /// `None` while it waits.
    lease_id: Option<u64>,
}

impl Model {
    fn pass(&mut self, time: Duration) {
        self.now += time;
        for index in (0..self.entries.len()).rev() {
            let Entry { at, lease_id, ticket, .. } = self.entries[index];
            if lease_id.is_some() && at <= self.now {
                match self.waiting(ticket) {
                    Some(_newer) => drop(self.entries.remove(index)),
                    None => self.entries[index].lease_id = None,
                }
            }
        }
    }

    fn push(&mut self, ticket: Ticket, delay: Duration) {
        self.ages += 1;
        let age = match self.waiting(ticket) {
            Some(replaced) => self.entries.remove(replaced).age,
            None => self.ages,
        };
        self.entries.push(Entry { ticket, age, at: self.now + delay, lease_id: None });
    }

    fn restore(&mut self, ticket: Ticket, delay: Duration) -> bool {
        let is_held =
            self.entries.iter().any(|held| same(held.ticket, ticket) && held.ticket.attempt >= ticket.attempt);
        if !is_held {
            self.push(ticket, delay);
        }
        !is_held
    }

    /// Checks that these claims are what had to be claimed, and notes them.
    fn claim(&mut self, lanes: &[Lane], max: usize, lease: Duration, claims: &[Claim]) {
        let mut expected = Vec::new();
        for lane in lanes {
            let mut due: Vec<_> = self.entries.iter().filter(|entry| entry.ticket.lane == *lane).collect();
            due.retain(|entry| self.is_due(entry));
            due.sort_by_key(|entry| (std::cmp::Reverse(entry.ticket.priority), entry.age));
            expected.extend(due.iter().map(|entry| entry.ticket));
        }
        expected.truncate(max);
        assert_eq!(claims.iter().map(|claim| claim.ticket).collect::<Vec<_>>(), expected);
        for claim in claims {
            let index = self.waiting(claim.ticket).unwrap();
            let at = self.now + lease.max(Duration::from_secs(1));
            self.entries[index] = Entry { at, lease_id: Some(claim.lease_id), ..self.entries[index] };
        }
    }

    fn extend(&mut self, claim: &Claim, lease: Duration) -> bool {
        let Some(index) = self.current(claim) else { return false };
        self.entries[index].at = self.now + lease;
        true
    }

    fn complete(&mut self, claim: &Claim) -> bool {
        self.current(claim).map(|index| self.entries.remove(index)).is_some()
    }

    fn release(&mut self, claim: &Claim, delay: Duration) -> bool {
        let released = self.complete(claim);
        if released && self.waiting(claim.ticket).is_none() {
            self.push(claim.ticket, delay);
        }
        released
    }

    fn remove(&mut self, kind: TicketKind, subject: uuid::Uuid) -> bool {
        let waiting = self.waiting(Ticket { kind, subject, ..ticket(0) });
        waiting.map(|index| self.entries.remove(index)).is_some()
    }

    fn depth(&self) -> Depth {
        let due = |lane| self.entries.iter().filter(|entry| entry.ticket.lane == lane && self.is_due(entry)).count();
        let due = Lane::ALL.map(due);
        let claimed = self.entries.iter().filter(|entry| entry.lease_id.is_some()).count();
        Depth { due, delayed: self.entries.len() - claimed - due.iter().sum::<usize>(), claimed }
    }

    fn is_due(&self, entry: &Entry) -> bool {
        let behind = self.entries.iter().any(|other| other.lease_id.is_some() && same(other.ticket, entry.ticket));
        entry.lease_id.is_none() && entry.at <= self.now && !behind
    }

    fn waiting(&self, ticket: Ticket) -> Option<usize> {
        self.entries.iter().position(|entry| entry.lease_id.is_none() && same(entry.ticket, ticket))
    }

    fn current(&self, claim: &Claim) -> Option<usize> {
        self.entries.iter().position(|entry| entry.lease_id == Some(claim.lease_id) && entry.ticket == claim.ticket)
    }
}

fn same(one: Ticket, other: Ticket) -> bool {
    (one.kind, one.subject) == (other.kind, other.subject)
}

//! The tickets of the in-process backend and where each stands.
//!
//! Pure: the time is an argument, and whom to wake is a result. Every ticket is once in
//! `waiting` or `claimed` and once in an index of its lane, so that each verb costs a few
//! tree look-ups however many tickets there are. Ordered trees instead of hash tables: they
//! never stop to rehash a million entries, and give their memory back.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use claw_core::{Lane, Priority};
use tokio::time::Instant;
use uuid::Uuid;

use crate::lanes::Lanes;
use crate::limits::{DELAY_MAX, LEASE_MIN};
use crate::{Claim, Depth, Ticket, TicketKind};

type Key = (TicketKind, Uuid);

/// A ticket in nobody's hand.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    due_at: Instant,
    age: u64,
    attempt: u32,
    lane: Lane,
    priority: Priority,
    place: Place,
}

/// The index that knows a waiting ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Due,
    Delayed,
    /// None: the claim of the same key does.
    Behind,
}

/// A ticket in a worker's hand.
#[derive(Debug)]
struct Claimed {
    ticket: Ticket,
    age: u64,
    lease_id: u64,
    ends_at: Instant,
}

/// The order of the tickets of one lane, the first to be served or to change first.
#[derive(Debug, Default)]
struct Order {
    due: BTreeMap<(Reverse<Priority>, u64), Key>,
    delayed: BTreeMap<(Instant, u64), Key>,
    leases: BTreeMap<(Instant, u64), Key>,
    /// Something came due, or the next change comes earlier than it did.
    stirred: bool,
}

/// All tickets.
#[derive(Debug, Default)]
pub(super) struct State {
    waiting: BTreeMap<Key, Waiting>,
    claimed: BTreeMap<Key, Claimed>,
    lanes: Lanes<Order>,
    /// Source of ages and lease ids.
    numbers: u64,
}

impl State {
    /// Adds or replaces; false when there is no room for one more.
    pub(super) fn push(&mut self, ticket: Ticket, delay: Duration, tickets_max: usize, now: Instant) -> bool {
        self.advance(now);
        let key = (ticket.kind, ticket.subject);
        // The replaced one's age is kept: a ticket that is written again loses no place.
        let age = match self.take_waiting(key) {
            Some(replaced) => replaced.age,
            None if self.waiting.len() + self.claimed.len() >= tickets_max => return false,
            None => self.number(),
        };
        self.put_waiting(ticket, age, later(now, delay), now);
        true
    }

    /// Whether no ticket of its attempt or a later one is held.
    pub(super) fn is_missing(&mut self, ticket: Ticket, now: Instant) -> bool {
        self.advance(now);
        let key = (ticket.kind, ticket.subject);
        let waiting = self.waiting.get(&key).map(|waiting| waiting.attempt);
        let claimed = self.claimed.get(&key).map(|claimed| claimed.ticket.attempt);
        waiting.max(claimed).is_none_or(|held| held < ticket.attempt)
    }

    /// Leases due tickets, lane by lane.
    pub(super) fn claim(&mut self, lanes: &[Lane], max: NonZeroUsize, lease: Duration, now: Instant) -> Vec<Claim> {
        self.advance(now);
        let ends_at = later(now, lease.max(LEASE_MIN));
        let mut claims = Vec::new();
        for &lane in lanes {
            while claims.len() < max.get()
                && let Some((_, key)) = self.lanes.get_mut(lane).due.pop_first()
                && let Some(waiting) = self.waiting.remove(&key)
            {
                claims.push(self.lease(key, waiting, ends_at));
            }
        }
        claims
    }

    fn lease(&mut self, key: Key, waiting: Waiting, ends_at: Instant) -> Claim {
        let Waiting { due_at: _, age, attempt, lane, priority, place: _ } = waiting;
        let ticket = Ticket { kind: key.0, subject: key.1, attempt, lane, priority };
        let lease_id = self.number();
        self.claimed.insert(key, Claimed { ticket, age, lease_id, ends_at });
        self.lanes.get_mut(lane).add_lease(ends_at, lease_id, key);
        Claim { ticket, lease_id }
    }

    /// Moves the end of a lease; false when the claim is not current.
    pub(super) fn extend(&mut self, claim: &Claim, lease: Duration, now: Instant) -> bool {
        self.advance(now);
        let Some(claimed) = current(&mut self.claimed, claim) else { return false };
        let order = self.lanes.get_mut(claimed.ticket.lane);
        order.leases.remove(&(claimed.ends_at, claimed.lease_id));
        claimed.ends_at = later(now, lease.max(LEASE_MIN));
        order.add_lease(claimed.ends_at, claimed.lease_id, key_of(claim));
        true
    }

    /// Forgets a claimed ticket; false when the claim is not current.
    pub(super) fn complete(&mut self, claim: &Claim, now: Instant) -> bool {
        self.advance(now);
        let Some(_done) = self.take_claimed(claim) else { return false };
        self.settle_behind(key_of(claim), now);
        true
    }

    /// Turns a claimed ticket into a waiting one; false when the claim is not current.
    pub(super) fn release(&mut self, claim: &Claim, delay: Duration, now: Instant) -> bool {
        self.advance(now);
        let Some(released) = self.take_claimed(claim) else { return false };
        // A new age: one that is released again and again must not keep the others from the head.
        let age = self.number();
        self.give_back(released.ticket, age, later(now, delay), now);
        true
    }

    /// Forgets a waiting ticket; false when none waits.
    pub(super) fn remove(&mut self, kind: TicketKind, subject: Uuid, now: Instant) -> bool {
        self.advance(now);
        self.take_waiting((kind, subject)).is_some()
    }

    /// Counts.
    pub(super) fn depth(&mut self, now: Instant) -> Depth {
        self.advance(now);
        let due = self.lanes.map(|order| order.due.len());
        let delayed = self.waiting.len() - due.iter().sum::<usize>();
        Depth { due, delayed, claimed: self.claimed.len() }
    }

    /// Whether one of `lanes` has a due ticket; if none, when that may next change by itself.
    pub(super) fn look(&mut self, lanes: &[Lane], now: Instant) -> Look {
        self.advance(now);
        if lanes.iter().any(|&lane| !self.lanes.get(lane).due.is_empty()) {
            return Look::Due;
        }
        match lanes.iter().filter_map(|&lane| self.lanes.get(lane).next_change()).min() {
            Some(at) => Look::NotBefore(at),
            None => Look::Nothing,
        }
    }

    /// The lanes in which something stirred since the last call.
    pub(super) fn take_stirred(&mut self) -> [bool; 3] {
        Lane::ALL.map(|lane| std::mem::take(&mut self.lanes.get_mut(lane).stirred))
    }

    /// Lets the time pass up to `now`: delayed tickets come due, leases run out.
    fn advance(&mut self, now: Instant) {
        for lane in Lane::ALL {
            while let Some(key) = pop_until(&mut self.lanes.get_mut(lane).delayed, now) {
                self.index(key, now);
            }
            while let Some(key) = pop_until(&mut self.lanes.get_mut(lane).leases, now) {
                if let Some(Claimed { ticket, age, lease_id: _, ends_at }) = self.claimed.remove(&key) {
                    self.give_back(ticket, age, ends_at, now);
                }
            }
        }
    }

    /// A claim ended without completion: its ticket waits again, unless a newer one does.
    fn give_back(&mut self, ticket: Ticket, age: u64, due_at: Instant, now: Instant) {
        let key = (ticket.kind, ticket.subject);
        if self.waiting.contains_key(&key) {
            self.settle_behind(key, now);
        } else {
            self.put_waiting(ticket, age, due_at, now);
        }
    }

    /// The claim before it is gone: what waited behind finds its place.
    fn settle_behind(&mut self, key: Key, now: Instant) {
        if self.waiting.contains_key(&key) {
            self.index(key, now);
        }
    }

    fn put_waiting(&mut self, ticket: Ticket, age: u64, due_at: Instant, now: Instant) {
        let Ticket { kind, subject, attempt, lane, priority } = ticket;
        let place = Place::Behind;
        self.waiting.insert((kind, subject), Waiting { due_at, age, attempt, lane, priority, place });
        self.index((kind, subject), now);
    }

    /// Puts a waiting ticket that is in no index into the right one.
    fn index(&mut self, key: Key, now: Instant) {
        let Some(waiting) = self.waiting.get_mut(&key) else { return };
        let order = self.lanes.get_mut(waiting.lane);
        waiting.place = if self.claimed.contains_key(&key) {
            Place::Behind
        } else if waiting.due_at <= now {
            order.add_due(waiting.priority, waiting.age, key);
            Place::Due
        } else {
            order.add_delayed(waiting.due_at, waiting.age, key);
            Place::Delayed
        };
    }

    fn take_waiting(&mut self, key: Key) -> Option<Waiting> {
        let waiting = self.waiting.remove(&key)?;
        let order = self.lanes.get_mut(waiting.lane);
        match waiting.place {
            Place::Due => drop(order.due.remove(&(Reverse(waiting.priority), waiting.age))),
            Place::Delayed => drop(order.delayed.remove(&(waiting.due_at, waiting.age))),
            Place::Behind => {}
        }
        Some(waiting)
    }

    fn take_claimed(&mut self, claim: &Claim) -> Option<Claimed> {
        current(&mut self.claimed, claim)?;
        let claimed = self.claimed.remove(&key_of(claim))?;
        self.lanes.get_mut(claimed.ticket.lane).leases.remove(&(claimed.ends_at, claimed.lease_id));
        Some(claimed)
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

impl Order {
    fn add_due(&mut self, priority: Priority, age: u64, key: Key) {
        self.due.insert((Reverse(priority), age), key);
        self.stirred = true;
    }

    fn add_delayed(&mut self, due_at: Instant, age: u64, key: Key) {
        self.stirred |= self.next_change().is_none_or(|next| due_at < next);
        self.delayed.insert((due_at, age), key);
    }

    fn add_lease(&mut self, ends_at: Instant, lease_id: u64, key: Key) {
        self.stirred |= self.next_change().is_none_or(|next| ends_at < next);
        self.leases.insert((ends_at, lease_id), key);
    }

    fn next_change(&self) -> Option<Instant> {
        let delayed = self.delayed.first_key_value().map(|((at, _), _)| *at);
        let leases = self.leases.first_key_value().map(|((at, _), _)| *at);
        delayed.into_iter().chain(leases).min()
    }
}

/// What a waiter for due tickets finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// One is due.
    Due,
    /// None before that moment, unless something stirs.
    NotBefore(Instant),
    /// None until something stirs.
    Nothing,
}

fn key_of(claim: &Claim) -> Key {
    (claim.ticket.kind, claim.ticket.subject)
}

fn current<'state>(claimed: &'state mut BTreeMap<Key, Claimed>, claim: &Claim) -> Option<&'state mut Claimed> {
    claimed.get_mut(&key_of(claim)).filter(|held| held.lease_id == claim.lease_id && held.ticket == claim.ticket)
}

fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(DELAY_MAX)).unwrap_or(now)
}

fn pop_until(queue: &mut BTreeMap<(Instant, u64), Key>, now: Instant) -> Option<Key> {
    let first = queue.first_entry()?;
    (first.key().0 <= now).then(|| first.remove())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What no verb shows: an index entry left behind would cost memory and wake in vain.
    #[test]
    fn every_ticket_is_in_one_index_and_every_index_entry_is_a_ticket() {
        let (mut random, mut state, mut hands) = (fastrand::Rng::with_seed(7), State::default(), Vec::new());
        let mut now = Instant::now();
        for _ in 0..20_000 {
            let delay = Duration::from_secs(random.u64(0..20));
            let subject = Uuid::from_u128(random.u128(0..9));
            let (lane, priority) = (Lane::ALL[random.usize(0..3)], Priority::NORMAL);
            match random.u8(0..7) {
                0 | 1 => drop(state.push(
                    Ticket { kind: TicketKind::Run, subject, attempt: 1, lane, priority },
                    delay,
                    99,
                    now,
                )),
                2 => hands.extend(state.claim(&[lane], NonZeroUsize::MIN, delay, now)),
                3 => drop(state.remove(TicketKind::Run, subject, now)),
                4 => now += delay / 4,
                verb => {
                    if let Some(claim) = hands.pop() {
                        let _current = match verb {
                            5 => state.release(&claim, delay, now),
                            _ => state.extend(&claim, delay, now) && state.complete(&claim, now),
                        };
                    }
                }
            }
            let behind = state.waiting.values().filter(|waiting| waiting.place == Place::Behind).count();
            let indexed = state.lanes.map(|order| order.due.len() + order.delayed.len()).iter().sum::<usize>();
            assert_eq!(indexed + behind, state.waiting.len());
            assert_eq!(state.lanes.map(|order| order.leases.len()).iter().sum::<usize>(), state.claimed.len());
        }
    }
}

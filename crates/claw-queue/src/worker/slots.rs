//! How many handlers run, how many more may start, and in which lanes.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claw_core::Lane;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Settings;
use crate::lanes::Lanes;
use crate::limits::CLAIM_BATCH_MAX;

/// How busy the workers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Handlers running, by lane in the order of [`Lane::ALL`].
    pub running: [usize; 3],
    /// Handlers that may run at once.
    pub capacity: usize,
    /// Whether claiming is paused.
    pub paused: bool,
    /// Handlers that panicked, ever.
    pub panics: u64,
    /// Leases lost while their handler ran, ever.
    pub leases_lost: u64,
}

/// Counts against limits.
#[derive(Debug)]
pub(super) struct Slots {
    counts: Mutex<Counts>,
    changed: Notify,
}

/// How many may run.
#[derive(Debug, Clone, Copy)]
struct Limits {
    concurrent_max: usize,
    background_max: usize,
    long_max: usize,
}

#[derive(Debug)]
struct Counts {
    limits: Limits,
    running: Lanes<usize>,
    paused: bool,
    panics: u64,
    leases_lost: u64,
}

/// The lanes that may claim, most urgent first, with the room each has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) lanes: Vec<Lane>,
    room_min: usize,
}

impl Open {
    /// How many tickets fit whichever of these lanes they come from; `None` when no lane is open.
    ///
    /// One claim serves all lanes and cannot know how many of each it gets; the smallest room
    /// is right for all of them, and only small when that lane is nearly full anyway.
    pub(super) fn room_min(&self) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.room_min)
    }

    /// The order in which the claim number `turn` looks at these lanes.
    pub(super) fn lanes_at(mut self, turn: usize) -> Vec<Lane> {
        if turn.is_multiple_of(2)
            && let [.., standard @ Lane::Standard, long @ Lane::Long] = self.lanes.as_mut_slice()
        {
            std::mem::swap(standard, long);
        }
        self.lanes
    }
}

impl Limits {
    fn of(settings: &Settings) -> Self {
        let concurrent_max = settings.concurrent_max.max(1);
        // Whatever the settings say, no lane is shut for ever.
        let background_max = concurrent_max - settings.interactive_reserved.min(concurrent_max / 2);
        Self { concurrent_max, background_max, long_max: settings.long_max.clamp(1, background_max) }
    }
}

impl Slots {
    pub(super) fn new(settings: &Settings) -> Self {
        let limits = Limits::of(settings);
        let counts = Counts { limits, running: Lanes::default(), paused: false, panics: 0, leases_lost: 0 };
        Self { counts: Mutex::new(counts), changed: Notify::new() }
    }

    /// Other limits from now on; what runs beyond them goes on.
    pub(super) fn resize(&self, settings: &Settings) {
        self.counts().limits = Limits::of(settings);
        self.changed.notify_waiters();
    }

    pub(super) fn stats(&self) -> Stats {
        let counts = self.counts();
        Stats {
            running: counts.running.map(|running| *running),
            capacity: counts.limits.concurrent_max,
            paused: counts.paused,
            panics: counts.panics,
            leases_lost: counts.leases_lost,
        }
    }

    /// Resolves when the set of open lanes changed after this call. Cancel-safe.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Where the next claim may look.
    pub(super) fn open(&self) -> Open {
        let rooms = rooms(&self.counts());
        let open = Lane::ALL.into_iter().filter(|&lane| *rooms.get(lane) > 0);
        let room_min = open.clone().map(|lane| *rooms.get(lane)).min().unwrap_or(0);
        Open { lanes: open.collect(), room_min: room_min.min(CLAIM_BATCH_MAX) }
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.counts().paused = paused;
        self.changed.notify_waiters();
    }

    pub(super) fn count_panic(&self) {
        self.counts().panics += 1;
    }

    pub(super) fn count_lease_lost(&self) {
        self.counts().leases_lost += 1;
    }

    /// Counts one more in `lane` until the guard is dropped.
    pub(super) fn take(slots: &Arc<Self>, lane: Lane) -> Slot {
        *slots.counts().running.get_mut(lane) += 1;
        Slot { slots: Arc::clone(slots), lane }
    }

    fn give(&self, lane: Lane) {
        let mut counts = self.counts();
        let before = rooms(&counts).map(|room| *room > 0);
        *counts.running.get_mut(lane) -= 1;
        let after = rooms(&counts).map(|room| *room > 0);
        drop(counts);
        // Most ends open nothing that was closed; the dispatcher sleeps through them.
        if before != after {
            self.changed.notify_waiters();
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rooms(counts: &Counts) -> Lanes<usize> {
    let mut rooms = Lanes::default();
    if counts.paused {
        return rooms;
    }
    let Limits { concurrent_max, background_max, long_max } = counts.limits;
    let [interactive, standard, long] = counts.running.map(|running| *running);
    let free = concurrent_max.saturating_sub(interactive + standard + long);
    let background = background_max.saturating_sub(standard + long).min(free);
    *rooms.get_mut(Lane::Interactive) = free;
    *rooms.get_mut(Lane::Standard) = background;
    *rooms.get_mut(Lane::Long) = long_max.saturating_sub(long).min(background);
    rooms
}

/// A place taken; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    lane: Lane,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give(self.lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(concurrent_max: usize, interactive_reserved: usize, long_max: usize) -> Arc<Slots> {
        let settings = Settings { concurrent_max, interactive_reserved, long_max, ..Settings::default() };
        Arc::new(Slots::new(&settings))
    }
    fn rooms(slots: &Slots) -> [usize; 3] {
        super::rooms(&slots.counts()).map(|room| *room)
    }
    fn take(slots: &Arc<Slots>, lane: Lane, many: usize) -> Vec<Slot> {
        (0..many).map(|_| Slots::take(slots, lane)).collect()
    }

    #[test]
    fn background_work_never_takes_what_is_reserved() {
        let slots = slots(10, 3, 4);
        assert_eq!(rooms(&slots), [10, 7, 4]);
        let _long = take(&slots, Lane::Long, 4);
        assert_eq!(rooms(&slots), [6, 3, 0]);
        let standard = take(&slots, Lane::Standard, 3);
        assert_eq!(rooms(&slots), [3, 0, 0]);
        let _interactive = take(&slots, Lane::Interactive, 3);
        assert_eq!(rooms(&slots), [0, 0, 0]);
        drop(standard);
        assert_eq!(rooms(&slots), [3, 3, 0]);
    }

    #[test]
    fn interactive_work_may_use_everything() {
        let slots = slots(10, 3, 4);
        let _interactive = take(&slots, Lane::Interactive, 9);
        assert_eq!(rooms(&slots), [1, 1, 1]);
    }

    #[test]
    fn no_settings_shut_a_lane() {
        assert_eq!(rooms(&slots(0, 256, 0)), [1, 1, 1]);
        assert_eq!(rooms(&slots(4, 256, 256)), [4, 2, 2]);
    }

    #[test]
    fn one_claim_never_takes_more_than_fits_in_any_open_lane() {
        let slots = slots(1000, 100, 500);
        assert_eq!(slots.open(), Open { lanes: Lane::ALL.to_vec(), room_min: CLAIM_BATCH_MAX });
        let _long = take(&slots, Lane::Long, 499);
        assert_eq!(slots.open(), Open { lanes: Lane::ALL.to_vec(), room_min: 1 });
        let _last = take(&slots, Lane::Long, 1);
        let lanes = vec![Lane::Interactive, Lane::Standard];
        assert_eq!(slots.open(), Open { lanes, room_min: CLAIM_BATCH_MAX });
    }

    #[test]
    fn standard_and_long_take_turns_after_interactive() {
        let order = |turn| slots(10, 3, 4).open().lanes_at(turn);
        assert_eq!(order(1), Lane::ALL);
        assert_eq!(order(2), [Lane::Interactive, Lane::Long, Lane::Standard]);
        let one_lane = Open { lanes: vec![Lane::Standard], room_min: 1 };
        assert_eq!(one_lane.lanes_at(2), [Lane::Standard]);
    }

    #[test]
    fn other_limits_count_at_once_and_end_nothing() {
        let slots = slots(10, 3, 4);
        let _running = take(&slots, Lane::Standard, 6);
        slots.resize(&Settings::sized(4));
        assert_eq!(rooms(&slots), [0, 0, 0]);
        assert_eq!((slots.stats().capacity, slots.stats().running), (4, [0, 6, 0]));
        slots.resize(&Settings::sized(16));
        assert_eq!(rooms(&slots), [10, 8, 8]);
    }

    #[test]
    fn a_pause_closes_all_lanes() {
        let slots = slots(10, 3, 4);
        slots.set_paused(true);
        assert_eq!(slots.open().room_min(), None);
        slots.set_paused(false);
        assert_eq!(rooms(&slots), [10, 7, 4]);
    }
}

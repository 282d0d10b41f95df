//! The workers on tokio's paused clock: time passes only when everybody waits.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use claw_core::{Lane, Priority};
use tokio::time::sleep;
use uuid::Uuid;

use super::*;
use crate::{Depth, MemoryQueue, Ticket, TicketKind};

const MOMENT: Duration = Duration::from_millis(2);
const HOUR: Duration = Duration::from_hours(1);

/// How a test's handler behaves.
#[derive(Clone, Copy)]
enum Work {
    /// Takes this long and is done.
    Takes(Duration),
    /// Goes on until it is told to stop, then gives its ticket back.
    UntilCancelled,
    /// Panics, except at tickets with an even subject.
    PanicsIfOdd,
    /// Is never done.
    Again(Duration),
}

/// Notes when each claim came in and when it went out or was told to stop.
struct Diary {
    work: Work,
    began: Instant,
    started: Mutex<Vec<(u128, Duration)>>,
    cancelled: Mutex<Vec<(u128, Duration)>>,
    claims: Mutex<BTreeMap<u128, Claim>>,
}

#[async_trait]
impl Handler for Diary {
    async fn handle(&self, claim: &Claim, cancel: CancellationToken) -> Verdict {
        let subject = claim.ticket.subject.as_u128();
        self.started.lock().unwrap().push((subject, self.began.elapsed()));
        self.claims.lock().unwrap().insert(subject, *claim);
        match self.work {
            Work::Takes(time) => sleep(time).await,
            Work::UntilCancelled => {
                cancel.cancelled().await;
                self.cancelled.lock().unwrap().push((subject, self.began.elapsed()));
                return Verdict::Again(Duration::ZERO);
            }
            Work::PanicsIfOdd => assert!(subject.is_multiple_of(2), "odd"),
            Work::Again(delay) => return Verdict::Again(delay),
        }
        Verdict::Done
    }
}

/// A backend with faults, and a count of how often it is asked.
#[derive(Default)]
struct Faulty {
    inner: MemoryQueue,
    refuses: AtomicBool,
    hangs: AtomicBool,
    readies: AtomicUsize,
    /// Cancelled while a claim is on its way.
    at_claim: Option<TaskScope>,
}

impl Faulty {
    async fn fault(&self) -> Result<(), QueueError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let refuses = self.refuses.load(Ordering::SeqCst);
        if refuses { Err(QueueError::Unreachable("switched off".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Queue for Faulty {
    async fn push(&self, ticket: Ticket, delay: Duration) -> Result<(), QueueError> {
        self.inner.push(ticket, delay).await
    }
    async fn restore(&self, ticket: Ticket, delay: Duration) -> Result<bool, QueueError> {
        self.inner.restore(ticket, delay).await
    }
    async fn claim(&self, lanes: &[Lane], max: NonZeroUsize, lease: Duration) -> Result<Vec<Claim>, QueueError> {
        self.fault().await?;
        if let Some(scope) = &self.at_claim {
            scope.cancel();
        }
        self.inner.claim(lanes, max, lease).await
    }
    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<bool, QueueError> {
        self.fault().await?;
        self.inner.extend(claim, lease).await
    }
    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError> {
        self.fault().await?;
        self.inner.complete(claim).await
    }
    async fn release(&self, claim: &Claim, delay: Duration) -> Result<bool, QueueError> {
        self.fault().await?;
        self.inner.release(claim, delay).await
    }
    async fn remove(&self, kind: TicketKind, subject: Uuid) -> Result<bool, QueueError> {
        self.inner.remove(kind, subject).await
    }
    async fn ready(&self, lanes: &[Lane]) -> Result<(), QueueError> {
        self.readies.fetch_add(1, Ordering::SeqCst);
        if self.refuses.load(Ordering::SeqCst) {
            self.fault().await?;
        }
        self.inner.ready(lanes).await
    }
    async fn depth(&self) -> Result<Depth, QueueError> {
        self.inner.depth().await
    }
}

/// Workers that run.
struct House {
    queue: Arc<Faulty>,
    diary: Arc<Diary>,
    handle: Handle,
    scope: TaskScope,
}

impl House {
    fn new(work: Work, settings: Settings) -> Self {
        Self::around(Faulty::default(), TaskScope::new(), work, settings)
    }

    fn around(queue: Faulty, scope: TaskScope, work: Work, settings: Settings) -> Self {
        let queue = Arc::new(queue);
        let (started, cancelled, claims) = (Mutex::default(), Mutex::default(), Mutex::default());
        let diary = Arc::new(Diary { work, began: Instant::now(), started, cancelled, claims });
        let workers = Workers::new(queue.clone(), diary.clone(), settings);
        let handle = workers.handle();
        workers.run(&scope);
        Self { queue, diary, handle, scope }
    }

    async fn push(&self, subjects: std::ops::Range<u128>, lane: Lane) {
        for subject in subjects {
            let (kind, subject, priority) = (TicketKind::Run, Uuid::from_u128(subject), Priority::NORMAL);
            self.queue.push(Ticket { kind, subject, attempt: 1, lane, priority }, Duration::ZERO).await.unwrap();
        }
    }

    fn running(&self) -> [usize; 3] {
        self.handle.stats().running
    }

    fn started(&self) -> Vec<(u128, Duration)> {
        self.diary.started.lock().unwrap().clone()
    }

    fn cancelled(&self) -> Vec<(u128, Duration)> {
        self.diary.cancelled.lock().unwrap().clone()
    }

    async fn depth(&self) -> Depth {
        self.queue.depth().await.unwrap()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_slow_handlers_run_at_once_and_keep_their_leases() {
    let house = House::new(Work::Takes(HOUR), Settings::default());
    house.push(0..1_000, Lane::Standard).await;
    sleep(MOMENT).await;
    assert_eq!((house.running(), house.started().len()), ([0, 1_000, 0], 1_000));
    // A hundred and twenty times the lease.
    sleep(HOUR).await;
    let stats = Stats { running: [0; 3], capacity: 2048, paused: false, panics: 0, leases_lost: 0 };
    assert_eq!(house.handle.stats(), stats);
    assert_eq!((house.started().len(), house.depth().await), (1_000, Depth::default()));
    assert_eq!(house.scope.close(seconds(1)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn interactive_work_starts_while_the_other_lanes_are_saturated() {
    let house = House::new(Work::Takes(HOUR), Settings::sized(16));
    house.push(0..100, Lane::Long).await;
    sleep(MOMENT).await;
    assert_eq!(house.running(), [0, 0, 8]);
    house.push(100..200, Lane::Standard).await;
    sleep(MOMENT).await;
    assert_eq!(house.running(), [0, 6, 8]);
    house.push(200..205, Lane::Interactive).await;
    sleep(MOMENT).await;
    assert_eq!(house.running(), [2, 6, 8]);
    // As places come free, the most urgent take them first, and then the other two in turns.
    sleep(HOUR).await;
    let [interactive, standard, long] = house.running();
    assert_eq!((interactive, standard + long), (3, 13));
    assert!(standard >= 5 && long >= 5, "{standard} standard, {long} long");
}

#[tokio::test(start_paused = true)]
async fn everything_is_done_through_few_places() {
    let house = House::new(Work::Takes(seconds(1)), Settings::sized(4));
    for lane in Lane::ALL {
        let first = 100 * lane as u128;
        house.push(first..first + 50, lane).await;
    }
    sleep(seconds(60)).await;
    assert_eq!((house.started().len(), house.running(), house.depth().await), (150, [0; 3], Depth::default()));
}

#[tokio::test(start_paused = true)]
async fn an_idle_pool_starts_a_ticket_at_once_and_never_polls() {
    let house = House::new(Work::Takes(Duration::ZERO), Settings::default());
    sleep(HOUR).await;
    assert_eq!(house.queue.readies.load(Ordering::SeqCst), 1);
    house.push(1..2, Lane::Standard).await;
    let pushed = house.diary.began.elapsed();
    // No time passes between the two: the clock stands still while anybody can work.
    while house.started().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.started(), [(1, pushed)]);
    sleep(HOUR).await;
    assert_eq!(house.queue.readies.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_lost_its_lease_is_told_to_stop() {
    let house = House::new(Work::UntilCancelled, Settings::default());
    house.push(1..2, Lane::Standard).await;
    sleep(seconds(1)).await;
    let claim = house.diary.claims.lock().unwrap()[&1];
    assert_eq!(house.queue.inner.complete(&claim).await, Ok(true));
    sleep(seconds(10)).await;
    assert_eq!(house.cancelled().len(), 1);
    assert!(house.cancelled()[0].1 <= seconds(10) + MOMENT);
    assert_eq!((house.handle.stats().leases_lost, house.running()), (1, [0; 3]));
    // Its verdict came too late to change anything.
    assert_eq!(house.depth().await, Depth::default());
}

#[tokio::test(start_paused = true)]
async fn a_lease_survives_a_short_silence_and_is_given_up_after_a_long_one() {
    for hangs in [false, true] {
        let house = House::new(Work::UntilCancelled, Settings::default());
        let silent = if hangs { &house.queue.hangs } else { &house.queue.refuses };
        house.push(1..2, Lane::Standard).await;
        sleep(seconds(9)).await;
        silent.store(true, Ordering::SeqCst);
        sleep(seconds(12)).await;
        silent.store(false, Ordering::SeqCst);
        sleep(seconds(60)).await;
        assert_eq!((house.cancelled(), house.running()), (vec![], [0, 1, 0]));

        let silent_since = house.diary.began.elapsed();
        silent.store(true, Ordering::SeqCst);
        sleep(seconds(31)).await;
        let told = house.cancelled()[0].1 - silent_since;
        assert!(told > seconds(15) && told <= seconds(30), "told after {told:?}");
        assert_eq!(house.handle.stats().leases_lost, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn claiming_goes_on_after_the_backend_was_away() {
    for hangs in [false, true] {
        let house = House::new(Work::Takes(Duration::ZERO), Settings::default());
        let silent = if hangs { &house.queue.hangs } else { &house.queue.refuses };
        silent.store(true, Ordering::SeqCst);
        sleep(MOMENT).await;
        house.push(1..2, Lane::Standard).await;
        sleep(HOUR).await;
        assert_eq!(house.started(), []);
        silent.store(false, Ordering::SeqCst);
        sleep(seconds(90)).await;
        assert_eq!((house.started().len(), house.depth().await), (1, Depth::default()));
        // It neither spins nor sleeps for ever in between.
        let asked = house.queue.readies.load(Ordering::SeqCst);
        assert!((2..5_000).contains(&asked), "asked {asked} times");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_hurts_no_other() {
    let house = House::new(Work::PanicsIfOdd, Settings::default());
    house.push(1..5, Lane::Standard).await;
    sleep(MOMENT).await;
    assert_eq!((house.handle.stats().panics, house.running()), (2, [0; 3]));
    assert_eq!(house.depth().await, Depth { delayed: 2, ..Depth::default() });
    sleep(seconds(5)).await;
    assert_eq!(house.started().iter().map(|(subject, _)| *subject).collect::<Vec<_>>(), [1, 2, 3, 4, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_comes_again_when_its_handler_says_so() {
    let house = House::new(Work::Again(seconds(60)), Settings::default());
    house.push(1..2, Lane::Long).await;
    sleep(seconds(150)).await;
    let times: Vec<_> = house.started().iter().map(|(_, at)| at.as_secs()).collect();
    assert_eq!(times, [0, 60, 120]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_stops_claiming_and_waits_for_the_handlers() {
    let house = House::new(Work::Takes(seconds(15)), Settings::default());
    house.push(0..10, Lane::Standard).await;
    sleep(seconds(10)).await;
    let began = Instant::now();
    house.scope.cancel();
    house.push(10..20, Lane::Standard).await;
    assert_eq!(house.scope.close(seconds(30)).await, 0);
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!((house.started().len(), house.depth().await.due), (10, [0, 10, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_those_who_take_too_long_to_stop() {
    let house = House::new(Work::UntilCancelled, Settings::default());
    house.push(0..10, Lane::Long).await;
    sleep(HOUR).await;
    let began = Instant::now();
    assert_eq!(house.scope.close(seconds(30)).await, 0);
    assert_eq!(began.elapsed().as_secs(), 20);
    // All came back, for the next process to claim.
    assert_eq!(house.depth().await, Depth { due: [0, 0, 10], ..Depth::default() });
    assert_eq!(house.handle.stats().leases_lost, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_claimed_during_a_shutdown_is_given_back() {
    let scope = TaskScope::new();
    let queue = Faulty { at_claim: Some(scope.clone()), ..Faulty::default() };
    let house = House::around(queue, scope, Work::Takes(HOUR), Settings::default());
    house.push(0..10, Lane::Standard).await;
    sleep(MOMENT).await;
    assert_eq!(house.scope.close(seconds(1)).await, 0);
    assert_eq!((house.started(), house.depth().await.due), (vec![], [0, 10, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_back_new_work_and_nothing_else() {
    let house = House::new(Work::Takes(seconds(60)), Settings::default());
    house.push(0..1, Lane::Standard).await;
    sleep(MOMENT).await;
    house.handle.pause();
    house.push(1..3, Lane::Interactive).await;
    sleep(seconds(30)).await;
    assert_eq!((house.running(), house.handle.stats().paused), ([0, 1, 0], true));
    sleep(seconds(60)).await;
    assert_eq!((house.running(), house.depth().await.due), ([0; 3], [2, 0, 0]));
    house.handle.resume();
    sleep(MOMENT).await;
    assert_eq!(house.running(), [2, 0, 0]);
}

//! One event for many sockets: what a delivery costs, and whether readers that stall cost the others anything.
//!
//! Each event is awaited by everybody before the next is made, so that neither side can gather
//! several into one write. The reference sends the very bytes that the gateway sent. The stalled
//! have a gateway of their own, beside as many healthy ones, and the events take turns between both.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Notify;

use super::{Bench, with_cpu};
use crate::client::{Call, Connection};
use crate::load::Target;
use crate::process::Server;
use crate::product::{Gateway, Setup, TOKEN};
use crate::report::{Finding, Target as Reach};
use crate::socket::{Room, Socket, raise_descriptors};
use crate::stats::{median, median_of, percentile};

/// The row's name.
pub(super) const ROW: &str = "fanout";
/// Healthy readers, and stalled ones where there are any.
const READERS: usize = 1_000;
/// Connecting at once.
const AT_ONCE: usize = 32;
/// Events until a reader that reads nothing misses some: more than its box, the news behind it and the system hold,
/// whatever the rounds add.
const FILL: usize = 4_600;
/// An event that is not everywhere by then is lost.
const ARRIVE: Duration = Duration::from_secs(20);
/// How the event's frame begins.
const EVENT: &[u8] = b"{\"type\":\"event\",\"event\":\"sessions.changed\"";

/// Arrivals of one side's events.
struct Feed {
    began: Instant,
    /// When the event on its way was made, in nanoseconds since `began`.
    made_ns: AtomicU64,
    arrived: AtomicUsize,
    all: Notify,
    latencies_ms: Mutex<Vec<f64>>,
}

/// One server with its readers.
struct Side<'a> {
    server: &'a Server,
    feed: Arc<Feed>,
    maker: Maker,
    made: usize,
}

enum Maker {
    Gateway(Box<Socket>),
    Reference(Box<Connection>, Bytes),
}

struct Round {
    cpu_us: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Measures all three in alternation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    raise_descriptors()?;
    let (upstream, setup) = (bench.mock.base(), Setup::default());
    let echo = Server::own(&["echo"]).await?;
    let gateway = Gateway::start(&bench.binary, &upstream, &setup).await?;
    let crowded = Gateway::start(&bench.binary, &upstream, &setup).await?;
    let mut stalled = subscribed(&crowded, Room::Least).await?;
    let mut beside = of_gateway(&crowded).await?;
    let mut product = of_gateway(&gateway).await?;
    let mut reference = of_reference(&echo, an_event(&gateway).await?).await?;
    for side in [&mut product, &mut reference] {
        side.round(20).await?;
    }
    beside.round(FILL).await?;
    let events = bench.sized(300, 50);
    let (mut ours, mut theirs, mut crowd) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.sized(7, 3) {
        ours.push(product.round(events).await?);
        crowd.push(beside.round(events).await?);
        theirs.push(reference.round(events).await?);
    }
    // Otherwise they would not be what they are called.
    let kept = kept(stalled.swap_remove(0)).await;
    ensure!(kept < beside.made, "the stalled readers got all {kept} events");
    let pair = |measure: &str, unit: &str, (ours, theirs): (&[Round], &[Round]), number: fn(&Round) -> f64| {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| number(ours) / number(theirs)).collect();
        Finding::pair(ROW, measure, (median_of(ours, number), median_of(theirs, number)), unit, median(&ratios))
    };
    Ok(vec![
        pair("CPU per delivery", "µs", (&ours, &theirs), |round| round.cpu_us).reaching(Reach::AtMost(1.3)),
        pair("made to arrived, p50", "ms", (&ours, &theirs), |round| round.p50_ms),
        pair("made to arrived, p99", "ms", (&ours, &theirs), |round| round.p99_ms),
        pair("p99 beside 1,000 stalled; ref.: without", "ms", (&crowd, &ours), |round| round.p99_ms)
            .reaching(Reach::AtMost(1.2)),
        pair("CPU per delivery beside them; ref.: without", "µs", (&crowd, &ours), |round| round.cpu_us),
    ])
}

async fn subscribed(gateway: &Gateway, room: Room) -> anyhow::Result<Vec<Socket>> {
    let address = gateway.server.address();
    let connects = (0..READERS).map(|_| async move {
        let mut socket = Socket::hello(address, TOKEN, room).await?;
        socket.call("sessions.subscribe", "{}").await?;
        anyhow::Ok(socket)
    });
    stream::iter(connects).buffer_unordered(AT_ONCE).try_collect().await
}

async fn of_gateway(gateway: &Gateway) -> anyhow::Result<Side<'_>> {
    let readers = subscribed(gateway, Room::Usual).await?;
    let maker = Maker::Gateway(Box::new(Socket::hello(gateway.server.address(), TOKEN, Room::Usual).await?));
    Ok(Side { server: &gateway.server, feed: Feed::read_by(readers), maker, made: 0 })
}

async fn of_reference(echo: &Server, event: Bytes) -> anyhow::Result<Side<'_>> {
    let connects = (0..READERS).map(|_| Socket::open(echo.address(), "/feed", Room::Usual));
    let readers = stream::iter(connects).buffer_unordered(AT_ONCE).try_collect().await?;
    let target = Target { address: echo.address(), token: None };
    let maker = Maker::Reference(Box::new(target.connect().await?), event);
    Ok(Side { server: echo, feed: Feed::read_by(readers), maker, made: 0 })
}

/// An event as the gateway sends it.
async fn an_event(gateway: &Gateway) -> anyhow::Result<Bytes> {
    let mut socket = Socket::hello(gateway.server.address(), TOKEN, Room::Usual).await?;
    socket.call("sessions.subscribe", "{}").await?;
    socket.send(&crate::socket::request("sessions.patch", &patch(0))).await?;
    loop {
        let frame = socket.next().await?;
        if frame.starts_with(EVENT) {
            return Ok(frame);
        }
    }
}

/// How many events one reader finds that had stopped reading.
async fn kept(mut socket: Socket) -> usize {
    let mut kept = 0;
    while let Ok(Ok(frame)) = tokio::time::timeout(Duration::from_secs(1), socket.endless()).await {
        kept += usize::from(frame.starts_with(EVENT));
    }
    kept
}

fn patch(number: usize) -> String {
    format!("{{\"key\":\"bench\",\"label\":\"label {number}\"}}")
}

impl Feed {
    fn read_by(readers: Vec<Socket>) -> Arc<Self> {
        let feed = Arc::new(Self {
            began: Instant::now(),
            made_ns: AtomicU64::new(0),
            arrived: AtomicUsize::new(0),
            all: Notify::new(),
            latencies_ms: Mutex::default(),
        });
        for mut socket in readers {
            let feed = Arc::clone(&feed);
            // A reader whose socket ends lets the round fail, which misses it.
            tokio::spawn(async move {
                while let Ok(frame) = socket.endless().await {
                    if frame.starts_with(EVENT) {
                        feed.arrive();
                    }
                }
            });
        }
        feed
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn arrive(&self) {
        let latency_ns = self.now_ns() - self.made_ns.load(Ordering::Acquire);
        self.latencies().push(latency_ns as f64 / 1e6);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == READERS {
            self.all.notify_one();
        }
    }

    fn latencies(&self) -> std::sync::MutexGuard<'_, Vec<f64>> {
        self.latencies_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Side<'_> {
    async fn round(&mut self, events: usize) -> anyhow::Result<Round> {
        self.feed.latencies().clear();
        let server = self.server;
        let ((), cpu_seconds) = with_cpu(server, async {
            for _ in 0..events {
                self.event().await?;
            }
            Ok(())
        })
        .await?;
        let latencies = self.feed.latencies();
        Ok(Round {
            cpu_us: cpu_seconds * 1e6 / (events * READERS) as f64,
            p50_ms: percentile(&latencies, 0.5),
            p99_ms: percentile(&latencies, 0.99),
        })
    }

    /// Makes one event and waits until everybody has it.
    async fn event(&mut self) -> anyhow::Result<()> {
        self.made += 1;
        let feed = &self.feed;
        feed.arrived.store(0, Ordering::Release);
        feed.made_ns.store(feed.now_ns(), Ordering::Release);
        match &mut self.maker {
            Maker::Gateway(socket) => drop(socket.call("sessions.patch", &patch(self.made)).await?),
            Maker::Reference(connection, event) => {
                drop(connection.call(&Call::post("/publish", event.clone())).await?);
            }
        }
        let arrived = || feed.arrived.load(Ordering::Acquire);
        let all = tokio::time::timeout(ARRIVE, feed.all.notified()).await;
        all.with_context(|| format!("an event reached only {} of {READERS}", arrived()))
    }
}

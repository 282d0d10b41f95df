//! Calls over WebSocket: what frames, callers and methods cost beside bare texts of the same size.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::try_join_all;

use super::{Bench, with_cpu};
use crate::client::Call;
use crate::load::Target;
use crate::process::Server;
use crate::product::{Gateway, Setup, TOKEN};
use crate::report::{Finding, Target as Reach};
use crate::socket::{Room, Socket, request};
use crate::stats::{median, median_of, percentile};

/// The row's name.
pub(super) const ROW: &str = "calls";
const CONNECTIONS: usize = 16;

struct Round {
    cpu_us: f64,
    per_second: f64,
    latencies_ms: Vec<f64>,
}

/// Measures both sides in alternation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let echo = Server::own(&["echo"]).await?;
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    let mut ours = try_join_all((0..CONNECTIONS).map(|_| hello(&gateway))).await?;
    let mut answer = 0;
    for socket in &mut ours {
        answer = socket.call("health", "{}").await?.len();
    }
    let beside = Target { address: echo.address(), token: None };
    beside.connect().await?.call(&Call::post("/answer", vec![b'x'; answer])).await?;
    let mut theirs = try_join_all((0..CONNECTIONS).map(|_| bare(echo.address()))).await?;
    let time = bench.sized(Duration::from_secs(3), Duration::from_secs(1));
    let (mut product, mut reference) = (Vec::new(), Vec::new());
    for warm in [true].into_iter().chain(std::iter::repeat_n(false, bench.sized(7, 3))) {
        let pair = (round(&gateway.server, &mut ours, time).await?, round(&echo, &mut theirs, time).await?);
        if !warm {
            product.push(pair.0);
            reference.push(pair.1);
        }
    }
    let pair = |measure: &str, unit: &str, number: fn(&Round) -> f64| {
        let ratios: Vec<f64> =
            product.iter().zip(&reference).map(|(ours, theirs)| number(ours) / number(theirs)).collect();
        Finding::pair(ROW, measure, (median_of(&product, number), median_of(&reference, number)), unit, median(&ratios))
    };
    Ok(vec![
        pair("CPU per call", "µs", |round| round.cpu_us).reaching(Reach::AtMost(1.6)),
        pair("calls", "/s", |round| round.per_second),
        pair("p99", "ms", |round| percentile(&round.latencies_ms, 0.99)),
        Finding::shown(ROW, "an answer", answer as f64, "bytes"),
    ])
}

async fn hello(gateway: &Gateway) -> anyhow::Result<Socket> {
    Socket::hello(gateway.server.address(), TOKEN, Room::Usual).await
}

async fn bare(address: SocketAddr) -> anyhow::Result<Socket> {
    Socket::open(address, "/calls", Room::Usual).await
}

/// Each socket asks the next when it was answered; both sides are sent the same bytes.
async fn round(server: &Server, sockets: &mut Vec<Socket>, time: Duration) -> anyhow::Result<Round> {
    let began = Instant::now();
    let asked = sockets.drain(..).map(|mut socket| {
        let asker = tokio::spawn(async move {
            let (question, mut latencies_ms) = (request("health", "{}"), Vec::new());
            while began.elapsed() < time {
                let sent = Instant::now();
                socket.send(&question).await?;
                while socket.next().await?.starts_with(b"{\"type\":\"event\"") {}
                latencies_ms.push(sent.elapsed().as_secs_f64() * 1e3);
            }
            anyhow::Ok((socket, latencies_ms))
        });
        async move { asker.await? }
    });
    let (answered, cpu_seconds) = with_cpu(server, try_join_all(asked)).await?;
    let (back, latencies): (Vec<_>, Vec<_>) = answered.into_iter().unzip();
    sockets.extend(back);
    let latencies_ms = latencies.concat();
    ensure!(!latencies_ms.is_empty(), "nothing was answered");
    let count = latencies_ms.len() as f64;
    Ok(Round { cpu_us: cpu_seconds * 1e6 / count, per_second: count / time.as_secs_f64(), latencies_ms })
}

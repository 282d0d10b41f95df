//! Search over very many stored memories, by words as frequent as words are.

use std::time::Instant;

use futures::future::try_join_all;
use serde_json::json;

use super::{Bench, with_cpu};
use crate::product::{Gateway, Setup, TOKEN};
use crate::report::{Finding, Target};
use crate::socket::{Room, Socket};
use crate::stats::percentile;

/// The row's name.
pub(super) const ROW: &str = "memory";
/// Sockets that fill the store at once, so that commits are shared.
const FILLERS: usize = 32;
const WORDS: u64 = 20_000;

/// Measures `memory.search` over one socket.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    let count = bench.sized(50_000, 5_000);
    let began = Instant::now();
    let fillers = (0..FILLERS).map(|filler| fill(&gateway, filler, count / FILLERS));
    try_join_all(fillers).await?;
    let filled = began.elapsed().as_secs_f64();
    let mut socket = Socket::hello(gateway.server.address(), TOKEN, Room::Usual).await?;
    let (mut chance, mut latencies_ms) = (Chance(7), Vec::new());
    let (searches, server) = (bench.sized(1_000, 200), &gateway.server);
    let ((), cpu_seconds) = with_cpu(server, async {
        for _ in 0..searches {
            let query = json!({"query": chance.words(3), "maxResults": 10}).to_string();
            let sent = Instant::now();
            socket.call("memory.search", &query).await?;
            latencies_ms.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    })
    .await?;
    Ok(vec![
        Finding::own(ROW, "memory.search, p99", percentile(&latencies_ms, 0.99), "ms", Target::AtMost(30.0)),
        Finding::shown(ROW, "memory.search, p50", percentile(&latencies_ms, 0.5), "ms"),
        Finding::shown(ROW, "CPU per search", cpu_seconds * 1e3 / f64::from(searches), "ms"),
        Finding::shown(ROW, "memory.add", count as f64 / filled, "/s"),
    ])
}

async fn fill(gateway: &Gateway, filler: usize, count: usize) -> anyhow::Result<()> {
    let mut socket = Socket::hello(gateway.server.address(), TOKEN, Room::Usual).await?;
    let mut chance = Chance(1_000 + filler as u64);
    for _ in 0..count {
        socket.call("memory.add", &json!({"text": chance.words(30)}).to_string()).await?;
    }
    Ok(())
}

/// The same numbers every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Words by Zipf's law, about: as often as their rank is low.
    fn words(&mut self, count: usize) -> String {
        let share = 1.0 / (1_u64 << 31) as f64;
        let words = (0..count).map(|_| {
            let rank = (WORDS as f64).powf(self.next() as f64 * share) as u64;
            format!("word{rank}")
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

//! Chat completions that are not streamed: what the engine and its ledger cost beside bare bytes.
//!
//! The proxy passes a question on as it came, so the gateway it is held against adds next to nothing to
//! it either. A second one offers the model every tool, as shipped: its questions are many times longer.

use std::time::Duration;

use super::{Bench, with_cpu};
use crate::load::{self, Load, Target, Until};
use crate::process::Server;
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::{median, median_of};

/// The row's name.
pub(super) const ROW: &str = "chat";
const CONNECTIONS: usize = 16;
const WARM_UP: usize = 500;

struct Round {
    load: Load,
    cpu_us: f64,
}

/// Measures both sides in alternation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let upstream = bench.mock.base();
    let proxy = Server::own(&["proxy", &upstream]).await?;
    let few = Setup { has_few_tools: true, ..Setup::default() };
    let gateway = Gateway::start(&bench.binary, &upstream, &few).await?;
    let equipped = Gateway::start(&bench.binary, &upstream, &Setup::default()).await?;
    let sides = [
        (&gateway.server, gateway.target()),
        (&proxy, Target { address: proxy.address(), token: None }),
        (&equipped.server, equipped.target()),
    ];
    for (_, target) in &sides {
        load::run(target, CONNECTIONS, Until::Sent(WARM_UP), |_| product::chat("instant", false)).await?;
    }
    let time = bench.sized(Duration::from_secs(3), Duration::from_secs(1));
    let (mut ours, mut theirs, mut armed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.sized(7, 3) {
        let [(server, target), (bare, beside), (other, full)] = &sides;
        ours.push(round(server, target, time).await?);
        theirs.push(round(bare, beside, time).await?);
        armed.push(round(other, full, time).await?);
    }
    let beside = |ours: &[Round], measure: &str, unit: &str, number: fn(&Round) -> f64| {
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| number(ours) / number(theirs)).collect();
        Finding::pair(ROW, measure, (median_of(ours, number), median_of(&theirs, number)), unit, median(&ratios))
    };
    let pair = |measure: &str, unit: &str, number: fn(&Round) -> f64| beside(&ours, measure, unit, number);
    Ok(vec![
        pair("CPU per request", "µs", |round| round.cpu_us).reaching(Reach::AtMost(4.0)),
        beside(&armed, "the same, every tool offered", "µs", |round| round.cpu_us),
        pair("requests", "/s", |round| round.load.per_second()),
        pair("p50", "ms", |round| round.load.latency_ms(0.5)),
        pair("p99", "ms", |round| round.load.latency_ms(0.99)),
    ])
}

async fn round(server: &Server, target: &Target, time: Duration) -> anyhow::Result<Round> {
    let call = product::chat("instant", false);
    let work = load::run(target, CONNECTIONS, Until::Passed(time), move |_| call.clone());
    let (load, cpu_seconds) = with_cpu(server, work).await?;
    let cpu_us = cpu_seconds * 1e6 / load.count().max(1) as f64;
    Ok(Round { load, cpu_us })
}

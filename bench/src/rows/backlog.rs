//! A long queue: a submit does not get slower with what waits already.

use super::Bench;
use crate::load::{self, Target, Until};
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::percentile;

/// The row's name.
pub(super) const ROW: &str = "backlog";
/// Fewer than wait, so that they wait.
const RUNS_MAX: usize = 16;
const SHORT: usize = 1_000;
const FILLERS: usize = 128;
const SUBMITS: usize = 50;

/// Measures a gateway with a long queue beside one with a short queue, in alternation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let short = started(bench, SHORT).await?;
    let (long, fill) = filled(bench).await?;
    let after_fill_mb = long.server.memory_mb()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..bench.sized(10, 4) {
        let first = long_length(bench) + number * SUBMITS;
        ours.extend(submits(&long.target(), first).await?);
        theirs.extend(submits(&short.target(), first).await?);
    }
    let p50 = (percentile(&ours, 0.5), percentile(&theirs, 0.5));
    let p99 = (percentile(&ours, 0.99), percentile(&theirs, 0.99));
    let memory_mb = long.server.memory_mb()?;
    let findings = vec![
        Finding::pair(ROW, "single submit, p50", p50, "ms", p50.0 / p50.1).reaching(Reach::AtMost(1.5)),
        Finding::pair(ROW, "single submit, p99", p99, "ms", p99.0 / p99.1),
        Finding::own(ROW, "memory", memory_mb.max(after_fill_mb), "MB", Reach::AtMost(150.0)),
        Finding::shown(ROW, "memory, most while filling", long.server.memory_peak_mb()?, "MB"),
        Finding::shown(ROW, "tasks queued", long_length(bench) as f64, ""),
        Finding::shown(ROW, "filled over 128 connections with", fill, "/s"),
    ];
    bench.filled = Some(long);
    Ok(findings)
}

fn long_length(bench: &Bench) -> usize {
    bench.sized(100_000, 10_000)
}

/// A gateway with a long queue, and how fast it was filled (0 if it was there already).
pub(super) async fn filled(bench: &mut Bench) -> anyhow::Result<(Gateway, f64)> {
    if let Some(gateway) = bench.filled.take() {
        return Ok((gateway, 0.0));
    }
    let gateway = started(bench, 0).await?;
    let fill = fill(&gateway, long_length(bench)).await?;
    Ok((gateway, fill))
}

async fn started(bench: &Bench, tasks: usize) -> anyhow::Result<Gateway> {
    let setup = Setup { runs_max: Some(RUNS_MAX), ..Setup::default() };
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &setup).await?;
    fill(&gateway, tasks).await?;
    Ok(gateway)
}

async fn fill(gateway: &Gateway, tasks: usize) -> anyhow::Result<f64> {
    let make = |number| product::task("hold", number);
    Ok(load::run(&gateway.target(), FILLERS, Until::Sent(tasks), make).await?.per_second())
}

async fn submits(target: &Target, first: usize) -> anyhow::Result<Vec<f64>> {
    let make = move |number| product::task("hold", first + number);
    Ok(load::run(target, 1, Until::Sent(SUBMITS), make).await?.latencies_ms)
}

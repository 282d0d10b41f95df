//! A tool that the model calls: what its round adds to an answer, and what a large result takes of memory.
//!
//! The model is a script: its first answer calls `read`, its second says something. So an answer with a
//! tool has one question to the upstream more than one without, and that question counts as added, too.

use std::time::Duration;

use anyhow::bail;

use super::Bench;
use crate::client::Call;
use crate::load::{self, Load, Target, Until};
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::{median, median_of};

/// The row's name.
pub(super) const ROW: &str = "tools";
/// Runs that hold their result at once.
const RUNS: usize = 64;
/// A result of nearly the 64 KB that a tool may show, cut nowhere.
const RESULT_BYTES: usize = 60 * 1024;
const SETTLE: Duration = Duration::from_secs(2);

/// Measures both on one gateway.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    gateway.give("small", "It is Paris.\n")?;
    let line = "The capital of France is Paris, and has been for some time.\n";
    gateway.give("large", &line.repeat(RESULT_BYTES / line.len()))?;
    let target = gateway.target();
    let time = bench.sized(Duration::from_secs(3), Duration::from_secs(1));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for call in ["read-small", "instant"] {
        load::run(&target, 1, Until::Sent(300), move |_| product::chat(call, false)).await?;
    }
    for _ in 0..bench.sized(7, 3) {
        with.push(round(&target, "read-small", time).await?);
        without.push(round(&target, "instant", time).await?);
    }
    let added: Vec<f64> =
        with.iter().zip(&without).map(|(with, without)| with.latency_ms(0.5) - without.latency_ms(0.5)).collect();
    let p50 = |load: &Load| load.latency_ms(0.5);
    let numbers = (median_of(&with, p50), median_of(&without, p50));
    let mut taken = Vec::new();
    for _ in 0..bench.sized(5, 3) {
        let small = held(bench, &gateway, "read-small-hold").await?;
        taken.push(held(bench, &gateway, "read-large-hold").await? - small);
    }
    let results_mb = (RUNS * RESULT_BYTES) as f64 / 1e6;
    Ok(vec![
        Finding::pair(ROW, "added p50, one upstream answer included", numbers, "ms", median(&added))
            .reaching(Reach::AtMost(2.0)),
        Finding::own(ROW, "memory of 60 KB results, in results", median(&taken) / results_mb, "×", Reach::AtMost(3.0)),
    ])
}

async fn round(target: &Target, model: &'static str, time: Duration) -> anyhow::Result<Load> {
    load::run(target, 1, Until::Passed(time), move |_| product::chat(model, false)).await
}

/// How much memory grows while so many runs hold a result and wait for the model, in megabytes.
async fn held(bench: &Bench, gateway: &Gateway, model: &'static str) -> anyhow::Result<f64> {
    tokio::time::sleep(SETTLE).await;
    let mock = Target { address: bench.mock.address(), token: None };
    let mut mock = mock.connect().await?;
    let before = gateway.server.memory_mb()?;
    let target = gateway.target();
    let runs =
        tokio::spawn(
            async move { load::run(&target, RUNS, Until::Sent(RUNS), move |_| product::chat(model, false)).await },
        );
    let mut looks = 0;
    while mock.number("/stats", "/held").await? < RUNS as u64 {
        looks += 1;
        if looks > 3_000 || runs.is_finished() {
            bail!("only {} of {RUNS} runs hold their result", mock.number("/stats", "/held").await?);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let grown = gateway.server.memory_mb()? - before;
    mock.call(&Call::post("/release", "{}")).await?;
    runs.await??;
    Ok(grown)
}

//! A long conversation: what its history adds to an answer, from the store to the model.
//!
//! The conversation has twice as many messages as a model is shown, so that every answer is shown as many.
//! Compaction is off, or it would be short. What the upstream takes to read them counts as added, too.

use super::Bench;
use crate::load::{self, Load, Until};
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::{median, median_of};

/// The row's name.
pub(super) const ROW: &str = "context";
/// As many as a model is shown at most.
const MESSAGES: usize = 200;
/// Of each question; the mock answers in a few words.
const TEXT_BYTES: usize = 1_000;

/// Measures turns of the long conversation beside first turns of new ones, in alternation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let setup = Setup { has_no_compaction: true, ..Setup::default() };
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &setup).await?;
    let target = gateway.target();
    let long = || product::said_by("long", TEXT_BYTES);
    // A turn is a question and an answer.
    load::run(&target, 1, Until::Sent(MESSAGES), move |_| long()).await?;
    let turns = bench.sized(200, 50);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..bench.sized(7, 3) {
        with.push(load::run(&target, 1, Until::Sent(turns), move |_| long()).await?);
        let short = move |number| product::said_by(&format!("short-{round}-{number}"), TEXT_BYTES);
        without.push(load::run(&target, 1, Until::Sent(turns), short).await?);
    }
    let pair = |measure: &str, share: f64| {
        let number = |load: &Load| load.latency_ms(share);
        let added: Vec<f64> = with.iter().zip(&without).map(|(with, without)| number(with) - number(without)).collect();
        Finding::pair(ROW, measure, (median_of(&with, number), median_of(&without, number)), "ms", median(&added))
    };
    Ok(vec![
        pair("added p50 by 200 messages", 0.5).reaching(Reach::AtMost(5.0)),
        pair("added p99 by 200 messages", 0.99),
    ])
}

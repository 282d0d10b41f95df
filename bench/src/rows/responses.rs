//! Streamed responses beside streamed chat completions of the same gateway: what their events cost more.

use super::{Bench, sse};
use crate::mock;
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::{median, median_of};

/// The row's name.
pub(super) const ROW: &str = "responses";

/// Measures both in alternation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    let (target, server) = (gateway.target(), &gateway.server);
    let (chat, response) = (product::chat(mock::PACED, true), product::response(mock::PACED));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for warm in [true].into_iter().chain(std::iter::repeat_n(false, bench.sized(7, 2))) {
        let of_responses = sse::round(server, &target, &response, product::DELTA).await?;
        let of_chat = sse::round(server, &target, &chat, mock::TOKEN).await?;
        if !warm {
            ours.push(of_responses);
            theirs.push(of_chat);
        }
    }
    let cpu = |rounds: &[sse::Round]| median_of(rounds, |round| round.cpu_us);
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us).collect();
    Ok(vec![
        Finding::pair(ROW, "CPU per chunk", (cpu(&ours), cpu(&theirs)), "µs", median(&ratios))
            .reaching(Reach::AtMost(1.3)),
    ])
}

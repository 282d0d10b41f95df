//! Streams: what a chunk costs on its way through, and how much later the first token comes.
//!
//! The mock paces its chunks as a model does, so that neither side can save work by reading
//! several at once; the streams start one after the other over one stream's length, so that
//! the first token is measured under load and not under a stampede.

use std::time::Duration;

use anyhow::ensure;
use futures::future::try_join_all;

use super::{Bench, with_cpu};
use crate::client::{Call, Streamed};
use crate::load::Target;
use crate::mock;
use crate::process::Server;
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::{median, median_of, percentile};

/// The row's name.
pub(super) const ROW: &str = "sse";
const STREAMS: usize = 100;
const CHUNKS: usize = 64;
/// One stream, as [`mock::PACED`] says.
const LENGTH: Duration = Duration::from_millis(25 * CHUNKS as u64);

/// One round over all streams.
pub(super) struct Round {
    /// Of a chunk.
    pub(super) cpu_us: f64,
    first_token_ms: Vec<f64>,
}

/// Measures both sides in alternation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let upstream = bench.mock.base();
    let proxy = Server::own(&["proxy", &upstream]).await?;
    let gateway = Gateway::start(&bench.binary, &upstream, &Setup::default()).await?;
    let (target, beside) = (gateway.target(), Target { address: proxy.address(), token: None });
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for warm in [true].into_iter().chain(std::iter::repeat_n(false, bench.sized(7, 2))) {
        let call = product::chat(mock::PACED, true);
        let ours_now = round(&gateway.server, &target, &call, mock::TOKEN).await?;
        let pair = (ours_now, round(&proxy, &beside, &call, mock::TOKEN).await?);
        if !warm {
            ours.push(pair.0);
            theirs.push(pair.1);
        }
    }
    let cpu = |rounds: &[Round]| median_of(rounds, |round| round.cpu_us);
    let first = |rounds: &[Round], share: f64| median_of(rounds, |round| percentile(&round.first_token_ms, share));
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us).collect();
    let added = |share: f64| {
        let numbers = (first(&ours, share), first(&theirs, share));
        (numbers, numbers.0 - numbers.1)
    };
    let ((p50, added_p50), (p99, added_p99)) = (added(0.5), added(0.99));
    Ok(vec![
        Finding::pair(ROW, "CPU per chunk", (cpu(&ours), cpu(&theirs)), "µs", median(&ratios))
            .reaching(Reach::AtMost(2.5)),
        Finding::pair(ROW, "first token, p50 (value: ms added)", p50, "ms", added_p50).reaching(Reach::AtMost(3.0)),
        Finding::pair(ROW, "first token, p99 (value: ms added)", p99, "ms", added_p99),
    ])
}

/// Streams `call` on all connections; `needle` stands in each chunk once.
pub(super) async fn round(
    server: &Server,
    target: &Target,
    call: &Call,
    needle: &'static str,
) -> anyhow::Result<Round> {
    let (streams, cpu_seconds) = with_cpu(server, streams(target, call, needle)).await?;
    let tokens: usize = streams.iter().map(|stream| stream.tokens).sum();
    ensure!(tokens == STREAMS * 2 * CHUNKS, "{tokens} tokens came of {}", STREAMS * 2 * CHUNKS);
    let first_token_ms = streams.iter().map(|stream| stream.first_token.as_secs_f64() * 1e3).collect();
    Ok(Round { cpu_us: cpu_seconds * 1e6 / tokens as f64, first_token_ms })
}

/// Two streams after each other on each connection.
async fn streams(target: &Target, call: &Call, needle: &'static str) -> anyhow::Result<Vec<Streamed>> {
    let connections = target.connect_many(STREAMS).await?;
    let readers = connections.into_iter().enumerate().map(|(number, mut connection)| {
        let call = call.clone();
        let reader = tokio::spawn(async move {
            tokio::time::sleep(LENGTH * number as u32 / STREAMS as u32).await;
            anyhow::Ok([connection.stream(&call, needle).await?, connection.stream(&call, needle).await?])
        });
        async move { reader.await? }
    });
    Ok(try_join_all(readers).await?.concat())
}

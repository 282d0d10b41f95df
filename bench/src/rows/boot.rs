//! A start over a long queue, until a caller with a credential has got an answer from the store.

use std::time::Instant;

use super::{Bench, backlog};
use crate::client::Call;
use crate::product::{Ending, Gateway};
use crate::report::{Finding, Target};
use crate::stats::median;

/// The row's name.
pub(super) const ROW: &str = "boot";

/// Measures starts after a stop and after a `kill -9`, in alternation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let (mut gateway, _fill) = backlog::filled(bench).await?;
    let (mut stopped, mut killed) = (Vec::new(), Vec::new());
    for _ in 0..bench.sized(5, 2) {
        for (how, times) in [(Ending::Stop, &mut stopped), (Ending::Kill, &mut killed)] {
            let (started, milliseconds) = again(gateway, how).await?;
            gateway = started;
            times.push(milliseconds);
        }
    }
    let memory = gateway.server.memory_mb()?;
    Ok(vec![
        Finding::own(ROW, "after a stop", median(&stopped), "ms", Target::AtMost(300.0)),
        Finding::own(ROW, "after kill -9", median(&killed), "ms", Target::AtMost(300.0)),
        Finding::shown(ROW, "memory after the start", memory, "MB"),
    ])
}

async fn again(gateway: Gateway, how: Ending) -> anyhow::Result<(Gateway, f64)> {
    let ended = gateway.end(how).await?;
    let began = Instant::now();
    let gateway = ended.start().await?;
    gateway.target().connect().await?.call(&Call::get("/v2/tasks?limit=1")).await?;
    Ok((gateway, began.elapsed().as_secs_f64() * 1e3))
}

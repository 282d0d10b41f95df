//! Very many sessions: the list's first page does not get slower with what comes behind it.

use std::time::Instant;

use super::{Bench, backlog};
use crate::product::TOKEN;
use crate::report::{Finding, Target};
use crate::socket::{Room, Socket};
use crate::stats::percentile;

/// The row's name.
pub(super) const ROW: &str = "sessions";

/// Measures on the gateway with the long queue: every task of it has a session of its own.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let (gateway, _fill) = backlog::filled(bench).await?;
    let mut socket = Socket::hello(gateway.server.address(), TOKEN, Room::Usual).await?;
    let calls = bench.sized(500, 100);
    let first = list(&mut socket, "{}", calls).await?;
    let found = list(&mut socket, r#"{"search":"bench-77"}"#, calls / 10).await?;
    let before = gateway.server.cpu_seconds()?;
    let (mut latencies_ms, began) = (first, Instant::now());
    latencies_ms.extend(list(&mut socket, "{}", calls).await?);
    let busy = (gateway.server.cpu_seconds()? - before) / began.elapsed().as_secs_f64();
    bench.filled = Some(gateway);
    Ok(vec![
        Finding::own(ROW, "sessions.list, p99", percentile(&latencies_ms, 0.99), "ms", Target::Below(10.0)),
        Finding::shown(ROW, "sessions.list, p50", percentile(&latencies_ms, 0.5), "ms"),
        Finding::shown(ROW, "cores busy meanwhile", busy, ""),
        Finding::shown(ROW, "with a search, p50", percentile(&found, 0.5), "ms"),
        Finding::shown(ROW, "with a search, p99", percentile(&found, 0.99), "ms"),
    ])
}

async fn list(socket: &mut Socket, params: &str, calls: usize) -> anyhow::Result<Vec<f64>> {
    let mut latencies_ms = Vec::with_capacity(calls);
    for _ in 0..calls {
        let sent = Instant::now();
        socket.call("sessions.list", params).await?;
        latencies_ms.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies_ms)
}

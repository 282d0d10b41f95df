//! New sockets at a steady rate: how long until each may be used.

use std::time::{Duration, Instant};

use futures::future::try_join_all;

use super::Bench;
use crate::product::{Gateway, Setup, TOKEN};
use crate::report::{Finding, Target};
use crate::socket::{Room, Socket, raise_descriptors};
use crate::stats::percentile;

/// The row's name.
pub(super) const ROW: &str = "connects";
const PER_SECOND: usize = 200;

/// Measures from the first packet to `hello-ok`; sockets stay open, so that the crowd grows.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    raise_descriptors()?;
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    let address = gateway.server.address();
    drop(Socket::hello(address, TOKEN, Room::Usual).await?);
    let count = PER_SECOND * bench.sized(10, 3);
    let before = gateway.server.cpu_seconds()?;
    let began = Instant::now();
    let connects = (0..count).map(|number| {
        let connect = tokio::spawn(async move {
            let due = began + Duration::from_secs(1) * number as u32 / PER_SECOND as u32;
            tokio::time::sleep_until(due.into()).await;
            let started = Instant::now();
            let socket = Socket::hello(address, TOKEN, Room::Usual).await?;
            anyhow::Ok((started.elapsed().as_secs_f64() * 1e3, socket))
        });
        async move { connect.await? }
    });
    let connected = try_join_all(connects).await?;
    let cpu_us = (gateway.server.cpu_seconds()? - before) * 1e6 / count as f64;
    let latencies_ms: Vec<f64> = connected.iter().map(|(latency_ms, _)| *latency_ms).collect();
    Ok(vec![
        Finding::own(ROW, "connect to hello-ok, p99", percentile(&latencies_ms, 0.99), "ms", Target::Below(20.0)),
        Finding::shown(ROW, "connect to hello-ok, p50", percentile(&latencies_ms, 0.5), "ms"),
        Finding::shown(ROW, "CPU per connect", cpu_us, "µs"),
    ])
}

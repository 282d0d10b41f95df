//! New sockets at a steady rate: how long until each may be used.

use std::time::{Duration, Instant};

use futures::future::try_join_all;

use super::Bench;
use crate::process::Server;
use crate::product::{Gateway, Setup, TOKEN};
use crate::report::{Finding, Target};
use crate::socket::{Room, Socket, raise_descriptors};
use crate::stats::percentile;

/// The row's name.
pub(super) const ROW: &str = "connects";
const PER_SECOND: usize = 200;

/// Measures from the first packet to `hello-ok`; sockets stay open, so that the crowd grows.
///
/// The reference, upgraded at the same moments, says what the machine makes of a new connection.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    raise_descriptors()?;
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    let address = gateway.server.address();
    let echo = Server::own(&["echo"]).await?;
    let bare = echo.address();
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
            let latency_ms = started.elapsed().as_secs_f64() * 1e3;
            let started = Instant::now();
            let beside = Socket::open(bare, "/calls", Room::Usual).await?;
            anyhow::Ok((latency_ms, started.elapsed().as_secs_f64() * 1e3, [socket, beside]))
        });
        async move { connect.await? }
    });
    let connected = try_join_all(connects).await?;
    let cpu_us = (gateway.server.cpu_seconds()? - before) * 1e6 / count as f64;
    let ours: Vec<f64> = connected.iter().map(|(ours_ms, ..)| *ours_ms).collect();
    let theirs: Vec<f64> = connected.iter().map(|(_, theirs_ms, _)| *theirs_ms).collect();
    let pair = |measure: &str, share: f64| {
        let numbers = (percentile(&ours, share), percentile(&theirs, share));
        Finding::pair(ROW, measure, numbers, "ms", numbers.0)
    };
    Ok(vec![
        pair("connect to hello-ok, p99", 0.99).reaching(Target::Below(20.0)),
        pair("connect to hello-ok, p50", 0.5),
        Finding::shown(ROW, "CPU per connect", cpu_us, "µs"),
    ])
}

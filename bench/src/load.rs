//! The load: connections that each send the next request when the last one was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::client::{Call, Connection};
use crate::stats::percentile;

/// Where the load goes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
}

impl Target {
    /// A new connection to it.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address, self.token.as_deref()).await
    }

    /// So many new connections.
    pub(crate) async fn connect_many(&self, count: usize) -> anyhow::Result<Vec<Connection>> {
        try_join_all((0..count).map(|_| self.connect())).await
    }
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this time.
    Passed(Duration),
    /// After so many requests over all connections.
    Sent(usize),
}

/// What a load brought.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// One latency per request, in milliseconds.
    pub(crate) latencies_ms: Vec<f64>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Load {
    /// Requests answered.
    pub(crate) fn count(&self) -> usize {
        self.latencies_ms.len()
    }

    /// Requests answered in a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// A percentile of the latencies, in milliseconds.
    pub(crate) fn latency_ms(&self, share: f64) -> f64 {
        percentile(&self.latencies_ms, share)
    }
}

/// Sends `make(number of the request)` over `connections` new connections.
///
/// Errors: the first answer that is not a success ends the load.
pub(crate) async fn run<F>(target: &Target, connections: usize, until: Until, make: F) -> anyhow::Result<Load>
where
    F: Fn(usize) -> Call + Send + Sync + 'static,
{
    let opened = target.connect_many(connections).await?;
    let (numbers, make) = (Arc::new(AtomicUsize::new(0)), Arc::new(make));
    let began = Instant::now();
    let senders = opened.into_iter().map(|mut connection| {
        let (numbers, make) = (Arc::clone(&numbers), Arc::clone(&make));
        let sender = tokio::spawn(async move {
            let mut latencies_ms = Vec::new();
            loop {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let is_over = match until {
                    Until::Passed(time) => began.elapsed() >= time,
                    Until::Sent(count) => number >= count,
                };
                if is_over {
                    return anyhow::Ok(latencies_ms);
                }
                let call = make(number);
                let sent = Instant::now();
                connection.call(&call).await?;
                latencies_ms.push(sent.elapsed().as_secs_f64() * 1e3);
            }
        });
        async move { sender.await? }
    });
    let latencies_ms: Vec<Vec<f64>> = try_join_all(senders).await?;
    Ok(Load { latencies_ms: latencies_ms.concat(), elapsed: began.elapsed() })
}

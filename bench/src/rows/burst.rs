//! A thousand tasks at once, all of which run: the control plane does not wait for the work.

use std::time::Duration;

use anyhow::bail;

use super::Bench;
use crate::client::Call;
use crate::load::{self, Load, Target, Until};
use crate::process::Server;
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::median_of;

/// The row's name.
pub(super) const ROW: &str = "burst";
const TASKS: usize = 1_000;
const CONNECTIONS: usize = 16;
const SINGLES: usize = 300;
/// All tasks have reached the upstream by then.
const ALL_RUN: Duration = Duration::from_secs(30);

struct Round {
    burst: Load,
    singles: Load,
    all_run_ms: f64,
}

/// Measures the gateway, and the reference queue's burst beside it.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("queue.db");
    let queue = Server::own(&["queue", &bench.mock.base(), &database.to_string_lossy(), "1024"]).await?;
    let beside = Target { address: queue.address(), token: None };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..bench.sized(5, 1) {
        ours.push(round(bench, &gateway.target(), number * (TASKS + SINGLES)).await?);
        let call = |number| Call { path: "/tasks", ..product::task("instant", number) };
        theirs.push(load::run(&beside, CONNECTIONS, Until::Sent(TASKS), call).await?);
    }
    let burst = |share: f64| {
        let numbers = (median_of(&ours, |r| r.burst.latency_ms(share)), median_of(&theirs, |l| l.latency_ms(share)));
        let measure = format!("burst, p{:.0} (value: ms)", share * 100.0);
        Finding::pair(ROW, &measure, numbers, "ms", numbers.0)
    };
    let single = |share: f64| median_of(&ours, |round| round.singles.latency_ms(share));
    Ok(vec![
        burst(0.99).reaching(Reach::Below(50.0)),
        Finding::own(ROW, "single submit while all run, p99", single(0.99), "ms", Reach::Below(50.0)),
        burst(0.5),
        Finding::shown(ROW, "single submit while all run, p50", single(0.5), "ms"),
        Finding::shown(ROW, "submits in the burst", median_of(&ours, |round| round.burst.per_second()), "/s"),
        Finding::shown(ROW, "last submit → all at the upstream", median_of(&ours, |r| r.all_run_ms), "ms"),
        Finding::shown(ROW, "memory, most", gateway.server.memory_peak_mb()?, "MB"),
    ])
}

async fn round(bench: &Bench, target: &Target, first: usize) -> anyhow::Result<Round> {
    let make = move |number| product::task("hold", first + number);
    let burst = load::run(target, CONNECTIONS, Until::Sent(TASKS), make).await?;
    let all_run_ms = until_held(bench, TASKS as u64).await?.as_secs_f64() * 1e3;
    let make = move |number| product::task("hold", first + TASKS + number);
    let singles = load::run(target, 1, Until::Sent(SINGLES), make).await?;
    until_held(bench, (TASKS + SINGLES) as u64).await?;
    release(bench, target, (first + TASKS + SINGLES) as u64).await?;
    Ok(Round { burst, singles, all_run_ms })
}

/// Waits until the upstream holds so many requests.
async fn until_held(bench: &Bench, count: u64) -> anyhow::Result<Duration> {
    let began = tokio::time::Instant::now();
    let mut mock = Target { address: bench.mock.address(), token: None }.connect().await?;
    while began.elapsed() < ALL_RUN {
        if mock.number("/stats", "/held").await? >= count {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("only {} of {count} tasks run at once", mock.number("/stats", "/held").await?)
}

/// Lets the upstream answer, and waits until so many tasks are completed.
async fn release(bench: &Bench, target: &Target, completed: u64) -> anyhow::Result<()> {
    let mut mock = Target { address: bench.mock.address(), token: None }.connect().await?;
    mock.call(&Call::post("/release", "{}")).await?;
    super::drain::until_completed(&mut target.connect().await?, "/status", "/tasks/byStatus/completed", completed).await
}

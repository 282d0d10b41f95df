//! From enqueue to complete: what the engine's promises cost beside a bare durable queue.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::{Bench, with_cpu};
use crate::client::{Call, Connection};
use crate::load::{self, Target, Until};
use crate::process::Server;
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::{median, median_of};

/// The row's name.
pub(super) const ROW: &str = "drain";
const CONNECTIONS: usize = 64;
const WARM_UP: usize = 200;
/// Tasks of the reference with one commit per operation: three commits each.
const SLOW: usize = 150;
const COMPLETE: Duration = Duration::from_secs(120);

/// A queue under measurement.
struct Side<'a> {
    server: &'a Server,
    target: Target,
    submit: &'static str,
    /// Where it says how many are completed: path and JSON pointer.
    completed: (&'static str, &'static str),
    done: usize,
}

struct Round {
    per_second: f64,
    cpu_us: f64,
}

/// Measures both sides in alternation, then the reference with one commit per operation.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let upstream = bench.mock.base();
    let folder = tempfile::tempdir()?;
    let grouped = queue(&upstream, folder.path(), "grouped", "1024").await?;
    let single = queue(&upstream, folder.path(), "single", "1").await?;
    let gateway = Gateway::start(&bench.binary, &upstream, &Setup::default()).await?;
    let mut product = Side {
        server: &gateway.server,
        target: gateway.target(),
        submit: "/v2/tasks",
        completed: ("/status", "/tasks/byStatus/completed"),
        done: 0,
    };
    let (mut reference, mut slow) = (side(&grouped), side(&single));
    for side in [&mut product, &mut reference] {
        side.round(WARM_UP).await?;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.sized(5, 2) {
        let tasks = bench.sized(3_000, 1_000);
        ours.push(product.round(tasks).await?);
        theirs.push(reference.round(tasks).await?);
    }
    let slow = slow.round(SLOW).await?;
    let pair = |measure: &str, unit: &str, number: fn(&Round) -> f64| {
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| number(ours) / number(theirs)).collect();
        Finding::pair(ROW, measure, (median_of(&ours, number), median_of(&theirs, number)), unit, median(&ratios))
    };
    let grouped = median_of(&theirs, |round| round.per_second);
    let fallen = Finding::pair(
        ROW,
        "reference: one commit per operation, grouped",
        (slow.per_second, grouped),
        "/s",
        slow.per_second / grouped,
    );
    Ok(vec![
        pair("tasks", "/s", |round| round.per_second).reaching(Reach::AtLeast(0.4)),
        pair("CPU per task", "µs", |round| round.cpu_us),
        fallen,
        Finding::shown(ROW, "memory, most", gateway.server.memory_peak_mb()?, "MB"),
    ])
}

async fn queue(upstream: &str, folder: &Path, name: &str, per_commit: &str) -> anyhow::Result<Server> {
    let database = folder.join(format!("{name}.db"));
    Server::own(&["queue", upstream, &database.to_string_lossy(), per_commit]).await
}

fn side(server: &Server) -> Side<'_> {
    let target = Target { address: server.address(), token: None };
    Side { server, target, submit: "/tasks", completed: ("/stats", "/completed"), done: 0 }
}

impl Side<'_> {
    async fn round(&mut self, tasks: usize) -> anyhow::Result<Round> {
        let (first, path) = (self.done, self.submit);
        self.done += tasks;
        let mut watch = self.target.connect().await?;
        let work = async {
            let began = Instant::now();
            let make = move |number| Call { path, ..product::task("instant", first + number) };
            load::run(&self.target, CONNECTIONS, Until::Sent(tasks), make).await?;
            let (path, pointer) = self.completed;
            until_completed(&mut watch, path, pointer, self.done as u64).await?;
            Ok(began.elapsed())
        };
        let (elapsed, cpu_seconds) = with_cpu(self.server, work).await?;
        let tasks = tasks as f64;
        Ok(Round { per_second: tasks / elapsed.as_secs_f64(), cpu_us: cpu_seconds * 1e6 / tasks })
    }
}

/// Waits until the number at `pointer` of `path` has reached `count`.
pub(super) async fn until_completed(
    watch: &mut Connection,
    path: &'static str,
    pointer: &str,
    count: u64,
) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < COMPLETE {
        if watch.number(path, pointer).await? >= count {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("only {} of {count} tasks are completed", watch.number(path, pointer).await?)
}

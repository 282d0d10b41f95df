//! The rows of the table, one file each, and what they share.

mod backlog;
mod bodies;
mod boot;
mod burst;
mod calls;
mod chat;
mod connects;
mod context;
mod drain;
mod embedded;
mod failover;
mod fanout;
mod idle;
mod limiter;
mod memory;
mod responses;
mod sessions;
mod sockets;
mod sse;
mod tools;

use std::process::ExitCode;
use std::time::Duration;

use crate::options::Asked;
use crate::process::Server;
use crate::product::{Binary, Gateway};
use crate::report::{self, Section};

/// How long after the last answer a server may still work on what it was asked.
const SETTLE: Duration = Duration::from_millis(250);

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// Chat completions beside the bare proxy.
    Chat,
    /// The same, streamed.
    Sse,
    /// Streamed responses beside them.
    Responses,
    /// What a body of 10 MB takes of memory.
    Bodies,
    /// A thousand tasks at once.
    Burst,
    /// Tasks from enqueue to complete beside the reference queue.
    Drain,
    /// Submits over a long queue.
    Backlog,
    /// The list of very many sessions.
    Sessions,
    /// Start over a long queue.
    Boot,
    /// Chat completions with one of three providers dead.
    Failover,
    /// What a call of a tool adds.
    Tools,
    /// What a long conversation adds.
    Context,
    /// Search over very many stored memories.
    Memory,
    /// What leave to have an answer generated costs.
    Limiter,
    /// Memory when nothing happens.
    Idle,
    /// Calls over WebSocket beside the bare echo.
    Calls,
    /// One event for many sockets beside the bare broadcast.
    Fanout,
    /// What a socket costs that does nothing.
    Sockets,
    /// From nothing to `hello-ok`.
    Connects,
    /// The control plane while the embedded model computes.
    Embedded,
}

impl Row {
    /// In the table's order.
    pub(crate) const ALL: [Self; 20] = [
        Self::Chat,
        Self::Sse,
        Self::Responses,
        Self::Bodies,
        Self::Burst,
        Self::Drain,
        Self::Backlog,
        Self::Sessions,
        Self::Boot,
        Self::Failover,
        Self::Tools,
        Self::Context,
        Self::Memory,
        Self::Limiter,
        Self::Idle,
        Self::Calls,
        Self::Fanout,
        Self::Sockets,
        Self::Connects,
        Self::Embedded,
    ];

    /// The row called `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|row| row.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Chat => chat::ROW,
            Self::Sse => sse::ROW,
            Self::Responses => responses::ROW,
            Self::Bodies => bodies::ROW,
            Self::Burst => burst::ROW,
            Self::Drain => drain::ROW,
            Self::Backlog => backlog::ROW,
            Self::Sessions => sessions::ROW,
            Self::Boot => boot::ROW,
            Self::Failover => failover::ROW,
            Self::Tools => tools::ROW,
            Self::Context => context::ROW,
            Self::Memory => memory::ROW,
            Self::Limiter => limiter::ROW,
            Self::Idle => idle::ROW,
            Self::Calls => calls::ROW,
            Self::Fanout => fanout::ROW,
            Self::Sockets => sockets::ROW,
            Self::Connects => connects::ROW,
            Self::Embedded => embedded::ROW,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Chat => "chat completion, not streamed, 16 connections; value = ratio to the bare proxy",
            Self::Sse => "SSE, 100 streams × 64 chunks; value = ratio to the bare proxy",
            Self::Responses => "/v1/responses, 100 streams × 64 chunks; value = ratio to chat completions",
            Self::Bodies => "chat completions with bodies of 10 MB; value = memory in bodies",
            Self::Burst => "1,000 tasks in a burst over 16 connections, then single submits while all run",
            Self::Drain => "enqueue → complete, instant upstream; value = ratio to the reference queue",
            Self::Backlog => "submit with 100,000 queued; reference = the same gateway with 1,000",
            Self::Boot => "start to first answered request with 100,000 tasks in the store",
            Self::Failover => "chat completion with one of three providers dead; reference = all are well",
            Self::Sessions => "sessions.list over one WebSocket with 100,000 sessions",
            Self::Tools => "an answer with one call of read; reference = one without",
            Self::Context => "an answer in a conversation of 200 messages; reference = in a new one",
            Self::Memory => "memory.search over one WebSocket with 50,000 stored memories",
            Self::Limiter => "leave to have an answer generated, alone, in the gateway's own library",
            Self::Idle => "idle, model not loaded",
            Self::Calls => "health over WebSocket, 16 connections; value = ratio to the bare echo",
            Self::Fanout => "one event to 1,000 sockets; value = ratio to the bare broadcast",
            Self::Sockets => "10,000 authenticated sockets that do nothing",
            Self::Connects => "connect to hello-ok, 200 new sockets a second; value = ms; reference = a bare upgrade",
            Self::Embedded => "while the embedded model generates on all cores",
        }
    }
}

impl Row {
    /// What `--quick` makes smaller than the title says.
    const fn quick_size(self) -> Option<&'static str> {
        match self {
            Self::Backlog | Self::Boot | Self::Sessions => Some("10,000 instead of 100,000"),
            Self::Context => Some("50 messages instead of 200"),
            Self::Memory => Some("5,000 memories instead of 50,000"),
            Self::Sockets => Some("1,000 sockets instead of 10,000"),
            Self::Burst
            | Self::Calls
            | Self::Chat
            | Self::Bodies
            | Self::Connects
            | Self::Drain
            | Self::Embedded
            | Self::Failover
            | Self::Fanout
            | Self::Idle
            | Self::Limiter
            | Self::Responses
            | Self::Sse
            | Self::Tools => None,
        }
    }
}

/// What the rows work with.
pub(crate) struct Bench {
    mock: Server,
    binary: Binary,
    quick: bool,
    is_chosen: bool,
    /// A gateway with a long queue, from the row that filled it to the row that starts it again.
    filled: Option<Gateway>,
}

impl Bench {
    /// `full`, or `quick` where that was asked.
    fn sized<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// A row's numbers, or why it has none here.
type Found = anyhow::Result<Result<Vec<report::Finding>, String>>;

/// Measures what was asked and prints it; fails when a row could not be measured.
pub(crate) async fn measure(asked: &Asked) -> anyhow::Result<ExitCode> {
    let wants_embedded = asked.is_chosen && asked.rows.contains(&Row::Embedded) && embedded::model().is_some();
    let binary = Binary::get(asked.binary.as_deref(), wants_embedded).await?;
    let mock = Server::own(&["mock"]).await?;
    let mut bench = Bench { mock, binary, quick: asked.quick, is_chosen: asked.is_chosen, filled: None };
    let (mut sections, mut has_failed) = (Vec::new(), false);
    for row in &asked.rows {
        eprintln!("measuring {} …", row.name());
        let (findings, remark) = match found(&mut bench, *row).await {
            Ok(Ok(findings)) => (findings, None),
            Ok(Err(why)) => (Vec::new(), Some(format!("left out: {why}"))),
            Err(error) => {
                has_failed = true;
                (Vec::new(), Some(format!("FAILED: {error:#}")))
            }
        };
        let smaller = row.quick_size().filter(|_| asked.quick).map(|size| format!("--quick: {size}"));
        let remark = remark.or(smaller);
        sections.push(Section { row: row.name(), title: row.title(), findings, remark });
    }
    if asked.json {
        println!("{}", serde_json::to_string_pretty(&sections)?);
    } else {
        let (missed, empty) = report::missed(&sections);
        println!("{}\n{missed} targets missed, {empty} rows without numbers", report::table(&sections));
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn found(bench: &mut Bench, row: Row) -> Found {
    match row {
        Row::Chat => chat::measure(bench).await.map(Ok),
        Row::Sse => sse::measure(bench).await.map(Ok),
        Row::Responses => responses::measure(bench).await.map(Ok),
        Row::Bodies => bodies::measure(bench).await.map(Ok),
        Row::Burst => burst::measure(bench).await.map(Ok),
        Row::Drain => drain::measure(bench).await.map(Ok),
        Row::Backlog => backlog::measure(bench).await.map(Ok),
        Row::Boot => boot::measure(bench).await.map(Ok),
        Row::Failover => failover::measure(bench).await.map(Ok),
        Row::Sessions => sessions::measure(bench).await.map(Ok),
        Row::Tools => tools::measure(bench).await.map(Ok),
        Row::Context => context::measure(bench).await.map(Ok),
        Row::Memory => memory::measure(bench).await.map(Ok),
        Row::Limiter => Ok(Ok(limiter::measure(bench))),
        Row::Idle => idle::measure(bench).await.map(Ok),
        Row::Calls => calls::measure(bench).await.map(Ok),
        Row::Fanout => fanout::measure(bench).await.map(Ok),
        Row::Sockets => sockets::measure(bench).await.map(Ok),
        Row::Connects => connects::measure(bench).await.map(Ok),
        Row::Embedded => embedded::measure(bench).await,
    }
}

/// Does `work` and says how many CPU seconds `server` spent on it, trailing work included.
async fn with_cpu<T>(server: &Server, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, f64)> {
    let before = server.cpu_seconds()?;
    let done = work.await?;
    tokio::time::sleep(SETTLE).await;
    Ok((done, server.cpu_seconds()? - before))
}

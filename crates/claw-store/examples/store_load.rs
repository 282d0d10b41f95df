//! How much the store bears: `cargo run --release -p claw-store --example store_load -- <directory> [<part of a name>]`.
//!
//! Prints operations per second, latencies and CPU per task for the three ways a task goes, and
//! what a start costs with a hundred thousand waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use claw_core::message::Message;
use claw_core::provider::{FinishReason, Usage};
use claw_core::run::{RunEvent, Sequenced};
use claw_core::task::Outcome;
use claw_core::{
    AgentId, IdSource, Lane, OnCrash, Output, Principal, Priority, SessionId, SessionKey, TaskId, Timestamp, Turn,
};
use claw_runtime::{SystemIds, TaskScope};
use claw_store::sqlite::Settings;
use claw_store::{Begin, Finish, NewTask, SqliteStore, Started, Store};
use futures::future::join_all;

const ROUNDS: [(&str, usize, usize, Way); 6] = [
    ("submit, start, finish; 64 at a time", 20_000, 64, Way::Task),
    ("submit, start, finish; 16 at a time", 8_000, 16, Way::Task),
    ("attached, written behind; 16 at a time", 40_000, 16, Way::Attached),
    ("submit; 16 at a time, few waiting", 4_000, 16, Way::Submit),
    ("submit; 64 at a time, up to 100,000", 96_000, 64, Way::Submit),
    ("submit; 16 at a time, many waiting", 4_000, 16, Way::Submit),
];

const AT: Timestamp = Timestamp::from_millis(1);

#[tokio::main]
async fn main() {
    let directory = std::env::args().nth(1).expect("a directory to work in");
    let path = std::path::Path::new(&directory).join("load.db");
    for end in ["", "-wal", "-shm"] {
        let _was_there = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    let scope = TaskScope::new();
    let store = Arc::new(SqliteStore::open(Settings::at(&path), &scope).await.expect("opens"));
    let only = std::env::args().nth(2);
    for (name, tasks, at_once, way) in ROUNDS {
        if only.as_ref().is_none_or(|only| name.contains(only)) {
            measure(name, tasks, at_once, &store, way).await;
        }
    }
    store.close().await;

    let began = Instant::now();
    let store = SqliteStore::open(Settings::at(&path), &scope).await.expect("opens");
    println!("open with {} waiting: {:?}", store.counts().await.expect("counts").queued, began.elapsed());
    let (began, cpu) = (Instant::now(), cpu());
    let (mut from, mut tickets) = (None, 0);
    loop {
        let page = store.due_tickets(from, 1000).await.expect("reads");
        tickets += page.items.len();
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    println!("due tickets: {tickets} in {:?}, cpu {:?}", began.elapsed(), self::cpu() - cpu);
    store.close().await;
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Task,
    Attached,
    Submit,
}

async fn measure(name: &str, tasks: usize, at_once: usize, store: &Arc<SqliteStore>, way: Way) {
    let (began, cpu) = (Instant::now(), cpu());
    let slowest = Arc::new(AtomicU64::new(0));
    let workers = (0..at_once).map(|_| {
        let (store, slowest) = (store.clone(), slowest.clone());
        TaskScope::new().spawn(move |_| async move {
            let mut times = Vec::with_capacity(tasks / at_once);
            for _ in 0..tasks / at_once {
                let began = Instant::now();
                go(&store, way).await;
                times.push(began.elapsed());
                slowest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
            }
            times
        })
    });
    let mut times: Vec<Duration> = join_all(workers).await.into_iter().flat_map(|times| times.expect("ends")).collect();
    store.settled().await.expect("settles");
    let (took, cpu) = (began.elapsed(), self::cpu() - cpu);
    times.sort_unstable();
    let at = |share: f64| times.get(((times.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{name}: {:.0} tasks/s, cpu {:.1} µs each, p50 {:?}, p99 {:?}, slowest {} µs",
        tasks as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / tasks as f64,
        at(0.5),
        at(0.99),
        slowest.load(Ordering::Relaxed),
    );
}

async fn go(store: &SqliteStore, way: Way) {
    let id = TaskId::new(&SystemIds);
    let begin = match way {
        Way::Attached => Begin::Attached,
        Way::Task | Way::Submit => Begin::Queued { not_before: AT, attached: false },
    };
    let name = format!("bench:{}", SystemIds.next());
    let new = NewTask {
        id,
        session_id: SessionId::new(&SystemIds),
        principal: Principal::operator(),
        turn: Turn::text(SessionKey::of(&AgentId::main(), &name), "What is the capital of France?"),
        lane: Lane::Standard,
        priority: Priority::NORMAL,
        label: None,
        on_crash: OnCrash::Fail,
        attempts_max: 3,
        callback: None,
        idempotency: None,
        steers: false,
        begin,
        at: AT,
    };
    let submitted = store.submit(new).await;
    match way {
        Way::Submit => drop(submitted.await.expect("submits")),
        Way::Attached => drop(store.finish(finish(id).into()).await),
        Way::Task => {
            submitted.await.expect("submits");
            let started = store.start(id, 0, AT).await.await.expect("starts");
            assert!(matches!(started, Started::Won(_)));
            assert!(store.finish(finish(id).into()).await.await.expect("finishes").accepted);
        }
    }
}

fn finish(id: TaskId) -> Finish {
    let usage = Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() };
    let output = Output {
        text: "The capital of France is Paris.".into(),
        refused_from: None,
        reasoned: Vec::new(),
        asides: Vec::new(),
        tool_calls: Vec::new(),
        finish: FinishReason::Stop,
        usage,
        model: "mock/model".into(),
        answered_by: None,
    };
    let event = |seq, event| std::sync::Arc::new(Sequenced { seq, at: AT, event });
    Finish {
        id,
        attempt: 1,
        outcome: Outcome::Completed(output.clone()),
        messages: vec![Message::assistant(output.text.clone(), Vec::new())],
        steered: Vec::new(),
        events: vec![
            event(1, RunEvent::Started { attempt: 1, model: "mock/model".into() }),
            event(2, RunEvent::Text { delta: output.text.to_string() }),
            event(3, RunEvent::Completed { output }),
        ],
        usage,
        has_asked: false,
        model: "mock/model".into(),
        at: AT,
    }
}

/// CPU time of this process, all threads, in steps of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap_or(0)).sum();
    Duration::from_millis(ticks * 10)
}

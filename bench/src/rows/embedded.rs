//! The control plane while the embedded model computes on every core.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Bench, Found};
use crate::client::{Call, Connection};
use crate::load::{self, Until};
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target};

/// The row's name.
pub(super) const ROW: &str = "embedded";
/// Generations at the same time; the second waits, so that the model never rests.
const GENERATIONS: usize = 2;
const CALLS: usize = 300;
/// The model is loaded and computes by then.
const WARM_UP: Duration = Duration::from_secs(5);

/// The model file: named by the environment, or the first in the data directory.
pub(super) fn model() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("OPENCLAW_TEST_MODEL") {
        return Some(path.into());
    }
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share"));
    let folder = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home)?.join("openclaw/models");
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "gguf"))
}

/// Measures probes and submits beside an endless generation, or says what is missing.
pub(super) async fn measure(bench: &mut Bench) -> Found {
    let Some(model) = model() else {
        return Ok(Err("no model here; `openclaw models pull`, or OPENCLAW_TEST_MODEL=<file.gguf>".to_owned()));
    };
    if !bench.binary.has_embedded {
        let asked = if bench.is_chosen { "" } else { "; `make run` builds it, or ask with --only embedded" };
        return Ok(Err(format!("this binary is without the embedded model{asked}")));
    }
    let cores = std::thread::available_parallelism()?.get();
    let setup = Setup { embedded: Some((model, cores)), ..Setup::default() };
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &setup).await?;
    let Some(name) = served(&mut gateway.target().connect().await?).await? else {
        return Ok(Err("this binary does not serve the embedded model".to_owned()));
    };
    let target = gateway.target();
    let generations: Vec<_> = target
        .connect_many(GENERATIONS)
        .await?
        .into_iter()
        .map(|line| tokio::spawn(generate(line, name.clone())))
        .collect();
    tokio::time::sleep(WARM_UP).await;
    let before = gateway.server.cpu_seconds()?;
    let calls = bench.sized(CALLS, CALLS / 3);
    let health = load::run(&target, 1, Until::Sent(calls), |_| Call::get("/health")).await?;
    let submits = load::run(&target, 1, Until::Sent(calls), |number| product::task("hold", number)).await?;
    let elapsed = health.elapsed + submits.elapsed;
    let busy = (gateway.server.cpu_seconds()? - before) / elapsed.as_secs_f64();
    for generation in generations {
        if generation.is_finished() {
            generation.await?.context("the generation ended")?;
        } else {
            generation.abort();
        }
    }
    Ok(Ok(vec![
        Finding::own(ROW, "/health, p99", health.latency_ms(0.99), "ms", Target::Below(50.0)),
        Finding::own(ROW, "submit, p99", submits.latency_ms(0.99), "ms", Target::Below(50.0)),
        Finding::shown(ROW, "/health, p50", health.latency_ms(0.5), "ms"),
        Finding::shown(ROW, "submit, p50", submits.latency_ms(0.5), "ms"),
        Finding::shown(ROW, "cores busy meanwhile", busy, ""),
        Finding::shown(ROW, "memory with the model", gateway.server.memory_mb()?, "MB"),
    ]))
}

/// The embedded model's name as the gateway lists it.
async fn served(connection: &mut Connection) -> anyhow::Result<Option<String>> {
    let list: Value = serde_json::from_slice(&connection.call(&Call::get("/v1/models")).await?)?;
    let models = list.get("data").and_then(Value::as_array).context("no list of models")?;
    let mut names = models.iter().filter_map(|model| model.get("id").and_then(Value::as_str));
    // The configured file comes after the catalogue's.
    Ok(names.rfind(|name| name.starts_with("embedded/")).map(str::to_owned))
}

/// Asks for long answers, one after the other, until it is aborted.
async fn generate(mut connection: Connection, model: String) -> anyhow::Result<()> {
    let question = json!({"role": "user", "content": "Tell me a long story about a lighthouse."});
    let body = json!({"model": model, "max_tokens": 400, "messages": [question]}).to_string();
    loop {
        connection.call(&Call::post("/v1/chat/completions", body.clone())).await?;
    }
}

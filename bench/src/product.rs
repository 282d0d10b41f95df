//! The gateway: built by cargo, configured for the mock upstream, started as users start it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::client::Call;
use crate::load::Target;
use crate::mock;
use crate::process::Server;

/// The token every request of the driver carries.
pub(crate) const TOKEN: &str = "oc_gw_bench";

/// A gateway binary.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    /// Whether the embedded model is compiled in; unknown of a binary that was named.
    pub(crate) has_embedded: bool,
}

impl Binary {
    /// Uses the binary at `named`, or builds one in the release profile.
    ///
    /// The embedded model's C++ takes minutes: it is built when `embedded` asks for it, or when an
    /// earlier build has it already, and otherwise left out.
    pub(crate) async fn get(named: Option<&Path>, embedded: bool) -> anyhow::Result<Self> {
        if let Some(path) = named {
            return Ok(Self { path: path.to_owned(), has_embedded: true });
        }
        let own = std::env::current_exe()?;
        let folder = own.parent().context("this program is in no folder")?;
        let has_embedded = embedded || has_been_built(&folder.join("build"), "llama-cpp-sys-2-");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--quiet", "-p", "openclaw", "--bin", "openclaw"]);
        if !has_embedded {
            command.arg("--no-default-features");
        }
        if let Some(target) = folder.parent() {
            command.arg("--target-dir").arg(target);
        }
        eprintln!("building openclaw ({} the embedded model) …", if has_embedded { "with" } else { "without" });
        if !command.stdin(Stdio::null()).status().await?.success() {
            bail!("openclaw does not build");
        }
        Ok(Self { path: folder.join("openclaw"), has_embedded })
    }
}

fn has_been_built(folder: &Path, prefix: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
}

/// How one gateway differs from the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// Runs at the same time, where not as shipped.
    pub(crate) runs_max: Option<usize>,
    /// The embedded model's file and threads, where it is to be used.
    pub(crate) embedded: Option<(PathBuf, usize)>,
    /// Further upstreams, asked one after the other where a request names no model.
    pub(crate) chain: Vec<String>,
    /// Whether agents have `session_status` alone, where not every tool as shipped.
    pub(crate) has_few_tools: bool,
    /// Whether conversations stay as long as they are.
    pub(crate) has_no_compaction: bool,
}

/// A running gateway and its state.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) server: Server,
    state: TempDir,
    binary: PathBuf,
}

impl Gateway {
    /// Starts one over an empty state directory; `upstream` is `http://host:port`.
    pub(crate) async fn start(binary: &Binary, upstream: &str, setup: &Setup) -> anyhow::Result<Self> {
        let state = TempDir::with_prefix("openclaw-bench-")?;
        let file = state.path().join("openclaw.json");
        std::fs::write(&file, config(upstream, setup).to_string())?;
        std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let server = start(&binary.path, state.path()).await?;
        Ok(Self { server, state, binary: binary.path.clone() })
    }

    /// Ends it and keeps its state.
    pub(crate) async fn end(self, how: Ending) -> anyhow::Result<Ended> {
        let Self { server, state, binary } = self;
        match how {
            Ending::Stop => server.stop().await?,
            Ending::Kill => server.kill().await?,
        }
        Ok(Ended { state, binary })
    }

    /// Puts a file into the agents' workspace.
    pub(crate) fn give(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let workspace = self.state.path().join("workspace");
        std::fs::create_dir_all(&workspace)?;
        Ok(std::fs::write(workspace.join(name), text)?)
    }

    /// Where to send the load.
    pub(crate) fn target(&self) -> Target {
        Target { address: self.server.address(), token: Some(TOKEN.to_owned()) }
    }
}

/// How a gateway ends before it starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As an operator ends it.
    Stop,
    /// As a crash does.
    Kill,
}

/// A gateway that was ended, and its state.
#[derive(Debug)]
pub(crate) struct Ended {
    state: TempDir,
    binary: PathBuf,
}

impl Ended {
    /// Starts it again.
    pub(crate) async fn start(self) -> anyhow::Result<Gateway> {
        let Self { state, binary } = self;
        let server = start(&binary, state.path()).await?;
        Ok(Gateway { server, state, binary })
    }
}

async fn start(binary: &Path, state: &Path) -> anyhow::Result<Server> {
    let errors = std::fs::OpenOptions::new().create(true).append(true).open(state.join("stderr"))?;
    let mut command = Command::new(binary);
    command
        .args(["gateway", "start", "--port", "0"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", state)
        .env("OPENCLAW_STATE_DIR", state)
        .stdin(Stdio::null())
        .stderr(Stdio::from(errors));
    let said = || std::fs::read_to_string(state.join("stderr")).unwrap_or_default();
    Server::start(command).await.with_context(|| format!("cannot start the gateway: {}", said()))
}

/// Everything as shipped, but for the model, the token, and no limit on how often one caller may ask.
fn config(upstream: &str, setup: &Setup) -> serde_json::Value {
    let Setup { runs_max, embedded, chain, has_few_tools, has_no_compaction } = setup;
    let models = ["instant", "hold", mock::PACED, "read-small", "read-small-hold", "read-large-hold"];
    let models = models.map(|id| json!({ "id": id }));
    let own = ("mock".to_owned(), json!({"baseUrl": format!("{upstream}/v1"), "models": models}));
    let chained = chain.iter().enumerate().map(|(number, upstream)| {
        let models = [json!({"id": "instant"})];
        (format!("chain-{number}"), json!({"baseUrl": format!("{upstream}/v1"), "models": models}))
    });
    let providers: serde_json::Map<String, serde_json::Value> = std::iter::once(own).chain(chained).collect();
    let mut config = json!({
        "gateway": {"auth": {"token": TOKEN}, "limits": {"maxConcurrent": 0, "requestsPerMinute": 0}},
        "models": {"providers": providers},
    });
    let fields = config.as_object_mut().into_iter();
    for object in fields {
        if let Some(runs) = runs_max {
            object.insert("workers".into(), json!({"maxConcurrent": runs}));
        }
        if *has_few_tools {
            object.insert("tools".into(), json!({"profile": "minimal"}));
        }
        if let Some((path, threads)) = embedded {
            object.insert("embedded".into(), json!({"path": path, "threads": threads}));
        }
        let mut defaults = serde_json::Map::new();
        if let Some(last) = chain.len().checked_sub(1) {
            let fallbacks: Vec<String> = (1..=last).map(|number| format!("chain-{number}/instant")).collect();
            defaults.insert("model".into(), json!({"primary": "chain-0/instant", "fallbacks": fallbacks}));
        }
        if *has_no_compaction {
            defaults.insert("compaction".into(), json!({"mode": "off"}));
        }
        if !defaults.is_empty() {
            object.insert("agents".into(), json!({"defaults": defaults}));
        }
    }
    config
}

/// An instant chat completion of whatever model the default agent uses.
pub(crate) fn chat_with_default() -> Call {
    let body =
        json!({"model": "openclaw", "messages": [{"role": "user", "content": "What is the capital of France?"}]});
    Call::post("/v1/chat/completions", body.to_string())
}

/// A chat completion of the mock's `model`, for the gateway and the bare proxy alike.
pub(crate) fn chat(model: &str, stream: bool) -> Call {
    let body = json!({
        "model": format!("mock/{model}"),
        "stream": stream,
        "messages": [
            {"role": "system", "content": "You answer in one sentence."},
            {"role": "user", "content": "What is the capital of France?"},
        ],
    });
    Call::post("/v1/chat/completions", body.to_string())
}

/// What stands once in each piece of a streamed response, and nowhere else.
pub(crate) const DELTA: &str = "\"delta\":\"tok ";

/// A streamed response of the mock's `model`, of the same conversation.
pub(crate) fn response(model: &str) -> Call {
    let body = json!({
        "model": format!("mock/{model}"),
        "stream": true,
        "instructions": "You answer in one sentence.",
        "input": "What is the capital of France?",
    });
    Call::post("/v1/responses", body.to_string())
}

/// What a user says in so many bytes, in the one conversation that is theirs.
pub(crate) fn said_by(user: &str, bytes: usize) -> Call {
    let messages = [json!({"role": "user", "content": "word ".repeat(bytes / 5)})];
    let body = json!({"model": "mock/instant", "user": user, "messages": messages});
    Call::post("/v1/chat/completions", body.to_string())
}

/// A chat completion whose body has so many bytes.
pub(crate) fn long_chat(model: &str, bytes: usize) -> Call {
    let body = |text: &str| json!({"model": format!("mock/{model}"), "messages": [{"role": "user", "content": text}]});
    let around = body("").to_string().len();
    Call::post("/v1/chat/completions", body(&"word ".repeat(bytes.saturating_sub(around) / 5)).to_string())
}

/// Task number `number` of the mock's `model`, in a session of its own.
pub(crate) fn task(model: &str, number: usize) -> Call {
    let input = json!({"message": "hello", "sessionKey": format!("bench-{number}"), "model": format!("mock/{model}")});
    Call::post("/v2/tasks", json!({"type": "agent", "input": input}).to_string())
}

//! A workspace, the tools over it, and a look at what runs on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use claw_core::audit::Ledger;
use claw_core::message::JsonText;
use claw_core::provenance::Provenance;
use claw_core::provider::Usage;
use claw_core::tool::{RunFacts, Tool, ToolContext};
use claw_core::{AgentId, Principal, SessionKey};
use claw_runtime::TaskScope;
use claw_tools::exec::{self, Ask, Followed, Launcher, Processes, Security, Settings};
use claw_tools::sandbox::Walls;
use claw_tools::{Rooms, Workspaces};
use tempfile::TempDir;

pub(crate) struct Desk {
    pub(crate) home: TempDir,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) scope: TaskScope,
    pub(crate) provenance: Arc<dyn Provenance>,
}

pub(crate) fn full() -> Settings {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_claw-sandbox"));
    let launcher = Some(Launcher { program, argument: None, walls: Walls::Whole });
    Settings {
        security: Security::Full,
        allowlist: Vec::new(),
        ask: Ask::Off,
        network: false,
        memory_bytes: 1 << 30,
        timeout: Duration::from_mins(2),
        timeout_max: Duration::from_mins(30),
        launcher,
    }
}

/// The same without walls.
pub(crate) fn bare() -> Settings {
    let launcher = full().launcher.map(|launcher| Launcher { walls: Walls::None, ..launcher });
    Settings { launcher, ..full() }
}

pub(crate) fn context(session: &str) -> ToolContext {
    let agent = AgentId::main();
    let session = SessionKey::of(&agent, session);
    let (usage, model) = (Usage::default(), "m/m".into());
    ToolContext {
        principal: Principal::operator(),
        agent,
        session,
        model,
        usage,
        message_count: 0,
        approved: None,
        run: RunFacts::default(),
    }
}

impl Desk {
    pub(crate) fn new(settings: Settings) -> Self {
        // Not below /tmp, which the box covers.
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")), settings)
    }

    pub(crate) fn below(base: &Path, settings: Settings) -> Self {
        Self::over(base, settings, Arc::new(()), &(Arc::new(()) as Arc<dyn Provenance>))
    }

    /// What runs is written down there.
    pub(crate) fn written_down(settings: Settings, ledger: Arc<dyn Ledger>) -> Self {
        let nobody: Arc<dyn Provenance> = Arc::new(());
        Self::over(Path::new(env!("CARGO_TARGET_TMPDIR")), settings, ledger, &nobody)
    }

    /// Which files hold strangers' words is noted there.
    pub(crate) fn noting(settings: Settings, provenance: &Arc<dyn Provenance>) -> Self {
        Self::over(Path::new(env!("CARGO_TARGET_TMPDIR")), settings, Arc::new(()), provenance)
    }

    fn over(base: &Path, settings: Settings, ledger: Arc<dyn Ledger>, provenance: &Arc<dyn Provenance>) -> Self {
        let home = TempDir::new_in(base).unwrap();
        let at = |name: &str| home.path().join(name);
        let workspaces = Workspaces { default: at("workspace"), agents: Vec::new(), api_keys: at("keys") };
        std::fs::create_dir(at("workspace")).unwrap();
        std::fs::write(at("secret"), "outside").unwrap();
        let scope = TaskScope::new();
        let (processes, rooms) = (Processes::new(scope.clone()), Rooms::new(8 << 20));
        let skills: Arc<dyn claw_core::skill::Skills> = Arc::new(());
        let (workspaces, followed) = (Arc::new(workspaces), Followed::new(Arc::clone(provenance), processes.clone()));
        let provenance: Arc<dyn Provenance> = Arc::new(followed);
        let mut tools = exec::tools(&workspaces, settings, &processes, (&provenance, &ledger), &rooms, &skills);
        tools.extend(claw_tools::files::tools(&workspaces, &provenance, &rooms, &processes));
        Self { home, tools, scope, provenance }
    }

    pub(crate) async fn call(&self, name: &str, session: &str, arguments: serde_json::Value) -> Result<String, String> {
        let tool = self.tools.iter().find(|tool| tool.spec().name == name).unwrap();
        let given = JsonText::new(arguments.to_string());
        tool.call(&context(session), &given).await.map_err(|error| error.to_string())
    }

    pub(crate) async fn run(&self, command: &str) -> Result<String, String> {
        self.call("exec", "s", serde_json::json!({ "command": command })).await
    }

    /// What commands have made in the workspace: a measured build's own programs leave their coverage where they run.
    pub(crate) fn made(&self) -> Vec<String> {
        let there = std::fs::read_dir(self.file("workspace")).unwrap().flatten();
        let names = there.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".profraw")).collect()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

/// Whether a process with this word among its arguments lives.
pub(crate) fn lives(word: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|part| part == word.as_bytes())
    })
}

pub(crate) async fn gone(word: &str) -> bool {
    let begun = Instant::now();
    while lives(word) {
        if begun.elapsed() > Duration::from_secs(10) {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

//! `exec` and `process`: commands, in a sandbox, under a policy that denies unless told otherwise.
//!
//! Call → `rules` (may this run, and as what exactly) → `plan` (the whole of it, for whoever is asked) → `child` (one process group, its output
//! bounded, killed when whoever waits is gone) inside [`crate::sandbox`]. A shell's text is never
//! judged: an allowlist permits programs that are started without a shell (advisory 57). The
//! environment is built from nothing (62).

mod background;
mod child;
mod output;
mod plan;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claw_core::approval::{Plan, Verdict};
use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolContext, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub use background::Processes;
pub use child::PATH;
pub use rules::{Ask, Launcher, Security, Settings};

use crate::arguments;
use crate::limits::{COMMAND_BYTES_MAX, TIMEOUT_DEFAULT, TIMEOUT_MAX};
use crate::workspace::Workspaces;

/// What `exec` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exec {
    /// The command.
    #[serde(alias = "cmd")]
    command: String,
    /// Where it runs, relative to the workspace.
    #[serde(default, alias = "workdir")]
    cwd: Option<String>,
    /// Further variables of its environment.
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
    /// Seconds after which it is killed.
    #[serde(default, alias = "timeoutSeconds")]
    timeout: Option<u64>,
    /// Whether it goes on in the background; look after it with `process`.
    #[serde(default)]
    background: bool,
}

/// What `process` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Process {
    /// `list`, `poll` (what it has said since, and whether it has ended) or `kill`.
    action: Action,
    /// Which, as `exec` said.
    #[serde(default)]
    id: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    List,
    Poll,
    Kill,
}

struct ExecTool {
    workspaces: Arc<Workspaces>,
    settings: Settings,
    processes: Processes,
}

struct ProcessTool(Processes);

/// The tools that run commands.
pub fn tools(workspaces: &Arc<Workspaces>, settings: Settings, processes: &Processes) -> Vec<Arc<dyn Tool>> {
    let exec = ExecTool { workspaces: Arc::clone(workspaces), settings, processes: processes.clone() };
    vec![Arc::new(exec), Arc::new(ProcessTool(processes.clone()))]
}

#[async_trait]
impl Tool for ExecTool {
    fn spec(&self) -> ToolSpec {
        let network = if self.settings.network { "with" } else { "without" };
        ToolSpec {
            name: "exec".into(),
            description: format!("Runs a command in the workspace, {network} network; shows its output and exit code."),
            parameters: arguments::schema::<Exec>(),
        }
    }

    fn is_idempotent(&self) -> bool {
        false
    }

    async fn plan(&self, context: &ToolContext, given: &JsonText) -> Result<Plan, ToolError> {
        let (plan, _, asks) = self.prepare(context, given).await?;
        let exact = plan::exactly(plan, given.clone()).await?;
        let verdict = if asks { Verdict::Ask } else { Verdict::Allow };
        Ok(Plan { verdict, acts: true, shown: Some(exact.shown), digest: exact.digest })
    }

    async fn call(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let (plan, Exec { command, timeout, background, .. }, asks) = self.prepare(context, given).await?;
        if asks || context.approved.is_some() {
            plan::require_approved(&plan, given, context.approved).await?;
        }
        if background {
            let id = self.processes.start(context, command, plan)?;
            return Ok(format!("[runs in the background as {id}; see `process`]"));
        }
        let limit = timeout.map_or(TIMEOUT_DEFAULT, Duration::from_secs).clamp(Duration::from_secs(1), TIMEOUT_MAX);
        let mut child = child::Child::start(&plan)?;
        let ended = tokio::time::timeout(limit, child.ended()).await;
        let text = child.output().take();
        match ended {
            Ok(0) => Ok(if text.is_empty() { "[it said nothing]".into() } else { text }),
            Ok(code) => Err(ToolError::Failed(format!("{text}\n[exit code {code}]"))),
            Err(_elapsed) => Err(ToolError::Failed(format!("{text}\n[killed after {} s]", limit.as_secs()))),
        }
    }
}

/// Where a command runs: the workspace's root, and a directory in it.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(crate) root: PathBuf,
    pub(crate) cwd: PathBuf,
}

impl ExecTool {
    /// What a call comes to, and whether somebody has to be asked for it.
    async fn prepare(&self, context: &ToolContext, given: &JsonText) -> Result<(child::Plan, Exec, bool), ToolError> {
        let mut asked: Exec = arguments::parse(given)?;
        if asked.command.len() > COMMAND_BYTES_MAX || asked.command.contains('\0') {
            return Err(ToolError::Arguments(format!(
                "command: must be at most {COMMAND_BYTES_MAX} bytes without NUL"
            )));
        }
        let rules::Judged { argv, asks } = rules::judge(&self.settings, &asked.command, &asked.env)?;
        let directory = self.directory(context, asked.cwd.take().unwrap_or_else(|| ".".into())).await?;
        let env = std::mem::take(&mut asked.env).into_iter().collect();
        Ok((child::Plan { argv, env, directory, settings: self.settings.clone() }, asked, asks))
    }

    async fn directory(&self, context: &ToolContext, cwd: String) -> Result<Directory, ToolError> {
        let (workspaces, context) = (Arc::clone(&self.workspaces), context.clone());
        let look = move || {
            let workspace = workspaces.open(&context)?;
            let relative = workspace.relative(&cwd)?;
            let opened = workspace.dir().open_dir(&relative);
            opened.map_err(|error| crate::workspace::explain("run in", &cwd, &error))?;
            let root = workspaces.path(&context)?;
            Ok(Directory { cwd: root.join(relative), root })
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|died| Err(ToolError::Failed(died.to_string())))
    }
}

#[async_trait]
impl Tool for ProcessTool {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "process".into(),
            description: "Lists, polls and kills commands that run in the background.".into(),
            parameters: arguments::schema::<Process>(),
        }
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn call(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let Process { action, id } = arguments::parse(given)?;
        let id = || id.ok_or_else(|| ToolError::Arguments("id: is missing".into()));
        match action {
            Action::List => Ok(self.0.list(context)),
            Action::Poll => self.0.poll(context, id()?).await,
            Action::Kill => self.0.kill(context, id()?).await,
        }
    }
}

//! `exec` and `process`: commands, in a sandbox, under a policy that denies unless told otherwise.
//!
//! Call → `rules` (may this run, and as what exactly) → `plan` (the whole of it, for whoever is asked) →
//! `child` (one process group, its output bounded and heard as it comes, killed when whoever waits is
//! gone) inside [`crate::sandbox`], written down before it begins and when it has ended (`ledger`). A shell's text is never
//! judged: an allowlist permits programs that are started without a shell (advisory 57). The
//! environment is built from nothing (62).

mod background;
mod carried;
mod child;
mod hearing;
mod leave;
mod ledger;
mod output;
mod plain;
mod plan;
mod process;
mod reach;
mod rules;
mod running;
mod spoken;
mod veil;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claw_core::approval::{Plan, Verdict};
use claw_core::audit::Ledger;
use claw_core::message::JsonText;
use claw_core::provenance::Provenance;
use claw_core::provider::ToolSpec;
use claw_core::skill::{Skills, Variable};
use claw_core::tool::{Tool, ToolContext, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use background::Start;
use carried::{Carried, Which};
use hearing::Hearing;
use process::ProcessTool;

pub use background::Processes;
pub use child::PATH;
pub use leave::Started;
pub use rules::{Ask, Launcher, Security, Settings};
pub use running::Followed;

use crate::arguments;
use crate::limits::{CALL_BESIDE, COMMAND_BYTES_MAX, COMMAND_FILE_BYTES_MAX, YIELD_MAX};
use crate::room::{Room, Rooms};
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
    env: BTreeMap<String, String>,
    /// Seconds after which it is killed; 0 for as long as any may take.
    #[serde(default, alias = "timeoutSeconds")]
    timeout: Option<u64>,
    /// Whether it goes on in the background; look after it with `process`.
    #[serde(default)]
    background: bool,
    /// Whether it gets a terminal, for programs that want one.
    #[serde(default)]
    pty: bool,
    /// Milliseconds after which it goes on in the background if it has not ended.
    #[serde(default, rename = "yieldMs")]
    yield_ms: Option<u64>,
    /// Whether it needs the network (to clone, install, download). What it brings from there are strangers' words.
    #[serde(default)]
    network: bool,
}

struct ExecTool {
    workspaces: Arc<Workspaces>,
    rooms: Rooms,
    settings: Settings,
    processes: Processes,
    provenance: Arc<dyn Provenance>,
    hearing: Hearing,
    ledger: Arc<dyn Ledger>,
    skills: Arc<dyn Skills>,
}

/// The tools that run commands, as far as there is room for what they write; `provenance` knows which files hold
/// strangers' words, `skills` what commands are given for skills, and no command runs that `ledger` cannot write down.
pub fn tools(
    workspaces: &Arc<Workspaces>,
    settings: Settings,
    processes: &Processes,
    (provenance, ledger): (&Arc<dyn Provenance>, &Arc<dyn Ledger>),
    rooms: &Rooms,
    skills: &Arc<dyn Skills>,
) -> Vec<Arc<dyn Tool>> {
    let (workspaces, provenance, rooms) = (Arc::clone(workspaces), Arc::clone(provenance), rooms.clone());
    let (processes, ledger, skills) = (processes.clone(), Arc::clone(ledger), Arc::clone(skills));
    let hearing = Hearing { workspaces: Arc::clone(&workspaces), provenance: Arc::clone(&provenance) };
    let process = ProcessTool { processes: processes.clone(), hearing: hearing.clone() };
    let exec = ExecTool { workspaces, rooms, settings, processes, provenance, hearing, ledger, skills };
    vec![Arc::new(exec), Arc::new(process)]
}

#[async_trait]
impl Tool for ExecTool {
    fn spec(&self) -> ToolSpec {
        let network = match (self.settings.network, self.settings.holds()) {
            (true, true) => "without network unless `network` is true",
            (true, false) => "with network",
            (false, _) => "without network",
        };
        let (usual, most) = (self.settings.timeout.as_secs(), self.settings.timeout_max.as_secs());
        ToolSpec::new(
            "exec",
            format!(
                "Runs a command in the workspace, {network}; shows its output and exit code. It is killed after \
                 {usual} seconds unless `timeout` says otherwise, and after {most} in any case, as in the background."
            ),
            arguments::schema::<Exec>(),
        )
    }

    fn is_idempotent(&self) -> bool {
        false
    }

    /// It keeps a time of its own, which a call may name.
    fn time_max(&self) -> Option<Duration> {
        Some(self.settings.timeout_max + CALL_BESIDE)
    }

    async fn plan(&self, context: &ToolContext, given: &JsonText) -> Result<Plan, ToolError> {
        let (plan, asked, asks) = self.prepare(context, given).await?;
        self.hearing.command(context, &asked.command, !asked.env.is_empty(), &plan.directory.cwd).await;
        let (verdict, exact) = match (asks, plan::exactly(plan, given.clone()).await) {
            (true, exact) => (Verdict::Ask, exact?),
            (false, Ok(exact)) => (Verdict::Allow, exact),
            // A file too large to be bound, or one that cannot be read: no reason while nobody has to be asked.
            (false, Err(why)) => {
                return Ok(Plan { verdict: Verdict::Unbound(why.to_string()), acts: true, ..Plan::free() });
            }
        };
        Ok(Plan { verdict, acts: true, shown: Some(exact.shown), digest: exact.digest })
    }

    async fn call(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let said = self.run(context, given).await;
        self.hearing.said(context, &said).await;
        said
    }
}

impl ExecTool {
    async fn run(&self, context: &ToolContext, given: &JsonText) -> Result<String, ToolError> {
        let (plan, Exec { command, env, timeout, background, yield_ms, .. }, asks) =
            self.prepare(context, given).await?;
        let has_env = !env.is_empty();
        let started = Started::new(context, &command, env, &plan.settings);
        if !self.processes.may_run(&started) {
            return Err(ToolError::Failed("commands are not permitted any more: the configuration has changed".into()));
        }
        if asks || context.approved.is_some() {
            plan::require_approved(&plan, given, context.approved).await?;
        }
        self.hearing.command(context, &command, has_env, &plan.directory.cwd).await;
        // What comes of the network is written by strangers, whoever has allowed the command.
        let brings = plan.settings.network;
        if brings {
            context.run.strangers.note();
        }
        let carried = self.carried(context, &plan.directory.root, brings).await?;
        let runs = self.processes.running().enter(&command, &plan.directory.root, carried.as_ref());
        let ending = ledger::begin(&self.ledger, context, &plan).await?;
        let wait = yield_ms.map(Duration::from_millis).or(background.then_some(Duration::ZERO));
        let most = self.settings.timeout_max;
        let limit = timeout.map(|seconds| if seconds == 0 { most } else { Duration::from_secs(seconds).min(most) });
        if let Some(wait) = wait {
            let asks = self.settings.ask != Ask::Off;
            let limit = limit.unwrap_or(most);
            let id =
                self.processes.start(context, Start { command, started, plan, asks, limit, ending, carried, runs })?;
            let ended = self.processes.ended_within(context, id, wait.min(YIELD_MAX)).await?;
            return match ended {
                Some((text, code)) if !background => said(text, code),
                _ => Ok(format!("[runs in the background as {id}; see `process`]")),
            };
        }
        let limit = limit.unwrap_or(self.settings.timeout).min(most);
        let mut child = child::Child::start(&plan, false, context.run.listener.clone())?;
        let output = child.output();
        let (exit, said) = tokio::select! {
            code = child.ended() => (code.to_string(), self.explained(said(output.text(), code), brings)),
            () = self.processes.denied(&started, &output) => {
                ("denied".to_owned(), Err(ToolError::Failed(output.text())))
            }
            () = tokio::time::sleep(limit) => {
                let text = format!("{}\n[killed after {} s]", output.text(), limit.as_secs());
                ("timeout".to_owned(), Err(ToolError::Failed(text)))
            }
        };
        drop(child);
        ending.with(exit);
        if let Some(carried) = carried {
            carried.end().await;
        }
        drop(runs);
        said
    }

    /// With the reason that a model would look for in vain, where one that failed may have wanted the network.
    fn explained(&self, said: Result<String, ToolError>, had_network: bool) -> Result<String, ToolError> {
        match said {
            Err(ToolError::Failed(text)) if self.settings.network && !had_network => {
                Err(ToolError::Failed(format!("{text}\n[it had no network, which `network: true` would give it]")))
            }
            said => said,
        }
    }
}

/// What a command that has ended comes to.
fn said(text: String, code: i32) -> Result<String, ToolError> {
    match code {
        0 => Ok(if text.is_empty() { "[it said nothing]".into() } else { text }),
        code => Err(ToolError::Failed(format!("{text}\n[exit code {code}]"))),
    }
}

/// Where a command runs: the workspace's root, and a directory in it.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(crate) root: PathBuf,
    pub(crate) cwd: PathBuf,
    /// Largest file that may be written there.
    pub(crate) file_bytes_max: u64,
    /// Where there is a limit to what may lie in it.
    pub(crate) room: Option<Arc<Room>>,
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
        let most = self.settings.timeout_max.as_secs();
        if asked.timeout.is_some_and(|seconds| seconds > most) {
            return Err(ToolError::Arguments(format!("timeout: must be at most {most}; nothing runs longer")));
        }
        let rules::Judged { argv, asks } = rules::judge(&self.settings, &asked.command, &asked.env)?;
        let directory = self.directory(context, asked.cwd.take().unwrap_or_else(|| ".".into())).await?;
        let env = asked.env.clone().into_iter().collect();
        let variables = self.variables(context, &asked.env).await;
        let settings = self.settings_for(&asked)?;
        Ok((child::Plan { argv, env, variables, directory, tty: asked.pty, settings }, asked, asks))
    }

    /// With the network only for what asks for it, where that can be held. Errors: it asks, and there is none.
    fn settings_for(&self, asked: &Exec) -> Result<Settings, ToolError> {
        let permitted = self.settings.network;
        if asked.network && !permitted {
            let why = "network: commands have none here; the operator can give it to them: tools.exec.network";
            return Err(ToolError::Failed(why.into()));
        }
        let network = permitted && (asked.network || !self.settings.holds());
        Ok(Settings { network, ..self.settings.clone() })
    }

    /// What a command is given for the skills of its run and the call does not set itself: only where the operator
    /// works, and nobody outside has set that off.
    async fn variables(&self, context: &ToolContext, set: &BTreeMap<String, String>) -> Vec<Variable> {
        if !context.principal.id.is_operator() || context.run.origin.is_hook() {
            return Vec::new();
        }
        let mut variables = self.skills.variables(&context.agent, &context.principal).await;
        variables.retain(|Variable { name, .. }| !set.contains_key(name) && !child::OWN.contains(&name.as_str()));
        variables
    }

    /// The workspace as it is, where strangers were heard, or their words lie in it, and nobody has allowed the command,
    /// or it `brings` their words itself: what it changes then may hold them.
    ///
    /// Errors: it cannot be followed, and that cannot be noted.
    async fn carried(&self, context: &ToolContext, root: &Path, brings: bool) -> Result<Option<Carried>, ToolError> {
        let has_heard = context.run.untrusted || context.run.strangers.are_noted();
        let which = if has_heard { Which::All } else { Which::Told };
        if context.approved.is_some() && !brings || !has_heard && !self.hearing.is_anything_noted(root).await {
            return Ok(None);
        }
        let (provenance, scope) = (Arc::clone(&self.provenance), self.processes.scope());
        let why = match Carried::begin(root.to_owned(), which, provenance, scope).await {
            Ok(carried) => return Ok(Some(carried)),
            Err(why) => why,
        };
        tracing::warn!(
            "{} counts as written by strangers until the operator trusts it (`openclaw tools trust`), since it cannot be followed: {why}",
            root.display()
        );
        let noted = carried::note_all(root, &*self.provenance).await;
        noted.map_err(|why| ToolError::Failed(format!("nothing runs, because it cannot be noted: {why}")))?;
        Ok(None)
    }

    async fn directory(&self, context: &ToolContext, cwd: String) -> Result<Directory, ToolError> {
        let (workspaces, rooms, context) = (Arc::clone(&self.workspaces), self.rooms.clone(), context.clone());
        let look = move || {
            let workspace = workspaces.open(&context, &rooms)?;
            let relative = workspace.relative(&cwd)?;
            let opened = workspace.dir().open_dir(&relative);
            opened.map_err(|error| crate::workspace::explain("run in", &cwd, &error))?;
            let root = workspaces.path(&context)?;
            let room = workspace.room().cloned();
            let file_bytes_max = match &room {
                Some(room) => room.file_bytes_max().map_err(ToolError::Failed)?.min(COMMAND_FILE_BYTES_MAX),
                None => COMMAND_FILE_BYTES_MAX,
            };
            Ok(Directory { cwd: root.join(relative), root, file_bytes_max, room })
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|died| Err(ToolError::Failed(died.to_string())))
    }
}

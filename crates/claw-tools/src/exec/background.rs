//! Commands that go on while the model does something else. Each belongs to the conversation that
//! started it, and to nobody else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claw_core::PrincipalId;
use claw_core::session::SessionKey;
use claw_core::tool::{ToolContext, ToolError};
use claw_runtime::TaskScope;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::child::{Child, Plan};
use super::output::Output;
use crate::limits::{BACKGROUND_MAX, POLL_WAIT, TIMEOUT_MAX};

/// The commands in the background. Clones share them.
#[derive(Clone)]
pub struct Processes {
    scope: TaskScope,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    last: u32,
    entries: BTreeMap<u32, Entry>,
}

#[derive(Clone)]
struct Entry {
    owner: (PrincipalId, SessionKey),
    command: String,
    output: Output,
    /// The exit code, once there is one.
    ended: watch::Receiver<Option<i32>>,
    kill: CancellationToken,
}

impl Processes {
    /// None yet; they end with `scope`.
    pub fn new(scope: TaskScope) -> Self {
        Self { scope, table: Arc::default() }
    }

    pub(super) fn start(&self, context: &ToolContext, command: String, plan: Plan) -> Result<u32, ToolError> {
        let mut table = self.table();
        if table.entries.len() >= BACKGROUND_MAX {
            table.entries.retain(|_, entry| entry.ended.borrow().is_none());
        }
        if table.entries.len() >= BACKGROUND_MAX {
            return Err(ToolError::Failed(format!("{BACKGROUND_MAX} commands run in the background already")));
        }
        let mut child = Child::start(&plan)?;
        let (tell, ended) = watch::channel(None);
        let kill = CancellationToken::new();
        let (output, stop) = (child.output(), kill.clone());
        drop(self.scope.spawn(move |closing| async move {
            let code = tokio::select! {
                code = child.ended() => code,
                () = stop.cancelled() => -1,
                () = closing.cancelled() => -1,
                () = tokio::time::sleep(TIMEOUT_MAX) => -1,
            };
            drop(child);
            tell.send_replace(Some(code));
        }));
        table.last += 1;
        let id = table.last;
        table.entries.insert(id, Entry { owner: owner(context), command, output, ended, kill });
        Ok(id)
    }

    pub(super) fn list(&self, context: &ToolContext) -> String {
        let mut text = String::new();
        for (id, entry) in self.table().entries.iter().filter(|(_, entry)| entry.owner == owner(context)) {
            let state = entry.state();
            let _infallible = writeln!(text, "{id} {state}: {}", entry.command.lines().next().unwrap_or_default());
        }
        if text.is_empty() { "[nothing runs in the background]".into() } else { text }
    }

    /// Waits a little for the end, then says what there is.
    pub(super) async fn poll(&self, context: &ToolContext, id: u32) -> Result<String, ToolError> {
        let mut entry = self.entry(context, id)?;
        entry.wait().await;
        Ok(format!("{}\n[{}]", entry.output.take(), entry.state()))
    }

    pub(super) async fn kill(&self, context: &ToolContext, id: u32) -> Result<String, ToolError> {
        let mut entry = self.entry(context, id)?;
        entry.kill.cancel();
        entry.wait().await;
        Ok(format!("{}\n[{}]", entry.output.take(), entry.state()))
    }

    fn entry(&self, context: &ToolContext, id: u32) -> Result<Entry, ToolError> {
        let found = self.table().entries.get(&id).filter(|entry| entry.owner == owner(context)).cloned();
        found.ok_or_else(|| ToolError::Failed(format!("there is no command {id} in the background")))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    async fn wait(&mut self) {
        let _ended_or_not = tokio::time::timeout(POLL_WAIT, self.ended.wait_for(Option::is_some)).await;
    }

    fn state(&self) -> String {
        match *self.ended.borrow() {
            None => "running".into(),
            Some(-1) => "killed".into(),
            Some(code) => format!("ended with exit code {code}"),
        }
    }
}

fn owner(context: &ToolContext) -> (PrincipalId, SessionKey) {
    (context.principal.id.clone(), context.session.clone())
}

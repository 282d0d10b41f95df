//! Commands that go on while the model does something else. Each belongs to the conversation that
//! started it, and to nobody else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claw_core::PrincipalId;
use claw_core::session::SessionKey;
use claw_core::tool::{ToolContext, ToolError};
use claw_runtime::TaskScope;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::carried::Carried;
use super::child::{self, Child, Input, Plan};
use super::leave::{Leave, Started};
use super::ledger::Ending;
use super::output::Output;
use super::running::{Running, Runs};
use crate::limits::{BACKGROUND_ALL_MAX, BACKGROUND_MAX, INPUT_WAIT, LOG_LINES_DEFAULT, POLL_WAIT};

/// The commands in the background. Clones share them.
#[derive(Clone)]
pub struct Processes {
    scope: TaskScope,
    leave: Leave,
    running: Running,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    last: u32,
    entries: BTreeMap<u32, Entry>,
}

/// One command in the background.
#[derive(Clone)]
pub(super) struct Entry {
    owner: (PrincipalId, SessionKey),
    pub(super) command: String,
    /// Whether somebody is asked before anything is written to it.
    pub(super) asks: bool,
    /// Whether what it says may be strangers' words.
    pub(super) brings_strangers: bool,
    pub(super) is_terminal: bool,
    output: Output,
    input: Arc<tokio::sync::Mutex<Option<Input>>>,
    /// The exit code, once there is one.
    ended: watch::Receiver<Option<i32>>,
    kill: CancellationToken,
}

/// What is to be started.
pub(super) struct Start {
    pub(super) command: String,
    pub(super) started: Started,
    pub(super) plan: Plan,
    pub(super) asks: bool,
    /// After so long it is killed.
    pub(super) limit: Duration,
    /// Writes its end down.
    pub(super) ending: Ending,
    /// The workspace before it, where what it changes is to be noted.
    pub(super) carried: Option<Carried>,
    /// It runs, as others see.
    pub(super) runs: Runs,
}

impl Table {
    /// For one more of theirs; what has ended goes for it. Nobody takes the place of others.
    fn make_room(&mut self, principal: &PrincipalId) -> Result<(), ToolError> {
        let is_full = |table: &Self| {
            let own = table.entries.values().filter(|entry| entry.owner.0 == *principal).count();
            own >= BACKGROUND_MAX || table.entries.len() >= BACKGROUND_ALL_MAX
        };
        if is_full(self) {
            self.entries.retain(|_, entry| entry.ended.borrow().is_none());
        }
        match is_full(self) {
            true => Err(ToolError::Failed(format!("{BACKGROUND_MAX} commands run in the background already"))),
            false => Ok(()),
        }
    }
}

impl Processes {
    /// None yet; they end with `scope`.
    pub fn new(scope: TaskScope) -> Self {
        Self { scope, leave: Leave::default(), running: Running::default(), table: Arc::default() }
    }

    /// From now on only what `may` says goes on, or is started: what runs and may not is ended, and told why.
    pub fn permit(&self, may: impl Fn(&Started) -> bool + Send + Sync + 'static) {
        self.leave.change(may);
    }

    /// Whatever is left of commands ends with it.
    pub(super) fn scope(&self) -> TaskScope {
        self.scope.clone()
    }

    /// What runs at this moment.
    pub(super) fn running(&self) -> &Running {
        &self.running
    }

    pub(super) fn may_run(&self, started: &Started) -> bool {
        self.leave.is_given(started)
    }

    /// Waits until it may not go on any more, and says so in what it has said. Cancel-safe.
    pub(super) async fn denied(&self, started: &Started, output: &Output) {
        denied(&self.leave, started, output).await;
    }

    pub(super) fn start(&self, context: &ToolContext, start: Start) -> Result<u32, ToolError> {
        let Start { command, started, plan, asks, limit, ending, carried, runs } = start;
        let mut table = self.table();
        table.make_room(&context.principal.id)?;
        let mut child = Child::start(&plan, true, context.run.listener.clone())?;
        let (tell, ended) = watch::channel(None);
        let kill = CancellationToken::new();
        let (output, stop, input) = (child.output(), kill.clone(), Arc::new(tokio::sync::Mutex::new(child.input())));
        let (leave, said) = (self.leave.clone(), child.output());
        drop(self.scope.spawn(move |closing| async move {
            let killed = || (-1, "killed".to_owned());
            let (code, exit) = tokio::select! {
                code = child.ended() => (code, code.to_string()),
                () = denied(&leave, &started, &said) => killed(),
                () = stop.cancelled() => killed(),
                () = closing.cancelled() => killed(),
                () = tokio::time::sleep(limit) => {
                    said.add(format!("\n[killed after {} s: its time was over]\n", limit.as_secs()).as_bytes());
                    (-1, "timeout".to_owned())
                }
            };
            drop(child);
            ending.with(exit);
            if let Some(carried) = carried {
                carried.end().await;
            }
            drop(runs);
            tell.send_replace(Some(code));
        }));
        table.last += 1;
        let id = table.last;
        let (owner, is_terminal) = (owner(context), plan.tty);
        let brings_strangers = plan.settings.network || context.run.untrusted || context.run.strangers.are_noted();
        table
            .entries
            .insert(id, Entry { owner, command, asks, brings_strangers, is_terminal, output, input, ended, kill });
        Ok(id)
    }

    /// Waits for its end, at most so long, and takes it off the table if it came: its text and exit
    /// code. Cancel-safe: dropped while it waits, it ends the command, of which nobody knows yet.
    pub(super) async fn ended_within(
        &self,
        context: &ToolContext,
        id: u32,
        wait: Duration,
    ) -> Result<Option<(String, i32)>, ToolError> {
        let mut entry = self.entry(context, id)?;
        let unheard = entry.kill.clone().drop_guard();
        drop(tokio::time::timeout(wait, entry.ended.wait_for(Option::is_some)).await);
        drop(unheard.disarm());
        let code = *entry.ended.borrow();
        Ok(code.map(|code| {
            self.table().entries.remove(&id);
            (entry.output.text(), code)
        }))
    }

    pub(super) fn list(&self, context: &ToolContext) -> String {
        let mut text = String::new();
        for (id, entry) in self.table().entries.iter().filter(|(_, entry)| entry.owner == owner(context)) {
            let state = entry.state();
            let _infallible = writeln!(text, "{id} {state}: {}", entry.command.lines().next().unwrap_or_default());
        }
        if text.is_empty() { "[nothing runs in the background]".into() } else { text }
    }

    /// Waits so long for the end, then says what is new. Cancel-safe.
    pub(super) async fn poll(&self, context: &ToolContext, id: u32, wait: Duration) -> Result<String, ToolError> {
        let mut entry = self.entry(context, id)?;
        entry.wait(wait).await;
        Ok(format!("{}\n[{}]", entry.output.news(), entry.state()))
    }

    /// Lines of what it has said, the last ones unless `offset` names the first, from 1.
    pub(super) fn log(
        &self,
        context: &ToolContext,
        id: u32,
        offset: Option<usize>,
        limit: Option<usize>,
    ) -> Result<String, ToolError> {
        let entry = self.entry(context, id)?;
        let text = entry.output.text();
        let lines: Vec<&str> = text.lines().collect();
        let limit = limit.unwrap_or(LOG_LINES_DEFAULT).max(1);
        let first = offset.map_or(lines.len().saturating_sub(limit), |offset| offset.saturating_sub(1));
        let shown: Vec<&str> = lines.iter().copied().skip(first).take(limit).collect();
        let range = format!("lines {} to {} of {}", first + 1, first + shown.len(), lines.len());
        Ok(format!("{}\n[{range}; {}]", shown.join("\n"), entry.state()))
    }

    /// Writes to it, and closes what it reads from after that if it `is_last`.
    pub(super) async fn write(
        &self,
        context: &ToolContext,
        id: u32,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<String, ToolError> {
        let entry = self.entry(context, id)?;
        let failed = |why: &str| ToolError::Failed(format!("cannot write to command {id}: {why}"));
        let written = tokio::time::timeout(INPUT_WAIT, async {
            let mut place = entry.input.lock().await;
            let input = place.as_mut().ok_or_else(|| failed("its input is closed"))?;
            child::write(input, bytes).await.map_err(|error| failed(&error.to_string()))?;
            match (is_last, entry.is_terminal) {
                (false, _) => {}
                // A terminal stays open: it is told that nothing more comes.
                (true, true) => child::write(input, &[4]).await.map_err(|error| failed(&error.to_string()))?,
                (true, false) => *place = None,
            }
            Ok(format!("[wrote {} bytes; {}]", bytes.len(), entry.state()))
        });
        written.await.unwrap_or_else(|_elapsed| Err(failed("it does not read")))
    }

    pub(super) async fn kill(&self, context: &ToolContext, id: u32) -> Result<String, ToolError> {
        let mut entry = self.entry(context, id)?;
        entry.kill.cancel();
        entry.wait(POLL_WAIT).await;
        Ok(format!("{}\n[{}]", entry.output.news(), entry.state()))
    }

    /// Forgets what has ended; one that runs is killed first if it may be.
    pub(super) async fn clear(
        &self,
        context: &ToolContext,
        id: Option<u32>,
        may_kill: bool,
    ) -> Result<String, ToolError> {
        let own = owner(context);
        if let Some(id) = id {
            let entry = self.entry(context, id)?;
            match (entry.ended.borrow().is_some(), may_kill) {
                (true, _) => {}
                (false, true) => entry.kill.cancel(),
                (false, false) => return Err(ToolError::Failed(format!("command {id} runs; kill it first"))),
            }
        }
        let mut table = self.table();
        let before = table.entries.len();
        table.entries.retain(|known, entry| match id {
            Some(id) => *known != id,
            None => entry.owner != own || entry.ended.borrow().is_none(),
        });
        Ok(format!("[{} forgotten]", before - table.entries.len()))
    }

    pub(super) fn entry(&self, context: &ToolContext, id: u32) -> Result<Entry, ToolError> {
        let found = self.table().entries.get(&id).filter(|entry| entry.owner == owner(context)).cloned();
        found.ok_or_else(|| ToolError::Failed(format!("there is no command {id} in the background")))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    async fn wait(&mut self, at_most: Duration) {
        let _ended_or_not = tokio::time::timeout(at_most, self.ended.wait_for(Option::is_some)).await;
    }

    fn state(&self) -> String {
        match *self.ended.borrow() {
            None => "running".into(),
            Some(-1) => "killed".into(),
            Some(code) => format!("ended with exit code {code}"),
        }
    }
}

async fn denied(leave: &Leave, started: &Started, output: &Output) {
    leave.taken_back(started).await;
    output.add(b"\n[killed: the configuration does not permit it any more]\n");
}

fn owner(context: &ToolContext) -> (PrincipalId, SessionKey) {
    (context.principal.id.clone(), context.session.clone())
}

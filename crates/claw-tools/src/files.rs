//! Files of the workspace. Each tool is one struct of arguments and one function over the open
//! workspace; what they share is here.

mod apply_patch;
mod edit;
mod find;
mod grep;
mod heard;
mod ls;
mod read;
mod walk;
mod write;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use claw_core::approval::Plan;
use claw_core::message::JsonText;
use claw_core::provenance::Provenance;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolContext, ToolError};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use self::heard::Heard;
use crate::exec::Processes;
use crate::room::Rooms;
use crate::workspace::{Wanted, Workspace, Workspaces};
use crate::{arguments, briefing};

/// One tool over files.
trait FileTool: DeserializeOwned + JsonSchema + Send + 'static {
    const NAME: &'static str;
    const DESCRIPTION: &'static str;
    /// Whether it changes nothing.
    const READS: bool;

    /// Whether nothing is left of what was in the file before.
    const REPLACES: bool = false;

    /// The files and directories it is about, as they were written.
    fn files(&self) -> Vec<&str>;

    /// Does it. Blocks on the disk.
    fn run(self, workspace: &Workspace) -> Result<String, ToolError>;
}

/// A [`FileTool`] as the agent calls it.
struct Offered<T> {
    workspaces: Arc<Workspaces>,
    provenance: Arc<dyn Provenance>,
    rooms: Rooms,
    processes: Processes,
    parameters: JsonText,
    arguments: std::marker::PhantomData<fn() -> T>,
}

/// The tools over the files of these workspaces, as far as there is room; `provenance` knows which hold strangers'
/// words, `processes` which commands run there.
pub fn tools(
    workspaces: &Arc<Workspaces>,
    provenance: &Arc<dyn Provenance>,
    rooms: &Rooms,
    processes: &Processes,
) -> Vec<Arc<dyn Tool>> {
    vec![
        offered::<read::Read>(workspaces, provenance, rooms, processes),
        offered::<write::Write>(workspaces, provenance, rooms, processes),
        offered::<edit::Edit>(workspaces, provenance, rooms, processes),
        offered::<apply_patch::ApplyPatch>(workspaces, provenance, rooms, processes),
        offered::<ls::Ls>(workspaces, provenance, rooms, processes),
        offered::<grep::Grep>(workspaces, provenance, rooms, processes),
        offered::<find::Find>(workspaces, provenance, rooms, processes),
    ]
}

fn offered<T: FileTool>(
    workspaces: &Arc<Workspaces>,
    provenance: &Arc<dyn Provenance>,
    rooms: &Rooms,
    processes: &Processes,
) -> Arc<dyn Tool> {
    let (workspaces, provenance) = (Arc::clone(workspaces), Arc::clone(provenance));
    let (rooms, processes) = (rooms.clone(), processes.clone());
    let (parameters, arguments) = (arguments::schema::<T>(), std::marker::PhantomData);
    Arc::new(Offered::<T> { workspaces, provenance, rooms, processes, parameters, arguments })
}

#[async_trait]
impl<T: FileTool> Tool for Offered<T> {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new(T::NAME, T::DESCRIPTION, self.parameters.clone())
    }

    fn is_idempotent(&self) -> bool {
        T::READS
    }

    /// What agents are told before every conversation, and what commands find at home, is configured by whoever writes
    /// it: no less than the configuration itself. Who moves a stranger's file there has heard strangers. And what a command
    /// may take up that runs there already is as good as a command.
    async fn plan(&self, context: &ToolContext, arguments: &JsonText) -> Result<Plan, ToolError> {
        let wanted: T = arguments::parse(arguments)?;
        if T::READS {
            return Ok(Plan::free());
        }
        let processes = self.processes.clone();
        let look = move |workspace: &Workspace| {
            let acts = |path: &&str| {
                briefing::configures(path, workspace) || processes.may_take_up(workspace.root(), Path::new(path))
            };
            let acts = wanted.files().iter().any(acts);
            let written = wanted.files().into_iter().map(str::to_owned).collect();
            Ok((acts, heard::places(workspace, written)))
        };
        // Who does not know where it leads asks.
        let (acts, files) = self.blocking(context, look).await.unwrap_or((true, Vec::new()));
        let strangers = Heard { provenance: &*self.provenance, context };
        if acts && !T::REPLACES && strangers.has_some(&files).await {
            context.run.strangers.note();
        }
        Ok(Plan { acts, ..Plan::free() })
    }

    async fn call(&self, context: &ToolContext, arguments: &JsonText) -> Result<String, ToolError> {
        let wanted: T = arguments::parse(arguments)?;
        let strangers = Heard { provenance: &*self.provenance, context };
        if !T::READS {
            let written = wanted.files().into_iter().map(str::to_owned).collect();
            let files = self.blocking(context, move |workspace| Ok(heard::places(workspace, written))).await?;
            strangers.before_writing(&files, T::REPLACES).await?;
            let text = self.blocking(context, move |workspace| wanted.run(workspace)).await?;
            strangers.after_writing(&files, T::REPLACES).await;
            return Ok(text);
        }
        let read = move |workspace: &Workspace| {
            let written = wanted.files().into_iter().map(str::to_owned).collect();
            let files = heard::places(workspace, written);
            Ok((wanted.run(workspace)?, files))
        };
        let (text, files) = self.blocking(context, read).await?;
        strangers.after_reading(&files, &text).await;
        Ok(text)
    }
}

impl<T: FileTool> Offered<T> {
    /// Does something in the caller's workspace, off the async threads. Cancel-safe: once this is dropped, nothing more
    /// is looked at and no further file is changed.
    async fn blocking<R: Send + 'static>(
        &self,
        context: &ToolContext,
        work: impl FnOnce(&Workspace) -> Result<R, ToolError> + Send + 'static,
    ) -> Result<R, ToolError> {
        let (workspaces, rooms, context) = (Arc::clone(&self.workspaces), self.rooms.clone(), context.clone());
        let wanted = Wanted::default();
        let _until_dropped = wanted.guard();
        let work = move || work(&workspaces.open(&context, &rooms)?.while_wanted(wanted));
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|died| Err(ToolError::Failed(died.to_string())))
    }
}

/// What a search says: what it found, and whether that is all.
fn searched(mut text: String, what: &str, is_cut: bool, is_too_much: bool) -> String {
    if text.is_empty() {
        text = format!("[no {what}]");
    }
    if is_cut {
        text.push_str("[there are more; narrow the search or raise the limit]");
    } else if is_too_much {
        text.push_str("[there are too many files to look at all; name a directory]");
    }
    text
}

/// With a note on a line of its own, if there is one.
fn noted(mut text: String, note: &str) -> String {
    if !note.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text + note
}

/// Cuts a line that is too long to show.
fn shortened(line: &str) -> std::borrow::Cow<'_, str> {
    use crate::limits::LINE_BYTES_MAX;
    if line.len() <= LINE_BYTES_MAX {
        return line.into();
    }
    let end = line.floor_char_boundary(LINE_BYTES_MAX);
    format!("{}… [{} bytes more]", line.get(..end).unwrap_or_default(), line.len() - end).into()
}

#[cfg(test)]
#[path = "files/borders.rs"]
mod borders;
#[cfg(test)]
#[path = "files/tests.rs"]
mod tests;

//! Files of the workspace. Each tool is one struct of arguments and one function over the open
//! workspace; what they share is here.

mod apply_patch;
mod edit;
mod find;
mod grep;
mod ls;
mod read;
mod walk;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use claw_core::approval::Plan;
use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolContext, ToolError};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::workspace::{Workspace, Workspaces};
use crate::{arguments, briefing};

/// One tool over files.
trait FileTool: DeserializeOwned + JsonSchema + Send + 'static {
    const NAME: &'static str;
    const DESCRIPTION: &'static str;
    /// Whether it changes nothing.
    const READS: bool;

    /// The paths of what it changes, as they were written; for those that change something.
    fn changes(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Does it. Blocks on the disk.
    fn run(self, workspace: &Workspace) -> Result<String, ToolError>;
}

/// A [`FileTool`] as the agent calls it.
struct Offered<T> {
    workspaces: Arc<Workspaces>,
    parameters: JsonText,
    arguments: std::marker::PhantomData<fn() -> T>,
}

/// The tools over the files of these workspaces.
pub fn tools(workspaces: &Arc<Workspaces>) -> Vec<Arc<dyn Tool>> {
    vec![
        offered::<read::Read>(workspaces),
        offered::<write::Write>(workspaces),
        offered::<edit::Edit>(workspaces),
        offered::<apply_patch::ApplyPatch>(workspaces),
        offered::<ls::Ls>(workspaces),
        offered::<grep::Grep>(workspaces),
        offered::<find::Find>(workspaces),
    ]
}

fn offered<T: FileTool>(workspaces: &Arc<Workspaces>) -> Arc<dyn Tool> {
    let (workspaces, parameters) = (Arc::clone(workspaces), arguments::schema::<T>());
    Arc::new(Offered::<T> { workspaces, parameters, arguments: std::marker::PhantomData })
}

#[async_trait]
impl<T: FileTool> Tool for Offered<T> {
    fn spec(&self) -> ToolSpec {
        let (name, description) = (T::NAME.to_owned(), T::DESCRIPTION.to_owned());
        ToolSpec { name, description, parameters: self.parameters.clone() }
    }

    fn is_idempotent(&self) -> bool {
        T::READS
    }

    /// What agents are told before every conversation is configured by whoever writes it: no less than
    /// the configuration itself.
    async fn plan(&self, context: &ToolContext, arguments: &JsonText) -> Result<Plan, ToolError> {
        let wanted: T = match arguments::parse(arguments) {
            Ok(wanted) if !T::READS && context.run.untrusted => wanted,
            // It says itself what is wrong with them.
            Ok(_) | Err(_) => return Ok(Plan::free()),
        };
        let (workspaces, context) = (Arc::clone(&self.workspaces), context.clone());
        let look = move || {
            let workspace = workspaces.look(&context.principal.id, &context.agent);
            wanted.changes().into_iter().any(|path| briefing::is_told(path, workspace.as_ref()))
        };
        let acts = tokio::task::spawn_blocking(look).await.unwrap_or(true);
        Ok(Plan { acts, ..Plan::free() })
    }

    async fn call(&self, context: &ToolContext, arguments: &JsonText) -> Result<String, ToolError> {
        let wanted: T = arguments::parse(arguments)?;
        let (workspaces, context) = (Arc::clone(&self.workspaces), context.clone());
        let work = move || wanted.run(&workspaces.open(&context)?);
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
#[path = "files/tests.rs"]
mod tests;

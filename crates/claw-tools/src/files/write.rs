//! `write`: a whole file, new or in the place of another.

use claw_core::tool::ToolError;
use schemars::JsonSchema;
use serde::Deserialize;

use super::FileTool;
use crate::workspace::Workspace;

/// What `write` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    /// The file, relative to the workspace; its directories are made.
    #[serde(alias = "file_path", alias = "file")]
    path: String,
    /// The whole new content.
    content: String,
}

impl FileTool for Write {
    const NAME: &'static str = "write";
    const DESCRIPTION: &'static str = "Writes a file of the workspace, replacing what was there.";
    const READS: bool = false;
    const REPLACES: bool = true;

    fn files(&self) -> Vec<&str> {
        vec![&self.path]
    }

    fn run(self, workspace: &Workspace) -> Result<String, ToolError> {
        let Self { path, content } = self;
        let verb = if workspace.replace(&path, content.as_bytes())? { "created" } else { "replaced" };
        Ok(format!("{verb} {path} ({} bytes)", content.len()))
    }
}

//! `ls`: what is in a directory.

use std::fmt::Write as _;

use claw_core::tool::ToolError;
use schemars::JsonSchema;
use serde::Deserialize;

use super::FileTool;
use crate::limits::{ENTRIES_MAX, SHOWN_BYTES_MAX};
use crate::workspace::{Workspace, explain};

/// What `ls` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ls {
    /// The directory, relative to the workspace; its root if left out.
    #[serde(default, alias = "dir", alias = "directory")]
    path: Option<String>,
}

impl FileTool for Ls {
    const NAME: &'static str = "ls";
    const DESCRIPTION: &'static str =
        "Lists a directory of the workspace: directories end in `/`, links in `@`, files have their size.";
    const READS: bool = true;

    fn files(&self) -> Vec<&str> {
        vec![self.path.as_deref().unwrap_or(".")]
    }

    fn run(self, workspace: &Workspace) -> Result<String, ToolError> {
        let written = self.path.as_deref().unwrap_or(".");
        let failed = |error: std::io::Error| explain("list", written, &error);
        let path = workspace.relative(written)?;
        let mut lines = Vec::new();
        let mut left_out = 0_usize;
        for entry in workspace.dir().read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if lines.len() >= ENTRIES_MAX {
                left_out += 1;
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            lines.push(match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => format!("{name}/"),
                Ok(metadata) if metadata.is_symlink() => format!("{name}@"),
                Ok(metadata) if metadata.is_file() => format!("{name} ({} bytes)", metadata.len()),
                Ok(_) | Err(_) => format!("{name} (no plain file)"),
            });
        }
        lines.sort();
        Ok(told(&lines, left_out))
    }
}

fn told(lines: &[String], mut left_out: usize) -> String {
    if lines.is_empty() {
        return "[the directory is empty]".into();
    }
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() > SHOWN_BYTES_MAX {
            left_out += 1;
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    if left_out > 0 {
        let _infallible = write!(text, "[{left_out} more]");
    }
    text
}

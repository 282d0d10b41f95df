//! `find`: files by their names.

use claw_core::tool::ToolError;
use globset::{GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::Deserialize;

use super::walk::{End, walk};
use super::{FileTool, noted, searched};
use crate::limits::{MATCHES_DEFAULT, SHOWN_BYTES_MAX};
use crate::workspace::Workspace;

/// What `find` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Find {
    /// A pattern such as `*.md` (in any directory) or `src/**/*.rs` (from the search's directory).
    #[serde(alias = "glob")]
    pattern: String,
    /// Where to begin, relative to the workspace; its root if left out.
    #[serde(default)]
    path: Option<String>,
    /// How many to show.
    #[serde(default)]
    limit: Option<usize>,
}

impl FileTool for Find {
    const NAME: &'static str = "find";
    const DESCRIPTION: &'static str = "Finds files of the workspace by a pattern of their names; those below .git and node_modules \
                                        only where `path` leads there.";
    const READS: bool = true;

    fn files(&self) -> Vec<&str> {
        vec![self.path.as_deref().unwrap_or(".")]
    }

    fn run(self, workspace: &Workspace) -> Result<String, ToolError> {
        let start = self.path.as_deref().unwrap_or(".");
        let wanted = glob(&self.pattern, "pattern")?;
        let root = workspace.relative(start)?;
        let limit = self.limit.unwrap_or(MATCHES_DEFAULT).max(1);
        let (mut text, mut found) = (String::new(), 0);
        let walked = walk(workspace, start, |_, _, path| {
            if !wanted.is_match(path.strip_prefix(&root).unwrap_or(path)) {
                return Ok(true);
            }
            if found >= limit || text.len() > SHOWN_BYTES_MAX {
                return Ok(false);
            }
            found += 1;
            text.push_str(&path.to_string_lossy());
            text.push('\n');
            Ok(true)
        })?;
        let told = searched(text, "file", walked.end == End::Enough, walked.end == End::TooMuch);
        Ok(noted(told, &walked.note()))
    }
}

/// A pattern of file names; without a `/` it fits in every directory.
pub(super) fn glob(pattern: &str, argument: &str) -> Result<GlobMatcher, ToolError> {
    let pattern = pattern.trim_start_matches("./");
    let anywhere = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
    let built = GlobBuilder::new(&anywhere).literal_separator(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|error| ToolError::Arguments(format!("{argument}: {error}")))
}

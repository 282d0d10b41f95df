//! `edit`: a piece of a file, exchanged for another.

use claw_core::tool::ToolError;
use schemars::JsonSchema;
use serde::Deserialize;

use super::FileTool;
use crate::workspace::Workspace;

/// What `edit` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    /// The file, relative to the workspace.
    #[serde(alias = "file_path", alias = "file")]
    path: String,
    /// What stands there now, exactly, with enough around it to stand there only once.
    #[serde(alias = "oldText", alias = "old_string")]
    old_text: String,
    /// What is to stand there.
    #[serde(alias = "newText", alias = "new_string")]
    new_text: String,
    /// Whether every place is changed, not the only one.
    #[serde(default, alias = "replaceAll")]
    replace_all: bool,
}

impl FileTool for Edit {
    const NAME: &'static str = "edit";
    const DESCRIPTION: &'static str = "Replaces an exact piece of text in a file of the workspace.";
    const READS: bool = false;

    fn files(&self) -> Vec<&str> {
        vec![&self.path]
    }

    fn run(self, workspace: &Workspace) -> Result<String, ToolError> {
        let Self { path, old_text, new_text, replace_all } = self;
        if old_text.is_empty() {
            return Err(ToolError::Arguments("old_text: must not be empty; use `write` for a whole file".into()));
        }
        if old_text == new_text {
            return Err(ToolError::Arguments("new_text: is the same as old_text".into()));
        }
        let text = workspace.read_text(&path)?;
        // A file with the other line ends is met in its own.
        let is_dos = text.contains("\r\n") && !old_text.contains('\r');
        let own = |piece: &str| if is_dos { piece.replace('\n', "\r\n") } else { piece.to_owned() };
        let (old, new) = (own(&old_text), own(&new_text));
        let failed = |why: String| Err(ToolError::Failed(format!("cannot edit {path}: {why}")));
        match text.matches(old.as_str()).count() {
            0 => failed("old_text does not stand in it; read the file and copy the place exactly".into()),
            1 => put(workspace, &path, &text.replacen(old.as_str(), &new, 1), 1),
            places if replace_all => put(workspace, &path, &text.replace(old.as_str(), &new), places),
            places => failed(format!(
                "old_text stands in {places} places; give more of what is around it, or set replace_all"
            )),
        }
    }
}

fn put(workspace: &Workspace, path: &str, text: &str, places: usize) -> Result<String, ToolError> {
    workspace.replace(path, text.as_bytes())?;
    let plural = if places == 1 { "" } else { "s" };
    Ok(format!("edited {path} in {places} place{plural}"))
}

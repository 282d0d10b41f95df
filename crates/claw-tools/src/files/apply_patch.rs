//! `apply_patch`: several files changed by one patch, worked out whole before anything is written.

mod hunk;

use claw_core::tool::ToolError;
use schemars::JsonSchema;
use serde::Deserialize;

use self::hunk::Hunk;
use super::FileTool;
use crate::limits::PATCH_FILES_MAX;
use crate::workspace::Workspace;

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const ADD: &str = "*** Add File: ";
const UPDATE: &str = "*** Update File: ";
const DELETE: &str = "*** Delete File: ";
const MOVE: &str = "*** Move to: ";

/// What `apply_patch` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyPatch {
    /// The patch, from `*** Begin Patch` to `*** End Patch`. In between, for each file,
    /// `*** Add File: <path>` with lines that begin with `+`; `*** Delete File: <path>`; or
    /// `*** Update File: <path>`, perhaps `*** Move to: <path>`, and pieces that begin with `@@`
    /// and have lines beginning with a space (kept), `-` (taken away) and `+` (added).
    #[serde(alias = "patch")]
    input: String,
}

/// What is done to one file.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Add { path: String, text: String },
    Delete { path: String },
    Update { path: String, to: Option<String>, hunks: Vec<Hunk> },
}

/// What is written, once all is known to fit.
enum Step {
    Put { path: String, text: String, told: String },
    Remove { path: String, told: Option<String> },
}

impl FileTool for ApplyPatch {
    const NAME: &'static str = "apply_patch";
    const DESCRIPTION: &'static str = "Adds, changes, moves and deletes files of the workspace by one patch.";
    const READS: bool = false;

    fn files(&self) -> Vec<&str> {
        let named = |line| [ADD, UPDATE, DELETE, MOVE].into_iter().find_map(|mark| str::strip_prefix(line, mark));
        self.input.lines().filter_map(named).map(str::trim).collect()
    }

    fn run(self, workspace: &Workspace) -> Result<String, ToolError> {
        let changes = parse(&self.input)?;
        let mut steps = Vec::new();
        for change in changes {
            plan(change, workspace, &mut steps)?;
        }
        let mut done = Vec::new();
        for step in steps {
            let result = match &step {
                Step::Put { path, text, .. } => workspace.replace(path, text.as_bytes()).map(|_is_new| ()),
                Step::Remove { path, .. } => workspace.remove(path),
            };
            if let Err(error) = result {
                let so_far = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
                return Err(ToolError::Failed(format!("{error}; before that: {so_far}")));
            }
            match step {
                Step::Put { told, .. } => done.push(told),
                Step::Remove { told, .. } => done.extend(told),
            }
        }
        Ok(done.join("\n"))
    }
}

/// Works out what is written, reading but not writing.
fn plan(change: Change, workspace: &Workspace, steps: &mut Vec<Step>) -> Result<(), ToolError> {
    match change {
        Change::Add { path, text } => {
            if workspace.dir().symlink_metadata(workspace.relative(&path)?).is_ok() {
                return Err(ToolError::Failed(format!("cannot add {path}: it is there already")));
            }
            let told = format!("added {path}");
            steps.push(Step::Put { path, text, told });
        }
        Change::Delete { path } => {
            workspace.open_file(&path)?;
            let told = Some(format!("deleted {path}"));
            steps.push(Step::Remove { path, told });
        }
        Change::Update { path, to, hunks } => {
            let text = hunk::apply(&hunks, &workspace.read_text(&path)?)
                .map_err(|why| ToolError::Failed(format!("cannot change {path}: {why}")))?;
            match to {
                None => {
                    let told = format!("changed {path}");
                    steps.push(Step::Put { path, text, told });
                }
                Some(to) => {
                    let told = format!("moved {path} to {to}");
                    steps.push(Step::Put { path: to, text, told });
                    steps.push(Step::Remove { path, told: None });
                }
            }
        }
    }
    Ok(())
}

fn bad(why: impl std::fmt::Display) -> ToolError {
    ToolError::Arguments(format!("input: {why}"))
}

fn parse(input: &str) -> Result<Vec<Change>, ToolError> {
    let mut lines = input.trim().lines().map(|line| line.trim_end_matches('\r')).peekable();
    if lines.next().map(str::trim_end) != Some(BEGIN) {
        return Err(bad(format!("the first line must be `{BEGIN}`")));
    }
    let mut changes = Vec::new();
    loop {
        let Some(line) = lines.next() else { return Err(bad(format!("the last line must be `{END}`"))) };
        if line.trim_end() == END {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let is_body = |line: &&str| !line.starts_with("*** ") || line.starts_with("*** End of File");
        let mut body = Vec::new();
        let moved_to = lines.next_if(|line| line.starts_with(MOVE)).and_then(|line| line.strip_prefix(MOVE));
        while let Some(line) = lines.next_if(is_body) {
            body.push(line);
        }
        changes.push(change(line, moved_to, &body)?);
        if changes.len() > PATCH_FILES_MAX {
            return Err(bad(format!("more than {PATCH_FILES_MAX} files")));
        }
    }
    if changes.is_empty() { Err(bad("it changes no file")) } else { Ok(changes) }
}

fn change(head: &str, moved_to: Option<&str>, body: &[&str]) -> Result<Change, ToolError> {
    let name = |path: &str| path.trim().to_owned();
    let to = moved_to.map(name);
    if let Some(path) = head.strip_prefix(ADD).filter(|_| to.is_none()) {
        let lines = body.iter().map(|line| line.strip_prefix('+'));
        let lines: Option<Vec<&str>> = lines.collect();
        let lines = lines.ok_or_else(|| bad(format!("every line of the new file {path} must begin with `+`")))?;
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        return Ok(Change::Add { path: name(path), text });
    }
    if let Some(path) = head.strip_prefix(DELETE).filter(|_| to.is_none() && body.is_empty()) {
        return Ok(Change::Delete { path: name(path) });
    }
    if let Some(path) = head.strip_prefix(UPDATE) {
        let hunks = hunk::parse(body).map_err(|why| bad(format!("{path}: {why}")))?;
        if hunks.is_empty() && to.is_none() {
            return Err(bad(format!("{path}: nothing is changed")));
        }
        return Ok(Change::Update { path: name(path), to, hunks });
    }
    Err(bad(format!("{head:?} is no line a patch may have here")))
}

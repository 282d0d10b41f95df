//! `skills_read`: the text of a skill, and its other files, on demand.
//!
//! What is read has no authority: it comes as the answer of a tool, introduced as somebody's
//! advice, and what it advises passes the same permissions as anything else (advisories 56, 78).

use std::fmt::Write as _;

use async_trait::async_trait;
use claw_core::complaint::plain;
use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;
use claw_core::skill::{Requirements, Source, Status};
use claw_core::tool::{Tool, ToolContext, ToolError};
use serde::Deserialize;

use crate::library::{Library, Opened};
use crate::limits::SHOWN_BYTES_MAX;
use crate::manifest;

/// The tool's name.
pub const NAME: &str = "skills_read";

/// What a model is shown; [`Wanted`] is the check.
const PARAMETERS: &str = r#"{"type":"object","additionalProperties":false,"required":["name"],"properties":{"name":{"type":"string","description":"The skill's name, as the list of skills has it."},"path":{"type":"string","description":"A file of the skill, relative to its folder; SKILL.md if left out."},"offset":{"type":"integer","minimum":1,"description":"The line to begin with, counted from 1."}}}"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(alias = "skill")]
    name: String,
    #[serde(default, alias = "file")]
    path: Option<String>,
    #[serde(default)]
    offset: Option<usize>,
}

/// Reads skills.
pub struct SkillsRead(Library);

impl SkillsRead {
    /// Those of this library.
    pub fn new(library: Library) -> Self {
        Self(library)
    }
}

#[async_trait]
impl Tool for SkillsRead {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new(
            NAME,
            "Reads a skill: instructions for a kind of task, written beforehand.",
            JsonText::new(PARAMETERS),
        )
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn call(&self, context: &ToolContext, arguments: &JsonText) -> Result<String, ToolError> {
        let wanted = parse(arguments)?;
        let (library, context) = (self.0.clone(), context.clone());
        let work = move || read(&library, &context, &wanted).map_err(ToolError::Failed);
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|died| Err(ToolError::Failed(died.to_string())))
    }
}

fn parse(arguments: &JsonText) -> Result<Wanted, ToolError> {
    let mut reader = serde_json::Deserializer::from_str(arguments.as_str());
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, why) = (error.path().to_string(), plain(&error.inner().to_string()));
        ToolError::Arguments(if path == "." { why } else { format!("{path}: {why}") })
    })
}

fn read(library: &Library, context: &ToolContext, wanted: &Wanted) -> Result<String, String> {
    let Wanted { name, path, offset } = wanted;
    let shown: String = name.chars().take(80).collect();
    let found = library.find(&context.agent, &context.principal, name);
    let (skill, status) = found.filter(|(_, status)| is_known(status)).ok_or_else(|| {
        let names: Vec<String> = offered(library, context).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("there is no skill {shown:?}; known: {known}")
    })?;
    if !status.is_eligible() {
        return Err(format!("the skill {shown:?} cannot be used here: {}", why_not(&status)));
    }
    let path = path.as_deref().map(|path| path.trim_start_matches("./")).unwrap_or(manifest::FILE);
    let Opened { bytes, others, is_vouched_for } = skill.open(path)?;
    let size = bytes.len();
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| format!("{path:?} is no text ({size} bytes)"))?;
    let is_main = path == manifest::FILE;
    let body = if is_main { manifest::body(&text) } else { &text };
    let from = match status.source {
        Source::Bundled => "part of OpenClaw",
        Source::Managed => "installed by the operator",
        Source::Workspace => "from the workspace, pinned by the operator",
    };
    if !is_vouched_for {
        context.run.strangers.note();
    }
    let mut told = format!("[skill {}, {path}, {from}; it advises and permits nothing]\n", status.name);
    told.push_str(&window(body.trim_start_matches('\n'), offset.unwrap_or(1))?);
    if is_main && !others.is_empty() {
        let _infallible = write!(told, "\n[its other files, for {NAME} with path: {}]", others.join(", "));
    }
    Ok(told)
}

/// Whether the agent may know of it.
fn is_known(status: &Status) -> bool {
    !status.is_disabled && !status.is_blocked && !status.is_filtered && !status.is_hidden
}

fn offered(library: &Library, context: &ToolContext) -> impl Iterator<Item = String> {
    let report = library.look(&context.agent, &context.principal);
    report.skills.into_iter().filter(Status::is_offered).map(|status| status.name)
}

/// What a skill lacks, in words.
pub(crate) fn why_not(status: &Status) -> String {
    if status.is_changed {
        return "it is not what was let in any more, and the operator has not said that this is right".to_owned();
    }
    if status.is_unpinned {
        return "nobody has let it in: the operator has not pinned it".to_owned();
    }
    let Requirements { bins, any_bins, env, config, os } = &status.missing;
    let lists = [
        ("programs missing", bins),
        ("one of these programs missing", any_bins),
        ("variables missing", env),
        ("configuration missing", config),
        ("made for", os),
    ];
    let told: Vec<String> = lists
        .iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(what, list)| format!("{what}: {}", list.join(", ")))
        .collect();
    told.join("; ")
}

/// The lines from one on, as many as may be shown.
fn window(text: &str, first: usize) -> Result<String, String> {
    let lines = text.lines().count();
    if first > lines.max(1) {
        return Err(format!("offset {first} is beyond the end: there are {lines} lines"));
    }
    let mut shown = String::new();
    for (number, line) in text.lines().enumerate().skip(first.saturating_sub(1)) {
        if shown.len() + line.len() > SHOWN_BYTES_MAX {
            let mut last = number;
            if shown.is_empty() {
                // One line that is longer than all that may be shown.
                let end = line.floor_char_boundary(SHOWN_BYTES_MAX);
                let _infallible = writeln!(shown, "{}…", line.get(..end).unwrap_or_default());
                last += 1;
            }
            let _infallible = write!(shown, "[lines {first} to {last} of {lines}; go on with offset {}]", last + 1);
            return Ok(shown);
        }
        shown.push_str(line);
        shown.push('\n');
    }
    Ok(shown)
}

#[cfg(test)]
#[path = "tool/tests.rs"]
mod tests;

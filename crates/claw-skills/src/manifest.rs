//! `SKILL.md`: a head in YAML between two lines of `---`, then text for the model.
//!
//! The format is that of agentskills.io, with what stock OpenClaw keeps under `metadata.openclaw`,
//! written as YAML or as JSON. Fields nobody knows are left alone: others have fields of their own.
//! What is wrong is told all at once, each with its line, its field, what was found and what is
//! allowed there.

mod fields;

use std::fmt;

use claw_core::skill::{Installer, Requirements};

use crate::limits::{HEAD_BYTES_MAX, PROBLEMS_MAX, SKILL_BYTES_MAX};
use crate::yaml::{self, Trouble};

/// The name of the file.
pub const FILE: &str = "SKILL.md";

/// What a skill says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// 1 to 64 of `a` to `z`, digits and single hyphens inside.
    pub name: String,
    /// What it does and when to use it, on one line.
    pub description: String,
    /// The licence.
    pub license: Option<String>,
    /// What it was made for, in words.
    pub compatibility: Option<String>,
    /// Tools it would like; a wish that grants nothing.
    pub allowed_tools: Vec<String>,
    /// Its version.
    pub version: Option<String>,
    /// A page about it.
    pub homepage: Option<String>,
    /// A sign for it.
    pub emoji: Option<String>,
    /// What it is called in the configuration; its name unless it says otherwise.
    pub key: String,
    /// The variable its secret is expected in.
    pub primary_env: Option<String>,
    /// Whether what it needs does not matter.
    pub always: bool,
    /// Whether models are not told of it.
    pub is_hidden: bool,
    /// Whether people may call it by name.
    pub is_invocable: bool,
    /// What it needs.
    pub needs: Requirements,
    /// How what it needs could be had.
    pub installers: Vec<Installer>,
    /// The line its text begins on, counted from 1.
    pub body_line: usize,
}

/// One thing that is wrong with a `SKILL.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// The field, dotted; empty where it is the file itself.
    pub field: String,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, field, found, allowed } = self;
        write!(f, "{FILE}:{line}: ")?;
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        write!(f, "found {found}, allowed: {allowed}")
    }
}

impl Problem {
    fn of_file(line: usize, found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { line, field: String::new(), found: found.into(), allowed: allowed.into() }
    }
}

/// Reads a `SKILL.md`. Never panics, whatever the bytes.
///
/// Errors: everything that is wrong with it, at least one.
pub fn parse(bytes: &[u8]) -> Result<Manifest, Vec<Problem>> {
    let Parts { head, body_line, .. } = split(bytes).map_err(|problem| vec![problem])?;
    let root = yaml::parse(head, 2)
        .map_err(|Trouble { line, found, allowed }| vec![Problem::of_file(line, found, allowed)])?;
    let mut problems = Vec::new();
    let manifest = fields::read(&root, body_line, &mut problems);
    problems.truncate(PROBLEMS_MAX);
    if problems.is_empty() { Ok(manifest) } else { Err(problems) }
}

/// The text below the head; all of it where there is no head.
pub(crate) fn body(text: &str) -> &str {
    split(text.as_bytes()).map_or(text, |parts| parts.body)
}

struct Parts<'text> {
    head: &'text str,
    body: &'text str,
    body_line: usize,
}

fn split(bytes: &[u8]) -> Result<Parts<'_>, Problem> {
    if bytes.len() as u64 > SKILL_BYTES_MAX {
        return Err(Problem::of_file(1, format!("{} bytes", bytes.len()), format!("at most {SKILL_BYTES_MAX} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::of_file(line, "bytes that are no UTF-8", "text in UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let opening = text.split_inclusive('\n').next().unwrap_or_default();
    if opening.trim_end() != "---" {
        let shown: String = opening.trim_end().chars().take(40).collect();
        return Err(Problem::of_file(1, format!("{shown:?}"), "a line of --- that begins the head"));
    }
    let rest = text.get(opening.len()..).unwrap_or_default();
    let (mut at, mut line) = (0, 2);
    for piece in rest.split_inclusive('\n') {
        if at > HEAD_BYTES_MAX {
            let allowed = format!("a line of --- within {HEAD_BYTES_MAX} bytes");
            return Err(Problem::of_file(line, "a head that does not end", allowed));
        }
        if piece.trim_end() == "---" {
            let body = rest.get(at + piece.len()..).unwrap_or_default();
            return Ok(Parts { head: rest.get(..at).unwrap_or_default(), body, body_line: line + 1 });
        }
        at += piece.len();
        line += 1;
    }
    Err(Problem::of_file(line, "the end of the file", "a line of --- that ends the head"))
}

#[cfg(test)]
#[path = "manifest/tests.rs"]
mod tests;

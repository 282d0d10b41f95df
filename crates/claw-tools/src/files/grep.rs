//! `grep`: lines that fit a pattern, in every text file below a directory.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use claw_core::tool::ToolError;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::find::glob;
use super::walk::{End, walk};
use super::{FileTool, noted, searched, shortened};
use crate::limits::{FILE_BYTES_MAX, MATCHES_DEFAULT, PATTERN_BYTES_MAX, SHOWN_BYTES_MAX};
use crate::workspace::{NONBLOCK, Workspace};

/// What `grep` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Grep {
    /// A regular expression (Rust's syntax: no look-around, no back references).
    pattern: String,
    /// A file or directory, relative to the workspace; its root if left out.
    #[serde(default)]
    path: Option<String>,
    /// Only in files whose name fits this, such as `*.rs`.
    #[serde(default)]
    glob: Option<String>,
    /// Whether upper and lower case are the same.
    #[serde(default, alias = "ignoreCase")]
    ignore_case: bool,
    /// Whether the pattern is plain text.
    #[serde(default)]
    literal: bool,
    /// Lines to show before and after each match.
    #[serde(default)]
    context: Option<usize>,
    /// How many matches to show.
    #[serde(default)]
    limit: Option<usize>,
}

impl FileTool for Grep {
    const NAME: &'static str = "grep";
    const DESCRIPTION: &'static str = "Searches text files of the workspace for a regular expression; those below .git and \
                                        node_modules only where `path` leads there.";
    const READS: bool = true;

    fn files(&self) -> Vec<&str> {
        vec![self.path.as_deref().unwrap_or(".")]
    }

    fn run(self, workspace: &Workspace) -> Result<String, ToolError> {
        let start = self.path.as_deref().unwrap_or(".");
        let names = self.glob.as_deref().map(|pattern| glob(pattern, "glob")).transpose()?;
        let mut search = Search {
            wanted: self.pattern()?,
            context: self.context.unwrap_or(0).min(20),
            left: self.limit.unwrap_or(MATCHES_DEFAULT).max(1),
            text: String::new(),
            passed: Passed::default(),
        };
        let root = workspace.relative(start)?;
        let walked = walk(workspace, start, |dir, name, path| {
            let from_start = path.strip_prefix(&root).unwrap_or(path);
            let is_asked = names.as_ref().is_none_or(|names| names.is_match(from_start) || names.is_match(path));
            Ok(!is_asked || search.file(dir, name, path))
        })?;
        let told = searched(search.text, "match", walked.end == End::Enough, walked.end == End::TooMuch);
        Ok(noted(noted(told, &search.passed.note()), &walked.note()))
    }
}

impl Grep {
    fn pattern(&self) -> Result<Regex, ToolError> {
        let pattern = if self.literal { regex::escape(&self.pattern) } else { self.pattern.clone() };
        let built = RegexBuilder::new(&pattern)
            .case_insensitive(self.ignore_case)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build();
        built.map_err(|error| ToolError::Arguments(format!("pattern: {error}")))
    }
}

struct Search {
    wanted: Regex,
    context: usize,
    left: usize,
    text: String,
    passed: Passed,
}

/// Files that were not searched.
#[derive(Default)]
struct Passed {
    binary: usize,
    large: usize,
    unreadable: usize,
}

impl Passed {
    fn note(&self) -> String {
        let kinds = [(self.binary, "binary"), (self.large, "larger than is searched"), (self.unreadable, "unreadable")];
        let told: Vec<String> =
            kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
        if told.is_empty() { String::new() } else { format!("[files not searched: {}]", told.join(", ")) }
    }
}

impl Search {
    /// Adds what is found in a file; false when there is enough.
    fn file(&mut self, dir: &Dir, name: &Path, path: &Path) -> bool {
        let text = match text_of(dir, name) {
            Ok(text) => text,
            Err(why) => {
                match why {
                    Why::Binary => self.passed.binary += 1,
                    Why::Large => self.passed.large += 1,
                    Why::Unreadable => self.passed.unreadable += 1,
                }
                return true;
            }
        };
        let lines: Vec<&str> = text.lines().collect();
        let mut shown_to = 0;
        for (index, line) in lines.iter().enumerate() {
            if !self.wanted.is_match(line) {
                continue;
            }
            if self.left == 0 || self.text.len() > SHOWN_BYTES_MAX {
                return false;
            }
            self.left -= 1;
            let from = index.saturating_sub(self.context).max(shown_to);
            let to = (index + self.context + 1).min(lines.len());
            for (at, line) in lines.iter().enumerate().take(to).skip(from) {
                let mark = if at == index || self.wanted.is_match(line) { ':' } else { '-' };
                let (path, line) = (path.display(), shortened(line));
                let _infallible = writeln!(self.text, "{path}{mark}{}{mark} {line}", at + 1);
            }
            shown_to = shown_to.max(to);
        }
        true
    }
}

/// Why a file is not searched.
enum Why {
    Binary,
    Large,
    Unreadable,
}

/// The text of a plain file of a searchable size; what is no UTF-8 in it is read as well as may be.
fn text_of(dir: &Dir, name: &Path) -> Result<String, Why> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(NONBLOCK);
    let file = dir.open_with(name, &options).map_err(|_| Why::Unreadable)?;
    let metadata = file.metadata().ok().filter(|metadata| metadata.is_file()).ok_or(Why::Unreadable)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(Why::Large);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|_| Why::Unreadable)?;
    if bytes.contains(&0) {
        return Err(Why::Binary);
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned()))
}

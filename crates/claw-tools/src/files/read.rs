//! `read`: the lines of a text file, a window of them at a time.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read as _, Seek, SeekFrom};

use claw_core::tool::ToolError;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{FileTool, shortened};
use crate::limits::{FILE_BYTES_MAX, LINES_DEFAULT, PROBE_BYTES, SHOWN_BYTES_MAX};
use crate::workspace::{Workspace, explain};

/// What `read` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    /// The file, relative to the workspace.
    #[serde(alias = "file_path", alias = "file")]
    path: String,
    /// The first line to show, from 1.
    #[serde(default)]
    offset: Option<usize>,
    /// How many lines to show.
    #[serde(default)]
    limit: Option<usize>,
}

impl FileTool for Read {
    const NAME: &'static str = "read";
    const DESCRIPTION: &'static str =
        "Reads a text file of the workspace. Shows up to 2000 lines; go on with `offset`.";
    const READS: bool = true;

    fn files(&self) -> Vec<&str> {
        vec![&self.path]
    }

    fn run(self, workspace: &Workspace) -> Result<String, ToolError> {
        let Self { path, offset, limit } = self;
        let (mut file, metadata) = workspace.open_file(&path)?;
        let failed = |error: std::io::Error| explain("read", &path, &error);
        let mut start = Vec::new();
        file.by_ref().take(PROBE_BYTES as u64).read_to_end(&mut start).map_err(failed)?;
        if start.contains(&0) {
            return Err(ToolError::Failed(format!("{path} is a binary file ({} bytes)", metadata.len())));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let first = offset.unwrap_or(1).max(1);
        let window = Window { first, count: limit.unwrap_or(LINES_DEFAULT).max(1) };
        let seen = window.show(BufReader::new(file), metadata.len()).map_err(failed)?;
        seen.told(&path, first)
    }
}

struct Window {
    first: usize,
    count: usize,
}

#[derive(Default)]
struct Seen {
    text: String,
    shown: usize,
    /// Lines passed, shown or not.
    lines: usize,
    /// Whether the end of the file was seen.
    ended: bool,
}

impl Window {
    /// Reads on behind the window only to count, and no further than [`FILE_BYTES_MAX`] in all.
    fn show(&self, mut reader: impl BufRead, whole_bytes: u64) -> std::io::Result<Seen> {
        // What grows by doubling leaves as much behind as it is long.
        let most = usize::try_from(whole_bytes).unwrap_or(usize::MAX).min(SHOWN_BYTES_MAX);
        let mut seen = Seen { text: String::with_capacity(most), ..Seen::default() };
        let (mut line, mut bytes, mut is_full) = (Vec::new(), 0_u64, false);
        while bytes <= FILE_BYTES_MAX {
            line.clear();
            // A line without an end is taken in pieces, so that it cannot fill the memory.
            let read = reader.by_ref().take(FILE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                seen.ended = true;
                break;
            }
            bytes += read as u64;
            seen.lines += 1;
            if seen.lines < self.first || seen.shown >= self.count || is_full {
                continue;
            }
            let text = String::from_utf8_lossy(&line);
            let text = shortened(text.trim_end_matches(['\n', '\r']));
            if seen.text.len() + text.len() > SHOWN_BYTES_MAX {
                is_full = true;
                continue;
            }
            seen.text.push_str(&text);
            seen.text.push('\n');
            seen.shown += 1;
        }
        Ok(seen)
    }
}

impl Seen {
    fn told(self, path: &str, first: usize) -> Result<String, ToolError> {
        let Self { mut text, shown, lines, ended } = self;
        if lines == 0 {
            return Ok(format!("[{path} is empty]"));
        }
        if shown == 0 {
            return Err(ToolError::Failed(format!("offset {first} is beyond the end: {path} has {lines} lines")));
        }
        let last = first + shown - 1;
        let of = if ended { lines.to_string() } else { format!("more than {lines}") };
        if last < lines || !ended {
            let _infallible = write!(text, "[lines {first} to {last} of {of}; go on with offset {}]", last + 1);
        } else if first > 1 {
            let _infallible = write!(text, "[lines {first} to {last} of {of}]");
        }
        Ok(text)
    }
}

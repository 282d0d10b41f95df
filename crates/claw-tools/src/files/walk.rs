//! Goes through a directory and all below it, never along a link.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use claw_core::tool::ToolError;

use crate::limits::{WALK_DEPTH_MAX, WALK_ENTRIES_MAX};
use crate::workspace::{Workspace, explain};

/// Directories that are full of what nobody searches for; looked into when they are named.
const SKIPPED: [&str; 2] = [".git", "node_modules"];

/// Of these nothing is said where they are passed: nobody misses them.
const UNMISSED: &str = ".git";

/// What a walk came to.
#[derive(Debug)]
pub(super) struct Walked {
    /// How it ended.
    pub(super) end: End,
    /// The first directory that was not looked into, and how many there were.
    pub(super) passed: Option<(PathBuf, usize)>,
}

impl Walked {
    /// What is said of the directories that were not looked into.
    pub(super) fn note(&self) -> String {
        match &self.passed {
            None => String::new(),
            Some((first, 1)) => format!("[not looked into: {}; name it as path to search it]", first.display()),
            Some((first, count)) => {
                let (first, more) = (first.display(), count - 1);
                format!("[not looked into: {first} and {more} more of that name; name one as path to search it]")
            }
        }
    }
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Everything was seen.
    Whole,
    /// Whoever looked had enough.
    Enough,
    /// There is too much.
    TooMuch,
}

/// Shows every file below `start`, by its path from the workspace's root, in the order of names,
/// until `look` has had enough.
pub(super) fn walk(
    workspace: &Workspace,
    start: &str,
    mut look: impl FnMut(&Dir, &Path, &Path) -> Result<bool, ToolError>,
) -> Result<Walked, ToolError> {
    let root = workspace.relative(start)?;
    let failed = |error: io::Error| explain("search", start, &error);
    if workspace.dir().metadata(&root).map_err(failed)?.is_file() {
        let goes_on = look(workspace.dir(), &root, &root)?;
        return Ok(Walked { end: if goes_on { End::Whole } else { End::Enough }, passed: None });
    }
    let dir = workspace.dir().open_dir(&root).map_err(failed)?;
    let root = if root == Path::new(".") { PathBuf::new() } else { root };
    let (mut left, mut passed) = (WALK_ENTRIES_MAX, None::<(PathBuf, usize)>);
    let mut stack = vec![(dir, root, 0)];
    while let Some((dir, path, depth)) = stack.pop() {
        let mut below = Vec::new();
        for (name, is_dir) in entries(&dir) {
            let Some(rest) = left.checked_sub(1) else {
                return Ok(Walked { end: End::TooMuch, passed });
            };
            left = rest;
            workspace.require_wanted()?;
            let full = path.join(&name);
            if !is_dir {
                if !look(&dir, Path::new(&name), &full)? {
                    return Ok(Walked { end: End::Enough, passed });
                }
            } else if SKIPPED.contains(&name.as_str()) {
                if name != UNMISSED {
                    passed.get_or_insert((full, 0)).1 += 1;
                }
            } else if depth < WALK_DEPTH_MAX {
                // A directory that has gone meanwhile, or became a link, is passed over.
                below.extend(open_below(&dir, &name).map(|opened| (opened, full, depth + 1)));
            }
        }
        stack.extend(below.into_iter().rev());
    }
    Ok(Walked { end: End::Whole, passed })
}

/// Files and directories, sorted; links and whatever else are left out.
fn entries(dir: &Dir) -> Vec<(String, bool)> {
    let Ok(found) = dir.entries() else { return Vec::new() };
    let named = found.flatten().take(WALK_ENTRIES_MAX).filter_map(|entry| {
        let kind = entry.file_type().ok()?;
        let name = entry.file_name().into_string().ok()?;
        (kind.is_dir() || kind.is_file()).then_some((name, kind.is_dir()))
    });
    let mut named: Vec<(String, bool)> = named.collect();
    named.sort();
    named
}

/// Opens a directory by its name in another, unless it is a link.
fn open_below(dir: &Dir, name: &str) -> Option<Dir> {
    let is_dir = dir.symlink_metadata(name).is_ok_and(|metadata| metadata.is_dir());
    is_dir.then(|| dir.open_dir(name).ok()).flatten()
}

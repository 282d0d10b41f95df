//! Notes in a workspace, searched: `MEMORY.md` and `memory/**/*.md`, in passages of a few lines.
//!
//! A passage is found by the same terms as a stored memory and weighed by BM25. Files are cut into
//! passages when they are first searched, and again only when they have changed.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use claw_core::memory::{Citation, Hit, Notes, Whose, snippet};
use claw_core::terms::terms;
use claw_core::{Clock, Timestamp};

use crate::limits::{
    FILE_BYTES_MAX, NOTE_BYTES_MAX, NOTE_DEPTH_MAX, NOTE_ENTRIES_MAX, NOTE_FILES_MAX, NOTES_BYTES_MAX,
    PASSAGE_BYTES_MAX, PASSAGE_LINES_MAX, SHOWN_BYTES_MAX, SNIPPET_CHARS_MAX,
};
use crate::workspace::{FileState, Workspace, Workspaces, text_of};

/// What agents keep for themselves, in one file.
const MEMORY: &str = "MEMORY.md";
/// The directory of the other notes.
const FOLDER: &str = "memory";

/// How fast a term that repeats stops to count.
const K1: f64 = 1.2;
/// How much a long passage is held against its hits.
const B: f64 = 0.75;

/// The notes of these workspaces.
pub struct WorkspaceNotes {
    workspaces: Arc<Workspaces>,
    clock: Arc<dyn Clock>,
    cut: Arc<Mutex<Cut>>,
}

type Cut = HashMap<(PathBuf, String), (FileState, Arc<[Passage]>)>;

/// A few lines that belong together.
struct Passage {
    first: usize,
    last: usize,
    text: String,
    /// How often each term stands in it.
    terms: HashMap<String, u32>,
    length: f64,
}

impl WorkspaceNotes {
    /// Over the files of these workspaces.
    pub fn new(workspaces: Arc<Workspaces>, clock: Arc<dyn Clock>) -> Self {
        Self { workspaces, clock, cut: Arc::default() }
    }

    /// Does something in somebody's workspace, off the async threads; nothing where there is none.
    async fn within<T: Send + 'static>(
        &self,
        whose: &Whose,
        work: impl FnOnce(&Workspace) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let (workspaces, whose) = (Arc::clone(&self.workspaces), whose.clone());
        let look = move || work(&workspaces.look(&whose.owner, &whose.agent)?);
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }
}

#[async_trait]
impl Notes for WorkspaceNotes {
    async fn search(&self, whose: &Whose, wanted: &[String], max: usize) -> Vec<Hit> {
        let (cut, now, wanted) = (Arc::clone(&self.cut), self.clock.now(), wanted.to_vec());
        let found = self.within(whose, move |workspace| {
            let passages = Reading { workspace, cut: &cut, now }.passages();
            Some(best(&passages, &wanted, max))
        });
        found.await.unwrap_or_default()
    }

    async fn lines(&self, whose: &Whose, path: &str, first: usize, count: usize) -> Option<String> {
        let path = path.to_owned();
        self.within(whose, move |workspace| lines(workspace, &path, first, count)).await
    }

    async fn file(&self, whose: &Whose, path: &str) -> Option<String> {
        let path = path.to_owned();
        let there = move |workspace: &Workspace| {
            workspace.dir().metadata(workspace.relative(&path).ok()?).ok()?;
            workspace.file_at(&path).ok()
        };
        self.within(whose, there).await
    }
}

/// One look through the notes of one workspace.
struct Reading<'n> {
    workspace: &'n Workspace,
    cut: &'n Mutex<Cut>,
    now: Timestamp,
}

impl Reading<'_> {
    /// Every passage with the file it stands in.
    fn passages(&self) -> Vec<(String, Arc<[Passage]>)> {
        let mut left = NOTES_BYTES_MAX;
        let mut all = Vec::new();
        for name in self.names() {
            let Some((passages, bytes)) = self.file(&name) else { continue };
            let Some(rest) = left.checked_sub(bytes) else { break };
            left = rest;
            all.push((name, passages));
        }
        all
    }

    /// The notes' names, those in folders of the folder last; of very many days the last.
    fn names(&self) -> Vec<String> {
        let mut found: Vec<(usize, String)> = Vec::new();
        let mut folders = vec![(0, FOLDER.to_owned())];
        let mut left = NOTE_ENTRIES_MAX;
        while let Some((depth, folder)) = folders.pop() {
            let entries = self.workspace.dir().read_dir(&folder).into_iter().flatten().flatten().take(left);
            for entry in entries {
                left = left.saturating_sub(1);
                let Ok(name) = entry.file_name().into_string() else { continue };
                let name = format!("{folder}/{name}");
                // Never along a link.
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.extend((depth < NOTE_DEPTH_MAX).then_some((depth + 1, name)));
                } else if name.ends_with(".md") {
                    found.push((depth, name));
                }
            }
        }
        found.sort_unstable_by(|(depth, name), (other_depth, other)| depth.cmp(other_depth).then(other.cmp(name)));
        found.truncate(NOTE_FILES_MAX);
        std::iter::once(MEMORY.to_owned()).chain(found.into_iter().map(|(_, name)| name)).collect()
    }

    fn file(&self, name: &str) -> Option<(Arc<[Passage]>, u64)> {
        let place = (self.workspace.root().to_owned(), name.to_owned());
        let (file, metadata) = self.workspace.open_file(name).ok()?;
        let state = FileState::of(&metadata);
        let bytes = state.bytes.min(NOTE_BYTES_MAX);
        if let Some((known, passages)) = self.cut().get(&place)
            && *known == state
        {
            return Some((Arc::clone(passages), bytes));
        }
        if state.bytes > NOTE_BYTES_MAX {
            let path = self.workspace.root().join(name);
            tracing::warn!("{} is searched in its first {NOTE_BYTES_MAX} bytes only", path.display());
        }
        let mut read = Vec::new();
        file.take(NOTE_BYTES_MAX).read_to_end(&mut read).ok()?;
        if read.contains(&0) {
            return None;
        }
        let passages: Arc<[Passage]> = passages(&text_of(&read)).into();
        if state.is_settled(self.now) {
            let mut cut = self.cut();
            if cut.len() >= NOTE_FILES_MAX {
                cut.clear();
            }
            cut.insert(place, (state, Arc::clone(&passages)));
        }
        Some((passages, bytes))
    }

    fn cut(&self) -> MutexGuard<'_, Cut> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Paragraphs, a long one in parts; a heading goes with what follows it.
fn passages(text: &str) -> Vec<Passage> {
    let mut passages = Vec::new();
    let (mut first, mut said) = (1, String::new());
    let mut is_heading = false;
    for (number, line) in (1..).zip(text.lines()) {
        let is_full = number - first >= PASSAGE_LINES_MAX || said.len() + line.len() > PASSAGE_BYTES_MAX;
        let ends = line.trim().is_empty() && !is_heading || line.starts_with('#') || is_full;
        if ends && !said.trim().is_empty() {
            passages.push(passage(first, &said));
            said.clear();
        }
        if said.is_empty() {
            first = number;
        }
        if !line.trim().is_empty() {
            is_heading = line.starts_with('#');
        }
        if !(said.is_empty() && line.trim().is_empty()) {
            said.push_str(line);
            said.push('\n');
        }
    }
    if !said.trim().is_empty() {
        passages.push(passage(first, &said));
    }
    passages
}

fn passage(first: usize, said: &str) -> Passage {
    let text = said.trim_end().to_owned();
    let all = terms(&text);
    let length = all.len() as f64;
    let mut counted = HashMap::new();
    for term in all {
        *counted.entry(term).or_default() += 1;
    }
    Passage { first, last: first + text.lines().count().saturating_sub(1), text, terms: counted, length }
}

/// The passages that fit best, best first, by BM25.
fn best(files: &[(String, Arc<[Passage]>)], wanted: &[String], max: usize) -> Vec<Hit> {
    let all = || files.iter().flat_map(|(path, passages)| passages.iter().map(move |passage| (path, passage)));
    let count = all().count() as f64;
    let average = all().map(|(_, passage)| passage.length).sum::<f64>() / count.max(1.0);
    let mut distinct: Vec<&String> = wanted.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let weights: Vec<(&String, f64)> = distinct
        .into_iter()
        .map(|term| {
            let with = all().filter(|(_, passage)| passage.terms.contains_key(term)).count() as f64;
            (term, (1.0 + (count - with + 0.5) / (with + 0.5)).ln())
        })
        .collect();
    let mut found: Vec<(f64, &String, &Passage)> = all()
        .filter_map(|(path, passage)| {
            let norm = K1 * (1.0 - B + B * passage.length / average.max(1.0));
            let score = weights.iter().map(|(term, weight)| {
                let times = passage.terms.get(*term).copied().map_or(0.0, f64::from);
                weight * times * (K1 + 1.0) / (times + norm)
            });
            let score: f64 = score.sum();
            (score > 0.0).then_some((score, path, passage))
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(max);
    found.into_iter().map(|(score, path, passage)| hit(score, path, passage, wanted)).collect()
}

fn hit(score: f64, path: &str, passage: &Passage, wanted: &[String]) -> Hit {
    let citation = Citation::Lines { path: path.to_owned(), first: passage.first, last: passage.last };
    Hit { citation, score, snippet: snippet(&passage.text, wanted, SNIPPET_CHARS_MAX), untrusted: false }
}

/// Lines of a note; nothing where the path is no note's.
fn lines(workspace: &Workspace, path: &str, first: usize, count: usize) -> Option<String> {
    let plain = workspace.relative(path).ok()?;
    let name = plain.to_str()?;
    let is_note = name == MEMORY || name.starts_with("memory/") && name.ends_with(".md");
    if !is_note || name.contains("..") {
        return None;
    }
    let (file, _) = workspace.open_file(name).ok()?;
    let mut reader = BufReader::new(file.take(FILE_BYTES_MAX));
    let (mut shown, mut line, mut number) = (String::new(), Vec::new(), 0);
    while number + 1 < first.saturating_add(count) {
        line.clear();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            break;
        }
        number += 1;
        if number < first {
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        if shown.len() + text.len() > SHOWN_BYTES_MAX {
            shown.push_str("[cut here]\n");
            break;
        }
        shown.push_str(&text);
    }
    Some(shown)
}

#[cfg(test)]
#[path = "notes/tests.rs"]
mod tests;

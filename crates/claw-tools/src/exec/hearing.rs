//! Files with strangers' words, where a command names one or says its name: then its run has heard them.
//!
//! A directory that holds one is as good as its name, and so is none where a program then goes through the one it is
//! started in, or may take something up there by itself ([`super::reach`]). What else a command makes of pieces is not seen.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use claw_core::provenance::Provenance;
use claw_core::tool::{ToolContext, ToolError};
use globset::Glob;

use super::reach;
use super::spoken::{self, Word};
use crate::workspace::Workspaces;

/// Knows the files of these workspaces that hold strangers' words.
#[derive(Clone)]
pub(super) struct Hearing {
    pub(super) workspaces: Arc<Workspaces>,
    pub(super) provenance: Arc<dyn Provenance>,
}

impl Hearing {
    /// Tells the run what a command that runs there names, perhaps by a pattern, or may take up there; with variables of
    /// its own any program may.
    pub(super) async fn command(&self, context: &ToolContext, command: &str, has_env: bool, cwd: &Path) {
        self.hear(context, Said::Command(command.to_owned(), Some((cwd.to_owned(), has_env)))).await;
    }

    /// The same for what is written to a command: nobody knows where that is by now.
    pub(super) async fn written(&self, context: &ToolContext, text: &str) {
        self.hear(context, Said::Command(text.to_owned(), None)).await;
    }

    /// Tells the run what a command has said.
    pub(super) async fn said(&self, context: &ToolContext, said: &Result<String, ToolError>) {
        if let Ok(text) | Err(ToolError::Failed(text)) = said {
            self.hear(context, Said::Output(text.clone())).await;
        }
    }

    /// Whether strangers' words lie in a workspace; where that cannot be known, they do.
    pub(super) async fn is_anything_noted(&self, root: &Path) -> bool {
        let noted = self.provenance.noted(&root.to_string_lossy()).await;
        noted.map_or(true, |(noted, is_all)| !is_all || !noted.is_empty())
    }

    async fn hear(&self, context: &ToolContext, said: Said) {
        if context.run.untrusted || context.run.strangers.are_noted() {
            return;
        }
        // Where there is no workspace, no command runs.
        let Ok(root) = self.workspaces.path(context) else { return };
        let has_some = match self.provenance.noted(&root.to_string_lossy()).await {
            Ok((_, false)) | Err(_) => true,
            Ok((noted, true)) if noted.is_empty() => false,
            // Looks at the disk.
            Ok((noted, true)) => {
                let names = move || said.names_one_of(&noted, &root);
                tokio::task::spawn_blocking(names).await.unwrap_or(true)
            }
        };
        if has_some {
            context.run.strangers.note();
        }
    }
}

/// In what files may be named.
enum Said {
    /// A command, and where it runs as far as that is known, and whether with variables of its own.
    Command(String, Option<(PathBuf, bool)>),
    /// What one has said.
    Output(String),
}

impl Said {
    fn names_one_of(&self, noted: &[String], root: &Path) -> bool {
        // One that is gone says nothing to anybody.
        let there = noted.iter().map(Path::new).filter(|file| is_there(file));
        let there: Vec<&Path> = there.collect();
        let (text, words) = match self {
            Self::Output(text) => (text, Vec::new()),
            Self::Command(text, _) => (text, spoken::words(text)),
        };
        let says = |name: &str| text.contains(name) || words.iter().any(|word| word.text.contains(name));
        let named = |file: &&Path| *file == root || file.file_name().is_some_and(|name| says(&name.to_string_lossy()));
        if there.iter().any(named) {
            return true;
        }
        match self {
            Self::Output(_) => false,
            Self::Command(text, None) => {
                // Nobody knows where it is by now: anything is in its reach.
                let files: Vec<PathBuf> = there.iter().map(|file| (*file).to_owned()).collect();
                let mut commands = words.chunk_by(|_, next| !next.begins);
                words.iter().any(|word| fits_a_name(word, &there))
                    || reach::is_nested(text) && !files.is_empty()
                    || commands.any(|command| files.iter().any(|file| takes_up_beside(command, file)))
            }
            Self::Command(_, Some((cwd, has_env))) => {
                let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
                let files: Vec<PathBuf> = there.iter().map(|file| real(file)).collect();
                let mut looking = Looking { files, root: real(root), here: real(cwd) };
                let has_operator = text.contains(['|', '`', '>']) || text.contains("$(");
                !looking.files.is_empty()
                    && ((*has_env || reach::is_nested(text)) && looking.is_anything_in_reach()
                        || words.chunk_by(|_, next| !next.begins).any(|command| looking.hears(command, has_operator)))
            }
        }
    }
}

fn is_there(file: &Path) -> bool {
    !matches!(file.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether a command would take a file up, if it were started where that lies.
fn takes_up_beside(command: &[Word], file: &Path) -> bool {
    let beside = file.parent().unwrap_or(file);
    reach::takes_up(command, (beside, beside), &[file.to_owned()])
}

/// Whether a word, wherever it is used, fits one of them or a directory that it lies in.
fn fits_a_name(word: &Word, files: &[&Path]) -> bool {
    let name = spoken::last_part(&word.text);
    if [".", "..", "~", ""].contains(&name) {
        return !files.is_empty();
    }
    let glob = word.is_pattern.then(|| Glob::new(name).ok()).flatten().map(|glob| glob.compile_matcher());
    let fits = |part: &OsStr| part == name || glob.as_ref().is_some_and(|glob| glob.is_match(part));
    files.iter().any(|file| file.iter().any(fits))
}

/// Looks for what a command names.
struct Looking {
    /// The files, links followed.
    files: Vec<PathBuf>,
    root: PathBuf,
    /// Where the command runs.
    here: PathBuf,
}

impl Looking {
    /// Whether one simple command hears one of the files.
    fn hears(&mut self, command: &[Word], has_operator: bool) -> bool {
        let program = command.first().map_or("", |word| word.text.as_str());
        // `. file` names a file.
        let named = if program == "." { command.get(1..).unwrap_or_default() } else { command };
        if named.iter().any(|word| self.means_one(word))
            || self.goes_through(command, has_operator)
            || reach::takes_up(command, (&self.root, &self.here), &self.files)
        {
            return true;
        }
        if let ("cd", Some(word)) = (program, command.get(1)) {
            let there = self.path(word);
            self.here = if there.is_dir() { there } else { self.here.clone() };
        }
        false
    }

    /// By a program that nobody sees named.
    fn is_anything_in_reach(&self) -> bool {
        let some = Word { text: "some".to_owned(), is_pattern: false, begins: true, is_target: false };
        reach::takes_up(&[some], (&self.root, &self.here), &self.files)
    }

    /// As a shell would write it out.
    fn written_out(&self, text: &str) -> String {
        let places = [("~", &self.root), ("$HOME", &self.root), ("${HOME}", &self.root)];
        for (name, place) in places.into_iter().chain([("$PWD", &self.here), ("${PWD}", &self.here)]) {
            if let Some(rest) = text.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                return format!("{}{rest}", place.display());
            }
        }
        text.to_owned()
    }

    fn path(&self, word: &Word) -> PathBuf {
        let path = self.here.join(self.written_out(&word.text));
        path.canonicalize().unwrap_or(path)
    }

    /// Whether a word is one of the files, a directory above one, or a pattern for such; where there is too much to look
    /// among, it is.
    fn means_one(&self, word: &Word) -> bool {
        let holds = |path: &Path| self.files.iter().any(|file| file.starts_with(path));
        if !word.is_pattern {
            return holds(&self.path(word));
        }
        let word = Word { text: self.written_out(&word.text), ..word.clone() };
        let Ok(paths) = spoken::meant(&word, &self.here) else { return true };
        paths.iter().any(|path| path.canonicalize().is_ok_and(|path| holds(&path)))
    }

    /// Whether it goes through the directory it is in, for want of another.
    fn goes_through(&self, command: &[Word], has_operator: bool) -> bool {
        if !self.files.iter().any(|file| file.starts_with(&self.here)) {
            return false;
        }
        let goes = |(at, word): (usize, &Word)| {
            let rest = command.get(at + 1..).unwrap_or_default();
            let has = |letters: [char; 2], long: &str| {
                let short = |text: &str| text.starts_with('-') && !text.starts_with("--") && text.contains(letters);
                rest.iter().any(|word| short(&word.text) || word.text == long)
            };
            let is_one = match spoken::last_part(&word.text) {
                "find" | "fd" | "fdfind" | "rg" | "ag" | "ack" | "tree" | "rgrep" => true,
                "grep" | "egrep" | "fgrep" => has(['r', 'R'], "--recursive"),
                "ls" | "dir" => has_operator || has(['R'; 2], "--recursive"),
                "git" => rest.iter().any(|word| word.text == "grep" || word.text == "ls-files"),
                _ => false,
            };
            is_one && !rest.iter().any(|word| word.is_pattern || self.path(word).exists())
        };
        command.iter().enumerate().any(goes)
    }
}

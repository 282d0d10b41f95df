//! What a command's text says, as a shell would take it: its words, and which of them are patterns for files.
//!
//! A `*` in quotes, in arithmetic or in a here-document is none, unless a shell is given that text to run, or the text
//! has commands of its own in it (`"$(…)"`). Where it is not clear, it is a pattern.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use crate::limits::BOUND_ENTRIES_MAX;

/// Programs that take a word for a command.
const SHELLS: [&str; 9] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "eval", "trap"];

/// What ends a word.
const ENDS: &str = ";|&<>()`=";

/// A word without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether a shell would look for files that fit it.
    pub(super) is_pattern: bool,
    /// Whether another command may begin with it.
    pub(super) begins: bool,
    /// Whether it only says where something is read from or written to.
    pub(super) is_target: bool,
}

/// The words of a text for a shell.
pub(super) fn words(command: &str) -> Vec<Word> {
    let mut reading =
        Reading { rest: command, words: Vec::new(), word: None, begins: true, redirects: false, documents: Vec::new() };
    while let Some(letter) = reading.next() {
        reading.take(letter);
    }
    reading.end_word();
    let mut words = reading.words;
    if words.iter().any(|word| SHELLS.contains(&last_part(&word.text))) {
        words.extend(pieces(command));
    }
    words
}

/// The last part of a path.
pub(super) fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// Whatever could be a word in a text that a shell may be given as it is.
fn pieces(text: &str) -> impl Iterator<Item = Word> + '_ {
    let words = text.split(|letter: char| letter.is_whitespace() || "'\"".contains(letter) || ENDS.contains(letter));
    let words = words.filter(|word| !word.is_empty()).enumerate();
    words.map(|(at, word)| Word {
        text: word.to_owned(),
        is_pattern: is_pattern(word),
        begins: at == 0,
        is_target: false,
    })
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

struct Reading<'t> {
    rest: &'t str,
    words: Vec<Word>,
    word: Option<Word>,
    /// Whether the next word begins a command.
    begins: bool,
    /// Whether the next word is where something is read from or written to.
    redirects: bool,
    /// The last lines of the here-documents that begin with the next line.
    documents: Vec<String>,
}

impl<'t> Reading<'t> {
    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.skip(letter.len_utf8());
        Some(letter)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// What stands before this, which is skipped with it.
    fn until(&mut self, end: &str) -> &'t str {
        let (before, after) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = after;
        before
    }

    fn take(&mut self, letter: char) {
        match letter {
            '\'' => {
                let quoted = self.until("'");
                self.push(quoted, false);
            }
            '"' => self.double_quoted(),
            '\\' => {
                if let Some(next) = self.next() {
                    self.push(next.encode_utf8(&mut [0; 4]), false);
                }
            }
            '$' if self.rest.starts_with("((") => self.arithmetic(),
            '<' if self.rest.starts_with('<') && !self.rest.starts_with("<<") => {
                self.end_word();
                self.document();
            }
            '\n' => {
                self.end_word();
                (self.begins, self.redirects) = (true, false);
                self.documents();
            }
            letter if letter.is_whitespace() || ENDS.contains(letter) => {
                self.end_word();
                self.begins |= ";|&<>()`".contains(letter);
                // `2>&1`.
                self.redirects = match letter {
                    '<' | '>' => true,
                    '&' | '|' | ' ' | '\t' => self.redirects,
                    _ => false,
                };
            }
            letter => self.push(letter.encode_utf8(&mut [0; 4]), true),
        }
    }

    fn push(&mut self, text: &str, is_open: bool) {
        let word = self.word.get_or_insert(Word {
            text: String::new(),
            is_pattern: false,
            begins: self.begins,
            is_target: self.redirects,
        });
        word.text.push_str(text);
        word.is_pattern |= is_open && is_pattern(text);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take().filter(|word| !word.text.is_empty()) {
            (self.begins, self.redirects) = (false, false);
            self.words.push(word);
        }
    }

    fn double_quoted(&mut self) {
        let mut text = String::new();
        while let Some(letter) = self.next() {
            match letter {
                '"' => break,
                '\\' => text.extend(self.next()),
                letter => text.push(letter),
            }
        }
        self.push(&text, false);
        self.commands_in(&text);
    }

    /// Commands in what is no word of its own.
    fn commands_in(&mut self, text: &str) {
        if text.contains('`') || text.replace("$((", "").contains("$(") {
            self.words.extend(pieces(text));
        }
    }

    fn arithmetic(&mut self) {
        // `$((cat *))` is none: two names beside each other are a command's.
        let inner = self.rest.split_once("))").map_or(self.rest, |(inner, _)| inner);
        let names = |part: &str| part.starts_with(|letter: char| letter.is_alphanumeric() || "_/.".contains(letter));
        let ends = |part: &str| part.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let parts: Vec<&str> = inner.split_whitespace().collect();
        let is_command = parts.iter().zip(parts.iter().skip(1)).any(|(one, next)| ends(one) && names(next));
        if is_command || inner.contains(['`', '\'', '"', ';']) || inner.contains("$(") {
            self.push("$", true);
            return;
        }
        self.until("))");
        self.push("0", false);
    }

    /// The head of a here-document.
    fn document(&mut self) {
        self.skip(1);
        self.skip(usize::from(self.rest.starts_with('-')));
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let end = self.rest.find(|letter: char| letter.is_whitespace() || ";|&<>()".contains(letter));
        let (name, after) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = after;
        self.documents.push(name.replace(['\'', '"', '\\'], ""));
    }

    /// The here-documents themselves.
    fn documents(&mut self) {
        for name in std::mem::take(&mut self.documents) {
            while !self.rest.is_empty() {
                let line = self.until("\n");
                if line.trim_start_matches('\t') == name {
                    break;
                }
                self.commands_in(line);
            }
        }
    }
}

/// The paths that a word means: its own, and, where it is a pattern, those that fit it.
///
/// Errors: there are too many files to look among.
pub(super) fn meant(word: &Word, cwd: &Path) -> Result<Vec<PathBuf>, String> {
    let Word { text, is_pattern: looks, begins: _, is_target: _ } = word;
    let mut paths = vec![cwd.join(text)];
    if !looks {
        return Ok(paths);
    }
    let mut fitting = vec![if text.starts_with('/') { PathBuf::from("/") } else { cwd.to_owned() }];
    let mut looked_at = 0;
    for part in text.split('/').filter(|part| !part.is_empty()) {
        if !is_pattern(part) {
            fitting = fitting.into_iter().map(|path| path.join(part)).collect();
            continue;
        }
        // What is no pattern means itself alone.
        let Ok(glob) = GlobBuilder::new(part).build() else { return Ok(paths) };
        let (glob, mut next) = (glob.compile_matcher(), Vec::new());
        for entry in fitting.iter().filter_map(|path| path.read_dir().ok()).flatten().flatten() {
            looked_at += 1;
            if looked_at > BOUND_ENTRIES_MAX {
                return Err(format!("{text} would have to be looked for among more than {BOUND_ENTRIES_MAX} files"));
            }
            if glob.is_match(entry.file_name()) {
                next.push(entry.path());
            }
        }
        next.sort();
        fitting = next;
    }
    paths.extend(fitting);
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_take_for_a_pattern_is_one() {
        let patterns = |command: &str| -> Vec<String> {
            words(command).into_iter().filter(|word| word.is_pattern).map(|word| word.text).collect()
        };
        for none in [
            "python3 -c 'print(2 * 3)'",
            "python3 -c \"print(2 * 3)\"",
            "echo $((6 * 7)); cd d",
            "echo \\* a\\?",
            "cat > f.py <<'E'\nprint(2 * 3)\nE\necho done",
            "grep 'a*' x <<- E y\n\t*\n\tE\n",
        ] {
            assert_eq!(patterns(none), [] as [&str; 0], "{none}");
        }
        for (command, found) in [
            ("cat p* 'q'*", vec!["p*", "q*"]),
            ("echo \"a $(cat p*)\"", vec!["p*"]),
            ("echo \"<<X\"\ncat p*\nX", vec!["p*"]),
            ("cat <<E\n`cat p*`\nE\n", vec!["p*"]),
            ("cat <<E\nE\ncat p*", vec!["p*"]),
            ("echo $((cat p*))", vec!["p*"]),
            ("bash -c 'cat p*'", vec!["p*"]),
            ("x=p*;cat<./{a,b}", vec!["p*", "./{a,b}"]),
        ] {
            assert_eq!(patterns(command), found, "{command}");
        }
        assert_eq!(
            words("cp pa''ge.md \"a b\"").into_iter().map(|word| word.text).collect::<Vec<_>>(),
            ["cp", "page.md", "a b"]
        );
    }
}

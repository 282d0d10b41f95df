//! What a program takes up by itself where it is started: a `Makefile`, a module, a configuration.
//!
//! Nobody sees which files a program looks for, so each that lies where it may look counts as run, but for programs that
//! are known to read only what they are told. Documents are run by nobody, and count where they are named.

use std::path::{Path, PathBuf};

use super::spoken::{Word, last_part};

/// Programs of the shell and the system that start no others and look for no files of their own.
const PLAIN: [&str; 75] = [
    "[",
    ":",
    "base64",
    "basename",
    "cal",
    "cat",
    "cd",
    "chmod",
    "cksum",
    "cmp",
    "column",
    "comm",
    "cp",
    "cut",
    "date",
    "df",
    "diff",
    "dir",
    "dirname",
    "du",
    "echo",
    "egrep",
    "expand",
    "expr",
    "factor",
    "false",
    "fgrep",
    "file",
    "fmt",
    "fold",
    "free",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "hexdump",
    "hostname",
    "id",
    "join",
    "kill",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mv",
    "nl",
    "nproc",
    "od",
    "paste",
    "printf",
    "pwd",
    "readlink",
    "realpath",
    "rev",
    "rm",
    "rmdir",
    "seq",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "sleep",
    "sort",
    "stat",
    "strings",
    "tac",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "wc",
    "whoami",
];

/// What of git shows and records; it runs what its configuration and its hooks say.
const GIT: [&str; 12] =
    ["add", "blame", "branch", "commit", "diff", "log", "ls-files", "remote", "rev-parse", "show", "status", "tag"];

/// Endings of files that no program runs because of where they lie.
const DOCUMENTS: [&str; 12] =
    ["md", "markdown", "csv", "tsv", "pdf", "png", "jpg", "jpeg", "gif", "webp", "log", "jsonl"];

/// Directories above the one a program is started in whose files it may take up, beside those that begin with a dot.
const LOOKED_INTO: [&str; 2] = ["node_modules", "vendor"];

/// Whether one simple command may run something of these files, started in this place of a workspace.
pub(super) fn takes_up(command: &[Word], (root, here): (&Path, &Path), files: &[PathBuf]) -> bool {
    let mut words = command.iter().filter(|word| !word.is_target).map(|word| word.text.as_str());
    let Some(program) = words.next() else { return false };
    let is_git_own = |file: &&PathBuf| file.iter().any(|part| part.to_string_lossy().starts_with(".git"));
    let rest: Vec<&str> = words.collect();
    match last_part(program) {
        name if program.contains('/') && !is_systems(program, name) => {}
        name if PLAIN.contains(&name) => return false,
        "find" if !rest.iter().any(|word| word.starts_with("-exec") || word.starts_with("-ok")) => return false,
        "sed" if reads_lines(&rest) => return false,
        "git" if rest.first().is_some_and(|verb| GIT.contains(verb)) => {
            return files.iter().any(|file| is_git_own(&file));
        }
        _ => {}
    }
    // Who has left the workspace by a link may be anywhere.
    let has_left = !here.starts_with(root);
    files.iter().any(|file| !is_document(file) && (has_left || is_in_reach(file, root, here)))
}

/// Whether a shell is asked for more than its words say.
pub(super) fn is_nested(text: &str) -> bool {
    let text = text.replace("$((", "");
    ["$(", "`", "<(", ">("].iter().any(|opening| text.contains(opening))
}

fn is_systems(program: &str, name: &str) -> bool {
    ["/bin/", "/usr/bin/"].iter().any(|place| program.strip_prefix(place) == Some(name))
}

/// Whether `sed` only chooses lines by their numbers.
fn reads_lines(words: &[&str]) -> bool {
    let is_range = |script: &str| {
        let range = script.strip_suffix(['p', 'd', 'q']);
        range.is_some_and(|range| range.chars().all(|letter| letter.is_ascii_digit() || ",$".contains(letter)))
    };
    match words {
        ["-n", script, ..] => is_range(script) && !words.iter().skip(1).any(|word| word.starts_with('-')),
        [script, ..] => is_range(script) && !words.iter().any(|word| word.starts_with('-')),
        [] => false,
    }
}

/// Whether it is run by nobody because of where it lies.
pub(super) fn is_document(file: &Path) -> bool {
    let ending = file.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| DOCUMENTS.contains(&ending.as_str()))
}

/// Below where it is started, or where programs look on the way up from there.
fn is_in_reach(file: &Path, root: &Path, here: &Path) -> bool {
    here.ancestors().take_while(|above| above.starts_with(root)).any(|above| {
        let Ok(rest) = file.strip_prefix(above) else { return false };
        let mut parts = rest.iter();
        let first = parts.next().unwrap_or_default().to_string_lossy();
        let lies_there = parts.next().is_none();
        above == here || lies_there || first.starts_with('.') || LOOKED_INTO.contains(&&*first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::spoken::words;

    #[test]
    fn a_program_takes_up_what_lies_where_it_looks() {
        let takes = |command: &str, here: &str, file: &str| {
            let words = words(command);
            let mut commands = words.chunk_by(|_, next| !next.begins);
            is_nested(command)
                || commands.any(|command| takes_up(command, (Path::new("/w"), Path::new(here)), &[PathBuf::from(file)]))
        };
        for (command, here, file) in [
            ("make", "/w/mk", "/w/mk/Makefile"),
            ("npm test --silent", "/w/a/b", "/w/a/package.json"),
            ("cargo build", "/w/a/b", "/w/.cargo/config.toml"),
            ("node x.js", "/w/a", "/w/node_modules/p/index.js"),
            ("python3 -c 'import helper'", "/w/py", "/w/py/sub/helper.py"),
            ("cat x; make", "/w", "/w/Makefile"),
            ("ls 2>/dev/null | xargs make", "/w", "/w/Makefile"),
            ("echo a > out && ./ls", "/w", "/w/ls"),
            ("PATH=. ls", "/w", "/w/ls"),
            ("echo $(make)", "/w", "/w/Makefile"),
            ("for f in *; do make; done", "/w", "/w/Makefile"),
            ("git status", "/w/a", "/w/a/.git/config"),
            ("git log", "/w/a", "/w/.gitconfig"),
            ("git -c core.pager=x log", "/w", "/w/x"),
            ("find . -name x -exec make ;", "/w", "/w/Makefile"),
            ("sed -n 1e x", "/w", "/w/x"),
            ("make", "/elsewhere", "/elsewhere/x"),
        ] {
            assert!(takes(command, here, file), "{command}");
        }
        for (command, here, file) in [
            ("make", "/w/mk", "/w/other/Makefile"),
            ("make", "/w", "/w/report.md"),
            ("cargo build 2>&1 | tail -n 5", "/w", "/w/notes/page.CSV"),
            ("ls -la 2>&1 | head; echo a > out", "/w", "/w/Makefile"),
            ("cat > f.txt <<'E'\nmake\nE\nwc -l f.txt", "/w", "/w/Makefile"),
            ("git status", "/w", "/w/Makefile"),
            ("/usr/bin/sort a", "/w", "/w/Makefile"),
            ("sed -n 1,20p f.txt", "/w", "/w/Makefile"),
            ("find src -name 'o*'", "/w", "/w/Makefile"),
        ] {
            assert!(!takes(command, here, file), "{command}");
        }
    }
}

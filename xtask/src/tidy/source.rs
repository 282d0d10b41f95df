//! A Rust file without its comments and literals, line for line.
//!
//! Not a parser: it only knows enough of the lexical grammar (nested comments, raw
//! strings, lifetimes against characters) that a rule never trips over a word in a
//! string or a doc line. Line numbers stay those of the file.

/// One lexed file.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The file's lines with comments and the insides of literals blanked.
    pub(super) code: Vec<String>,
    /// Index of the first line of `#[cfg(test)] mod …` and of the line after its end.
    tests: Option<(usize, usize)>,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let code: Vec<String> = blank(text).lines().map(str::to_owned).collect();
        let tests = tests_module(&code);
        Self { code, tests }
    }

    /// Lines that hold code, with their index, leaving the inline tests module out.
    pub(super) fn outside_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(index, _)| !self.in_tests(*index))
    }

    /// Whether the line with this index belongs to the inline tests module.
    pub(super) fn in_tests(&self, index: usize) -> bool {
        self.tests.is_some_and(|(start, end)| (start..end).contains(&index))
    }

    /// All lines that hold code, with their index.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .iter()
            .enumerate()
            .map(|(index, line)| (index, line.as_str()))
            .filter(|(_, line)| !line.trim().is_empty())
    }

    /// Whether `word` stands anywhere as a whole identifier.
    pub(super) fn names(&self, word: &str) -> bool {
        let inside = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        self.code.iter().any(|line| {
            line.match_indices(word).any(|(at, _)| {
                let before = at.checked_sub(1).and_then(|i| line.as_bytes().get(i).copied());
                let after = line.as_bytes().get(at + word.len()).copied();
                !inside(before) && !inside(after)
            })
        })
    }
}

fn tests_module(code: &[String]) -> Option<(usize, usize)> {
    let start = code.iter().position(|line| line.trim_start().starts_with("#[cfg(test)]"))?;
    let opening = code.iter().enumerate().skip(start).take(4);
    let (opening, _) = opening
        .map(|(index, line)| (index, line.trim_end()))
        .find(|(_, line)| line.contains("mod ") && line.ends_with('{'))?;
    let mut depth = 0_usize;
    for (index, line) in code.iter().enumerate().skip(opening) {
        depth += line.matches('{').count();
        depth = depth.saturating_sub(line.matches('}').count());
        if depth == 0 {
            return Some((start, index + 1));
        }
    }
    Some((start, code.len()))
}

/// Replaces comments by spaces and literals by empty ones, keeping every line break.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let (taken, shown) = token(rest, first, after_word);
        let (piece, tail) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        match shown {
            Shown::AsIs => out.push_str(piece),
            Shown::Blank(mark) => {
                out.push_str(mark);
                out.extend(piece.chars().filter(|c| *c == '\n'));
                out.push_str(mark);
            }
        }
        after_word = first.is_alphanumeric() || first == '_';
        rest = tail;
    }
    out
}

enum Shown {
    AsIs,
    Blank(&'static str),
}

fn token(rest: &str, first: char, after_word: bool) -> (usize, Shown) {
    if rest.starts_with("//") {
        (rest.find('\n').unwrap_or(rest.len()), Shown::Blank(""))
    } else if rest.starts_with("/*") {
        (block_comment(rest), Shown::Blank(" "))
    } else if first == '"' {
        (string(rest), Shown::Blank("\""))
    } else if let Some(length) = raw_string(rest).filter(|_| !after_word) {
        (length, Shown::Blank("\""))
    } else if let Some(length) = character(rest).filter(|_| first == '\'') {
        (length, Shown::Blank("'"))
    } else {
        (first.len_utf8(), Shown::AsIs)
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a raw string (`r"…"`, `br#"…"#`, …) if one starts here.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|tail| tail.starts_with(['"', '#'])))?;
    let tail = rest.get(prefix.len()..)?;
    let hashes = tail.chars().take_while(|c| *c == '#').count();
    let body = tail.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close)?;
    Some(prefix.len() + hashes + 1 + end + close.len())
}

/// The length of a character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, inner) = chars.next()?;
    if inner == '\\' {
        let (_, _) = chars.next()?;
        return chars.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<String> {
        Source::new(text).code
    }

    #[test]
    fn comments_and_literals_vanish_and_lines_stay() {
        let text = "let a = \"x // y\"; // gone\n/* one\n /* two */ */ let b = 'c';\nfn f<'a>() {}";
        assert_eq!(code(text), ["let a = \"\"; ", " ", "  let b = '';", "fn f<'a>() {}"]);
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(code("x(r#\"a \" b\"#, br\"c\") + for_r"), ["x(\"\", \"\") + for_r"]);
    }

    #[test]
    fn a_quote_after_a_backslash_does_not_end_a_string() {
        assert_eq!(code(r#"f("a\"b", '\'', '\u{1F600}')"#), [r#"f("", '', '')"#]);
    }

    #[test]
    fn a_string_over_several_lines_keeps_them() {
        assert_eq!(code("let a = \"one\ntwo\";\nb"), ["let a = \"", "\";", "b"]);
    }

    #[test]
    fn the_tests_module_is_left_out() {
        let source = Source::new("fn a() {}\n\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n");
        let lines: Vec<usize> = source.outside_tests().map(|(index, _)| index).collect();
        assert_eq!(lines, [0, 6]);
    }

    #[test]
    fn only_whole_words_count_as_names() {
        let source = Source::new("use sha2::Digest; // hex\nlet hexed = 1;");
        assert!(source.names("sha2"));
        assert!(!source.names("hex"));
    }
}

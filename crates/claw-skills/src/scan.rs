//! Looks through a skill for what malicious ones have been seen to do, before it is installed.
//!
//! The skills of ClawHavoc and their like carry no code: their text tells the agent, or the
//! operator, to fetch and run something. A scan finds the usual ways to say so. It is no proof of
//! innocence, and nothing rests on it alone: a skill's text has no authority, found or not.
//!
//! A scan that fails, is late or has no rules refuses (advisory 82). Lines are looked at as a shell
//! would read them (joined at a backslash), and without characters that nobody sees.

mod rules;

use std::time::{Duration, Instant};

use regex::bytes::{Regex, RegexBuilder};

use crate::contents::Contents;
use crate::limits::{FINDINGS_MAX, RULE_BYTES_MAX};

/// Something that has to be looked at by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line, counted from 1; 0 where it is the file as a whole.
    pub line: usize,
    /// The rule's name.
    pub rule: &'static str,
    /// What it means.
    pub why: &'static str,
    /// What stands there, shortened.
    pub text: String,
}

/// Why nothing is known about a skill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// A rule is none.
    #[error("the rule {0:?} cannot be used")]
    Rule(&'static str),
    /// There are no rules.
    #[error("there are no rules to scan by")]
    NoRules,
    /// It took too long.
    #[error("the scan was not done in time")]
    Late,
    /// It died.
    #[error("the scan ended by itself")]
    Died,
}

/// One rule: its name, what it means, and the pattern a line must not match.
pub(crate) type Rule = (&'static str, &'static str, &'static str);

/// Looks through skills.
pub struct Scanner {
    rules: Vec<(&'static str, &'static str, Regex)>,
}

impl Scanner {
    /// With the rules of this program.
    ///
    /// Errors: they cannot be used, and so nothing may be installed.
    pub fn new() -> Result<Self, ScanError> {
        Self::with(rules::RULES)
    }

    fn with(rules: &[Rule]) -> Result<Self, ScanError> {
        let compiled = rules.iter().map(|(name, why, pattern)| {
            let built =
                RegexBuilder::new(pattern).case_insensitive(true).unicode(false).size_limit(RULE_BYTES_MAX).build();
            Ok((*name, *why, built.map_err(|_| ScanError::Rule(name))?))
        });
        let rules: Vec<_> = compiled.collect::<Result<_, ScanError>>()?;
        if rules.is_empty() { Err(ScanError::NoRules) } else { Ok(Self { rules }) }
    }

    /// Everything there is to look at, at most [`FINDINGS_MAX`].
    ///
    /// Errors: it could not be looked through in `limit`.
    pub fn scan(&self, contents: &Contents, limit: Duration) -> Result<Vec<Finding>, ScanError> {
        let until = Instant::now() + limit;
        let looked = || self.look(contents, until);
        // What is looked at was made by strangers, and so a fault in here may be theirs.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(looked)).unwrap_or(Err(ScanError::Died))
    }

    fn look(&self, contents: &Contents, until: Instant) -> Result<Vec<Finding>, ScanError> {
        let mut findings = Vec::new();
        for (path, bytes) in contents.iter() {
            match rules::kind(path, bytes) {
                rules::Kind::Text(text) => self.text(path, text, until, &mut findings)?,
                rules::Kind::Picture => {}
                rules::Kind::Unreadable(why) => {
                    let text = format!("{} bytes", bytes.len());
                    findings.push(Finding { path: path.to_owned(), line: 0, rule: "not-text", why, text });
                }
            }
            if findings.len() >= FINDINGS_MAX {
                findings.truncate(FINDINGS_MAX);
                break;
            }
        }
        Ok(findings)
    }

    fn text(&self, path: &str, text: &str, until: Instant, findings: &mut Vec<Finding>) -> Result<(), ScanError> {
        for (line, joined) in lines(text) {
            if Instant::now() >= until {
                return Err(ScanError::Late);
            }
            let mut note = |rule, why| {
                findings.push(Finding { path: path.to_owned(), line, rule, why, text: shown(&joined) });
            };
            if has_unseen(&joined, line == 1) {
                note("unseen", "characters that nobody sees: text that only the model reads");
            }
            let plain: String = joined.chars().filter(|c| !is_unseen(*c) && !is_joiner(*c)).collect();
            for (name, why, pattern) in &self.rules {
                if pattern.is_match(plain.as_bytes()) {
                    note(name, why);
                }
            }
            if findings.len() >= FINDINGS_MAX {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Lines as a shell reads them, each with the number of its first.
fn lines(text: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    let mut numbered = text.lines().enumerate().peekable();
    std::iter::from_fn(move || {
        let (index, line) = numbered.next()?;
        let mut joined = line.to_owned();
        while let Some(open) = joined.trim_end().strip_suffix('\\') {
            let Some((_, next)) = numbered.next() else { break };
            joined = format!("{open} {next}");
        }
        Some((index + 1, joined))
    })
}

/// Characters that are not shown and change what is read: marks of direction, breaks without
/// width, and the tags that spell whole sentences unseen.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Joins letters in some scripts and pictures, and hides between plain ones.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn has_unseen(line: &str, is_first: bool) -> bool {
    let line = if is_first { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
    let mut before = ' ';
    for c in line.chars() {
        if is_unseen(c) || is_joiner(c) && before.is_ascii() {
            return true;
        }
        before = c;
    }
    false
}

fn shown(line: &str) -> String {
    let visible = |c: char| if c.is_control() || is_unseen(c) || is_joiner(c) { '\u{fffd}' } else { c };
    line.trim().chars().take(160).map(visible).collect()
}

/// For every test here: to make one is what takes long.
#[cfg(test)]
pub(crate) static SCANNER: std::sync::LazyLock<Scanner> = std::sync::LazyLock::new(|| Scanner::new().unwrap());

#[cfg(test)]
#[path = "scan/tests.rs"]
mod tests;

//! What a person sees: tables, colours, streamed text.
//!
//! Text of models and other clients may hold control characters; on a terminal they are shown
//! instead of obeyed. Colours appear on a terminal only, and never where `NO_COLOR` stands.

use std::io::{self, IsTerminal, Read as _, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::env::Environment;
use crate::exit::Fatal;

/// Longest message read from standard input, in bytes; a gateway takes no more (C43).
const MESSAGE_BYTES_MAX: u64 = 10 << 20;

/// How standard output and standard error may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terminal {
    /// Somebody reads standard output as it comes.
    pub(super) is_output_shown: bool,
    /// Somebody reads standard error as it comes.
    pub(super) is_error_shown: bool,
    pub(super) has_colours: bool,
}

/// A colour with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Good,
    Bad,
    Busy,
    Faint,
}

impl Colour {
    /// The colour of a task's state.
    pub(super) fn of_state(state: &str) -> Self {
        match state {
            "completed" => Self::Good,
            "failed" => Self::Bad,
            "running" => Self::Busy,
            _ => Self::Faint,
        }
    }
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Busy => "36",
            Self::Faint => "2",
        }
    }
}

impl Terminal {
    /// How this process was started.
    pub(super) fn of(environment: &Environment) -> Self {
        let is_output_shown = io::stdout().is_terminal();
        let is_plain = environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
        Self { is_output_shown, is_error_shown: io::stderr().is_terminal(), has_colours: is_output_shown && !is_plain }
    }

    /// `text` in a colour, where there are colours.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        if self.has_colours { format!("\u{1b}[{}m{text}\u{1b}[0m", colour.code()) } else { text.to_owned() }
    }

    /// `text` as it may be printed.
    pub(super) fn shown(self, text: &str) -> String {
        if self.is_output_shown { harmless(text) } else { text.to_owned() }
    }
}

/// Control characters but line breaks and tabs made visible.
pub(super) fn harmless(text: &str) -> String {
    let is_harmful = |character: char| character.is_control() && character != '\n' && character != '\t';
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// One line of harmless text.
pub(super) fn cell(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

/// Columns under headings, as wide as they need to be.
pub(super) fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headings.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|text| cell(text)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    trimmed(&table.to_string())
}

/// Names and what belongs to them, one pair a line.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> = pairs.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// `2026-11-20T21:15:01.000Z` as people read it.
pub(super) fn time(iso: &str) -> String {
    match (iso.get(..10), iso.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => iso.to_owned(),
    }
}

/// A span in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Writes to standard output at once; false once nobody reads it any more.
pub(super) fn write(text: &str) -> Result<bool, Fatal> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Fatal::other(format!("cannot write the answer: {error}"), "check where the output goes")),
    }
}

/// One line beside the answer, on standard error.
pub(super) fn note(line: &str) {
    // Nobody may be listening.
    let _ = writeln!(io::stderr().lock(), "{}", cell(line));
}

/// The message itself, or with `-` what comes on standard input.
pub(super) fn message(text: &str) -> Result<String, Fatal> {
    let text = if text == "-" { from_standard_input()? } else { text.to_owned() };
    if text.trim().is_empty() {
        return Err(Fatal::Usage("the message is empty".to_owned()));
    }
    Ok(text)
}

fn from_standard_input() -> Result<String, Fatal> {
    let mut text = String::new();
    let read = io::stdin().lock().take(MESSAGE_BYTES_MAX + 1).read_to_string(&mut text);
    let count = read.map_err(|error| Fatal::Usage(format!("cannot read the message from standard input: {error}")))?;
    if count as u64 > MESSAGE_BYTES_MAX {
        return Err(Fatal::Usage(format!("the message is longer than {} MiB", MESSAGE_BYTES_MAX >> 20)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_never_told_what_to_do() {
        assert_eq!(harmless("a\n\tb\u{1b}[2Jc\u{7}"), "a\n\tb\\u{1b}[2Jc\\u{7}");
        assert_eq!(cell("a\nb\tc"), "a b c");
    }

    #[test]
    fn a_table_has_columns_and_no_frame() {
        let rows = vec![vec!["1".to_owned(), "long text".to_owned()], vec!["222".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["ID", "NAME"], rows), "ID   NAME\n1    long text\n222  x");
        assert_eq!(pairs(&[("a", "1".to_owned()), ("long", "2".to_owned())]), "a     1\nlong  2");
    }

    #[test]
    fn times_and_spans_are_for_people() {
        assert_eq!(time("2026-11-20T21:15:01.000Z"), "2026-11-20 21:15:01");
        assert_eq!(time("soon"), "soon");
        let table = [(5, "5 s"), (65, "1 min 5 s"), (3_700, "1 h 1 min"), (90_061, "1 d 1 h")];
        for (seconds, words) in table {
            assert_eq!(span(seconds), words);
        }
    }

    #[test]
    fn colours_are_for_terminals() {
        let plain = Terminal { is_output_shown: false, is_error_shown: false, has_colours: false };
        assert_eq!(plain.paint(Colour::Good, "ok"), "ok");
        assert_eq!(Terminal { has_colours: true, ..plain }.paint(Colour::Good, "ok"), "\u{1b}[32mok\u{1b}[0m");
    }
}

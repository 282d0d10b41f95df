//! An answer printed as it comes.
//!
//! Pieces go to standard output at once. Beside a progress bar only whole lines do, because the
//! bar needs the last line; the rest waits in the bar. At the end the whole answer is known: what
//! the stream left out is printed then, so nothing is lost when events were.

use indicatif::ProgressBar;

use super::terminal::{Terminal, cell, note, write};
use crate::exit::Fatal;

/// Beyond this an answer is not compared with its end any more.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// How much of an unfinished line stands beside a bar.
const TAIL_CHARS_MAX: usize = 48;

/// The answer of one run.
#[derive(Debug)]
pub(super) struct Streamed {
    terminal: Terminal,
    /// Nothing is printed before the end, and then only JSON.
    is_silent: bool,
    bar: Option<ProgressBar>,
    /// What has come in this attempt.
    come: String,
    /// What has come and waits for its line's end.
    waiting: String,
    is_line_open: bool,
    is_read: bool,
}

impl Streamed {
    /// An answer that is printed, unless `is_silent`.
    pub(super) const fn new(terminal: Terminal, is_silent: bool) -> Self {
        Self {
            terminal,
            is_silent,
            bar: None,
            come: String::new(),
            waiting: String::new(),
            is_line_open: false,
            is_read: true,
        }
    }

    /// The same beside a progress bar.
    pub(super) fn beside(self, bar: Option<ProgressBar>) -> Self {
        Self { bar, ..self }
    }

    /// The next piece.
    pub(super) fn add(&mut self, piece: &str) -> Result<(), Fatal> {
        if self.come.len() + piece.len() <= KEPT_BYTES_MAX {
            self.come.push_str(piece);
        }
        match (self.is_silent, self.bar.clone()) {
            (true, _) => Ok(()),
            (false, Some(bar)) if self.terminal.is_output_shown => self.add_beside(piece, &bar),
            (false, _) => self.put(piece),
        }
    }

    /// What came does not count: the run begins again.
    pub(super) fn restart(&mut self) -> Result<(), Fatal> {
        self.end_line()?;
        self.come.clear();
        Ok(())
    }

    /// A line about the run that is not part of the answer, on standard error.
    pub(super) fn aside(&mut self, line: &str) -> Result<(), Fatal> {
        match self.bar.clone() {
            Some(bar) => bar.println(cell(line)),
            None => {
                if self.terminal.is_output_shown && self.terminal.is_error_shown {
                    self.end_line()?;
                }
                note(line);
            }
        }
        Ok(())
    }

    /// The answer is over; `whole` is all of it, where known.
    pub(super) fn end(&mut self, whole: Option<&str>) -> Result<(), Fatal> {
        if let Some(rest) = whole.and_then(|whole| whole.strip_prefix(self.come.as_str())).map(str::to_owned) {
            self.add(&rest)?;
        }
        self.end_line()
    }

    fn add_beside(&mut self, piece: &str, bar: &ProgressBar) -> Result<(), Fatal> {
        self.waiting.push_str(piece);
        if let Some(end) = self.waiting.rfind('\n') {
            let rest = self.waiting.split_off(end + 1);
            let lines = std::mem::replace(&mut self.waiting, rest);
            bar.suspend(|| self.put(&lines))?;
        }
        let skipped = self.waiting.chars().count().saturating_sub(TAIL_CHARS_MAX);
        bar.set_message(cell(&self.waiting.chars().skip(skipped).collect::<String>()));
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), Fatal> {
        let waiting = std::mem::take(&mut self.waiting);
        let bar = self.bar.clone();
        let mut finish = || {
            self.put(&waiting)?;
            if std::mem::take(&mut self.is_line_open) { self.put("\n") } else { Ok(()) }
        };
        match bar {
            Some(bar) => bar.suspend(finish),
            None => finish(),
        }
    }

    fn put(&mut self, text: &str) -> Result<(), Fatal> {
        if text.is_empty() || !self.is_read {
            return Ok(());
        }
        self.is_line_open = !text.ends_with('\n');
        self.is_read = write(&self.terminal.shown(text))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Environment;

    #[test]
    fn what_the_stream_left_out_is_added_at_the_end_and_nothing_twice() {
        let rest = |come: &str, whole: &str| {
            let mut streamed = Streamed::new(Terminal::of(&Environment::default()), true);
            streamed.add(come).unwrap();
            streamed.end(Some(whole)).unwrap();
            streamed.come
        };
        assert_eq!(rest("", "whole"), "whole");
        assert_eq!(rest("who", "whole"), "whole");
        assert_eq!(rest("whole", "whole"), "whole");
        assert_eq!(rest("I look.\nwhole", "whole"), "I look.\nwhole");
    }
}

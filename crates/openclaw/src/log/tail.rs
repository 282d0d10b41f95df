//! Reads the end of our own log file for `logs.tail`.
//!
//! A cursor is a place in the file, in bytes. After a rotation the old places are gone: the
//! reader is told, and goes on at the beginning of the new file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use claw_gateway::settings::{LogPage, LogTail};

use crate::config::settings::Logging;

/// Bytes read at once; older lines of a longer stretch are left out.
const PAGE_BYTES_MAX: u64 = 512 * 1024;

/// A reader of the configured log file; none if there is no file.
pub(crate) fn tail(logging: &Logging) -> Option<Arc<dyn LogTail>> {
    logging.file.clone().map(|path| Arc::new(FileTail { path }) as Arc<dyn LogTail>)
}

struct FileTail {
    path: PathBuf,
}

impl LogTail for FileTail {
    fn tail(&self, cursor: Option<u64>, limit: usize) -> LogPage {
        let file = self.path.display().to_string();
        // A log that cannot be read has no lines; the gateway's work does not depend on it.
        LogPage { file, ..self.read(cursor, limit).unwrap_or_default() }
    }
}

impl FileTail {
    fn read(&self, cursor: Option<u64>, limit: usize) -> io::Result<LogPage> {
        let mut file = File::open(&self.path)?;
        let size = file.metadata()?.len();
        let is_reset = cursor.is_some_and(|cursor| cursor > size);
        let from = cursor.filter(|_| !is_reset).unwrap_or_default();
        let start = from.max(size.saturating_sub(PAGE_BYTES_MAX));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(size - start).read_to_end(&mut bytes)?;
        // Half a line at the end is left for the next time; half a line at the start is none.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default());
        let mut lines: Vec<String> = text.lines().skip(usize::from(start > from)).map(str::to_owned).collect();
        let surplus = lines.len().saturating_sub(limit);
        lines.drain(..surplus);
        let cursor = start + whole as u64;
        let is_truncated = surplus > 0 || start > from;
        Ok(LogPage { file: String::new(), cursor, size, lines, is_truncated, is_reset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(tail: &FileTail, cursor: Option<u64>, limit: usize) -> (Vec<String>, u64) {
        let page = tail.tail(cursor, limit);
        (page.lines, page.cursor)
    }

    #[test]
    fn a_reader_goes_on_where_it_stopped_and_hears_of_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let tail = FileTail { path: directory.path().join("log") };
        assert_eq!(page(&tail, None, 10), (vec![], 0), "no file, no lines");
        std::fs::write(&tail.path, "one\ntwo\nthr").unwrap();
        assert_eq!(page(&tail, None, 10), (vec!["one".into(), "two".into()], 8));
        assert_eq!(page(&tail, None, 1), (vec!["two".into()], 8));
        std::fs::write(&tail.path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(page(&tail, Some(8), 10), (vec!["three".into()], 14));
        std::fs::write(&tail.path, "new\n").unwrap();
        let after = tail.tail(Some(14), 10);
        assert_eq!((after.lines, after.is_reset), (vec!["new".to_owned()], true));
    }
}

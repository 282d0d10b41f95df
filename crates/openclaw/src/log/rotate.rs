//! A log file with a size: when it is full it becomes `<name>.1`, and the one before is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::disk::make_private_directory;

/// With its predecessor the log takes at most twice this.
const FILE_BYTES_MAX: u64 = 10 << 20;

/// An append-only file that never grows past its size.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl RotatingFile {
    /// Opens the file for appending, for the owner alone; makes its directory if need be.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::with_size(path, FILE_BYTES_MAX)
    }

    fn with_size(path: &Path, bytes_max: u64) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            make_private_directory(directory)?;
        }
        let file = append_to(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, bytes_max })
    }

    /// Appends one whole line.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.bytes_max {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut older = self.path.clone().into_os_string();
        older.push(".1");
        fs::rename(&self.path, older)?;
        self.file = append_to(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_full_log_becomes_the_older_one_and_no_line_is_torn() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/openclaw.log");
        let mut log = RotatingFile::with_size(&path, 10).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
        let older = path.with_extension("log.1");
        assert_eq!(fs::read_to_string(older).unwrap(), "three\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_log_goes_on_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        RotatingFile::with_size(&path, 100).unwrap().write(b"one\n").unwrap();
        RotatingFile::with_size(&path, 100).unwrap().write(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}

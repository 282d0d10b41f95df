//! The configuration file on disk: read whole, written whole or not at all.
//!
//! A write goes to a neighbour, is flushed and renamed over the old file, so a crash leaves one
//! of the two complete. Everything is the owner's alone: files 0600, directories 0700.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::problem::ConfigError;

/// A larger configuration file is somebody's mistake.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads the file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB")));
    }
    // Some editors begin a file with a byte order mark.
    Ok(Some(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }))
}

/// Whether others than the owner can read the file.
pub(crate) fn is_readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
}

/// Makes `directory` and its parents, for the owner alone; one that exists stays as it is.
pub(crate) fn make_private_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Replaces the file's text in one step.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), ConfigError> {
    replace(path, text).map_err(|source| ConfigError::Unwritable { path: path.to_owned(), source })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link: the file it names is the one replaced.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let directory = directory_of(&target)?;
    make_private_directory(directory)?;
    let neighbour = neighbour_of(&target);
    let written = write_new(&neighbour, text)
        .and_then(|()| fs::rename(&neighbour, &target))
        .and_then(|()| File::open(directory)?.sync_all());
    if written.is_err() {
        // The first error is the one worth telling; the neighbour may not even exist.
        let _ = fs::remove_file(&neighbour);
    }
    written
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn neighbour_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

fn directory_of(path: &Path) -> io::Result<&Path> {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "has no directory"))
}

/// Keeps a second editor out until dropped, so that no change is lost between read and write.
#[derive(Debug)]
pub(crate) struct EditLock {
    _file: Flock<File>,
}

impl EditLock {
    /// Waits for the lock of the configuration file at `path`.
    pub(crate) fn take(path: &Path) -> Result<Self, ConfigError> {
        Self::try_take(path).map_err(|source| ConfigError::Unwritable { path: path.to_owned(), source })
    }

    fn try_take(path: &Path) -> io::Result<Self> {
        make_private_directory(directory_of(path)?)?;
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".lock");
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.with_file_name(name))?;
        Flock::lock(file, FlockArg::LockExclusive).map(|file| Self { _file: file }).map_err(|(_, errno)| errno.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_the_owners_alone_and_leaves_no_neighbour() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/openclaw.json");
        write(&path, "{ a: 1 }").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(is_readable_by_others(&path));
        write(&path, "{ a: 2 }").unwrap();

        assert_eq!(read(&path).unwrap().as_deref(), Some("{ a: 2 }"));
        assert!(!is_readable_by_others(&path));
        let mode = fs::metadata(path.parent().unwrap()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&real, "{}").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, "{ a: 1 }").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "{ a: 1 }");
    }

    #[test]
    fn absence_is_no_error_and_a_directory_is_one() {
        let directory = tempfile::tempdir().unwrap();
        assert!(read(&directory.path().join("none")).unwrap().is_none());
        assert!(matches!(read(directory.path()), Err(ConfigError::Unreadable { .. })));
    }

    #[test]
    fn text_that_is_not_utf8_or_too_large_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read(&path).is_err());
        fs::write(&path, vec![b' '; (4 << 20) + 1]).unwrap();
        assert!(read(&path).is_err());
        fs::write(&path, "\u{feff}{}").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("{}"));
    }
}

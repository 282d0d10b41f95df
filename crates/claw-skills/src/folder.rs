//! A skill's folder on the disk, through a handle that no path leads out of.
//!
//! Links that lead outside are refused by the kernel under the handle; what is neither a file nor a
//! directory is not opened. Blocks on the disk.

use std::io::{self, Read as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, OpenOptions, OpenOptionsExt as _};

use crate::contents::{BadContents, Contents, Gatherer};
use crate::limits::DEPTH_MAX;

/// `O_NONBLOCK`, so that opening a pipe that took a file's place returns.
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = 0o4000;
#[cfg(not(target_os = "linux"))]
const NONBLOCK: i32 = 0x0004;

/// Opens a directory that the operator named; nothing where there is none.
pub(crate) fn open(path: &Path) -> io::Result<Option<Dir>> {
    found(Dir::open_ambient_dir(path, ambient_authority()))
}

/// Opens a directory inside another; nothing where there is none.
pub(crate) fn open_inside(dir: &Dir, name: &str) -> io::Result<Option<Dir>> {
    found(dir.open_dir(name))
}

fn found<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a plain file of at most `bytes_max`.
pub(crate) fn open_file(dir: &Dir, path: &str, bytes_max: u64) -> io::Result<(File, Metadata)> {
    let judge = |metadata: &Metadata| match metadata {
        other if !other.is_file() => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file")),
        large if large.len() > bytes_max => {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {bytes_max} bytes")))
        }
        _ => Ok(()),
    };
    judge(&dir.metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(NONBLOCK);
    let file = dir.open_with(path, &options)?;
    // Looked at again: what was judged may have been changed for something else.
    let metadata = file.metadata()?;
    judge(&metadata)?;
    Ok((file, metadata))
}

/// Reads a plain file of at most `bytes_max`.
pub(crate) fn read(dir: &Dir, path: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open_file(dir, path, bytes_max)?;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Every file of a folder. Links are refused, wherever they lead: a copy would not be the same.
///
/// Errors: see [`BadContents`].
pub fn gather(path: &Path) -> Result<Contents, BadContents> {
    let shown = path.display().to_string();
    let unreadable = |source| BadContents::Unreadable { path: shown.clone(), source };
    gather_in(&Dir::open_ambient_dir(path, ambient_authority()).map_err(unreadable)?)
}

/// Every file of an open folder, as [`gather`] takes them.
pub(crate) fn gather_in(dir: &Dir) -> Result<Contents, BadContents> {
    gather_by(dir, Gatherer::default())
}

/// The same with its hidden files, but for what is none of a skill's.
pub(crate) fn gather_all(dir: &Dir) -> Result<Contents, BadContents> {
    gather_by(dir, Gatherer::of_all())
}

fn gather_by(dir: &Dir, mut gatherer: Gatherer) -> Result<Contents, BadContents> {
    walk(dir, "", 0, &mut gatherer)?;
    Ok(gatherer.done())
}

fn walk(dir: &Dir, above: &str, depth: usize, gatherer: &mut Gatherer) -> Result<(), BadContents> {
    if depth > DEPTH_MAX {
        return Err(BadContents::TooMuch(format!("{above:?}: directories are at most {DEPTH_MAX} deep")));
    }
    let unreadable = |path: &str| {
        let path = path.to_owned();
        move |source| BadContents::Unreadable { path, source }
    };
    for entry in dir.entries().map_err(unreadable(above))? {
        let entry = entry.map_err(unreadable(above))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(BadContents::Path { path: name.to_string_lossy().into_owned(), why: "it is no UTF-8" });
        };
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
        let kind = entry.file_type().map_err(unreadable(&path))?;
        if kind.is_dir() {
            gatherer.directory(&path)?;
            // Not looked into: nothing of it would be taken.
            if !gatherer.leaves_out(name) {
                let inside = entry.open_dir().map_err(unreadable(&path))?;
                walk(&inside, &path, depth + 1, gatherer)?;
            }
        } else if kind.is_file() {
            let (mut file, _) = open_file(dir, name, u64::MAX).map_err(unreadable(&path))?;
            gatherer.file(&path, &mut file)?;
        } else {
            let kind = if kind.is_symlink() { "a symbolic link" } else { "a device, a pipe or a socket" };
            return Err(BadContents::Kind { path, kind });
        }
    }
    Ok(())
}

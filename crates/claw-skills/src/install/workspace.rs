//! Skills that lie in a workspace: pinned, and taken away again.
//!
//! Agents write there, so the record lies beside the installed skills and not in the folder, and everything is reached
//! through the handle of the workspace: no link leads out of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::{From, InstallError, Installed, Looked, Managed, Origin, is_name, looked_through};
use crate::contents::BadContents;
use crate::folder;
use crate::pin::{self, IN_WORKSPACE};
use crate::scan::Scanner;

impl Managed {
    /// Says that a skill in the `skills/` of a workspace is right as it is now; it is scanned like one that is installed.
    /// Bound are the bytes of all its files, and the place.
    ///
    /// Errors: as [`Managed::pin`].
    pub fn pin_in(
        &self,
        workspace: &Path,
        name: &str,
        at: String,
        accepts_findings: bool,
        scanner: &Scanner,
    ) -> Result<Installed, InstallError> {
        let (_, dir) = opened(workspace, name)?;
        let path = pin::folder_of(workspace, name);
        let Looked { manifest, findings, digest } =
            looked_through(&folder::gather_all(&dir)?, name, accepts_findings, scanner)?;
        let from = From::Folder { path: path.display().to_string() };
        let origin = Origin::new(from, &digest, at.clone(), findings.len()).pinned(&digest, at, findings.len());
        let lock = self.lock()?;
        let record = pin::in_workspace(&self.0, workspace, name);
        let failed = |source| InstallError::Disk { path: record.clone(), source };
        let has_replaced = record.exists();
        put(&origin, &record).map_err(failed)?;
        drop(lock);
        Ok(Installed { manifest, path, digest, findings, has_replaced })
    }

    /// Takes a skill away from a workspace, and says no more that it is right.
    ///
    /// Errors: as [`Managed::remove`].
    pub fn remove_from(&self, workspace: &Path, name: &str) -> Result<PathBuf, InstallError> {
        let (skills, _) = opened(workspace, name)?;
        let path = pin::folder_of(workspace, name);
        let failed = |source| InstallError::Disk { path: path.clone(), source };
        let lock = self.lock()?;
        match fs::remove_file(pin::in_workspace(&self.0, workspace, name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        skills.remove_dir_all(name).map_err(failed)?;
        drop(lock);
        Ok(path)
    }
}

/// The `skills/` of a workspace, and the folder of that name in it.
fn opened(workspace: &Path, name: &str) -> Result<(Dir, Dir), InstallError> {
    let absent = || InstallError::Absent(name.chars().take(80).collect());
    let path = pin::folder_of(workspace, name).display().to_string();
    let failed = |source| BadContents::Unreadable { path: path.clone(), source };
    if !is_name(name) {
        return Err(absent());
    }
    let workspace = folder::open(workspace).map_err(failed)?.ok_or_else(absent)?;
    let skills = folder::open_inside(&workspace, IN_WORKSPACE).map_err(failed)?.ok_or_else(absent)?;
    let skill = folder::open_inside(&skills, name).map_err(failed)?.ok_or_else(absent)?;
    Ok((skills, skill))
}

/// Writes the record in its place, onto the disk.
fn put(origin: &Origin, record: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let (Some(above), Some(name)) = (record.parent(), record.file_name().and_then(|name| name.to_str())) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has no place"));
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(above)?;
    origin.replace_in(above, name)?;
    // That the directory is there, too.
    above.parent().map_or(Ok(()), |above| fs::File::open(above)?.sync_all())
}

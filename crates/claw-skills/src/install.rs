//! Installs skills, removes them, and looks whether they are still what was installed.
//!
//! Parse → scan → write beside → sync → rename: a skill is there whole or not at all, whenever the
//! machine dies. Files are written without the right to be run, and nothing is ever run. What was
//! installed is recorded in the skill's folder ([`Origin`]), in a hidden file that no archive can bring along; `workspace`
//! does the same for those that lie where agents work.

mod origin;
mod workspace;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _};

pub use origin::{From, Origin};

use crate::contents::{BadContents, Contents};
use crate::folder;
use crate::limits::{ENTRIES_MAX, SCAN_MAX, SKILLS_MAX};
use crate::manifest::{self, Manifest, Problem};
use crate::scan::{Finding, ScanError, Scanner};

/// Where installed skills lie.
#[derive(Debug, Clone)]
pub struct Managed(PathBuf);

/// What is to be installed, and how.
#[derive(Debug)]
pub struct Order {
    /// The files.
    pub contents: Contents,
    /// Where they are from.
    pub from: From,
    /// When, as ISO-8601.
    pub at: String,
    /// Whether somebody has looked at what a scan finds, and wants it all the same.
    pub accepts_findings: bool,
    /// Whether it may take the place of one of its name.
    pub replaces: bool,
}

/// A skill that was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its folder.
    pub path: PathBuf,
    /// SHA-256 over its files, in hexadecimal.
    pub digest: String,
    /// What the scan found, and somebody accepted.
    pub findings: Vec<Finding>,
    /// Whether one of its name was there.
    pub has_replaced: bool,
}

/// Why nothing was installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no skill in it.
    #[error(transparent)]
    Contents(#[from] BadContents),
    /// Its `SKILL.md` is none.
    #[error("it is no skill: {}", told(.0))]
    NoSkill(Vec<Problem>),
    /// It could not be looked through.
    #[error("it could not be scanned, and what was not scanned is not installed: {0}")]
    Scan(#[from] ScanError),
    /// It has to be looked at by a person first.
    #[error("the scan found {} things to look at", .0.len())]
    Findings(Vec<Finding>),
    /// There is one of this name.
    #[error("the skill {0:?} is installed already")]
    Taken(String),
    /// There is none of this name.
    #[error("there is no skill {0:?} in that place")]
    Absent(String),
    /// There are as many as there may be.
    #[error("there are {SKILLS_MAX} skills already")]
    Full,
    /// Another process installs or removes.
    #[error("another process is installing or removing a skill")]
    Busy,
    /// The disk refused.
    #[error("cannot write {}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// How an installed skill stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The name of its folder.
    pub name: String,
    /// Whether it is what was installed.
    pub state: State,
    /// Where it came from, if that is known.
    pub origin: Option<Origin>,
    /// What is wrong with it.
    pub problems: Vec<String>,
    /// What a scan finds today.
    pub findings: Vec<Finding>,
}

/// Whether a skill is what was installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To the byte.
    Intact,
    /// Something was changed, added or taken away.
    Changed,
    /// Somebody put it there by hand; nothing is known of it.
    Unrecorded,
    /// It cannot be read, or was not looked through.
    Unknown,
}

impl State {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Changed => "changed",
            Self::Unrecorded => "unrecorded",
            Self::Unknown => "unknown",
        }
    }
}

impl Managed {
    /// The directory of that path; it need not be there.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Installs a skill, whole or not at all.
    ///
    /// Errors: see [`InstallError`]; nothing has changed.
    pub fn install(&self, order: Order, scanner: &Scanner) -> Result<Installed, InstallError> {
        let Order { contents, from, at, accepts_findings, replaces } = order;
        let contents = contents.rooted()?;
        let main = contents.get(manifest::FILE).ok_or(BadContents::NoManifest)?;
        let manifest = manifest::parse(main).map_err(InstallError::NoSkill)?;
        let findings = scanner.scan(&contents, SCAN_MAX)?;
        if !findings.is_empty() && !accepts_findings {
            return Err(InstallError::Findings(findings));
        }
        let digest = hex::encode(contents.digest());
        let origin = Origin::new(from, &digest, at, findings.len());
        let lock = self.lock()?;
        let place = self.0.join(&manifest.name);
        let is_there = fs::symlink_metadata(&place).is_ok();
        if is_there && !replaces {
            return Err(InstallError::Taken(manifest.name));
        }
        if !is_there && self.names()?.len() >= SKILLS_MAX {
            return Err(InstallError::Full);
        }
        self.sweep();
        let beside = self.0.join(format!(".new-{:016x}", fastrand::u64(..)));
        let written = write(&beside, &contents, &origin).and_then(|()| self.put(&beside, &place, is_there));
        // What it took the place of, or what was half written.
        let _none_left = discard(&beside);
        written.map_err(|source| InstallError::Disk { path: place.clone(), source })?;
        drop(lock);
        Ok(Installed { manifest, path: place, digest, findings, has_replaced: is_there })
    }

    /// Takes a skill away.
    ///
    /// Errors: [`InstallError::Absent`], [`InstallError::Busy`], [`InstallError::Disk`].
    pub fn remove(&self, name: &str) -> Result<PathBuf, InstallError> {
        let place = self.place(name)?;
        let lock = self.lock()?;
        let failed = |source| InstallError::Disk { path: place.clone(), source };
        let beside = self.0.join(format!(".old-{:016x}", fastrand::u64(..)));
        fs::rename(&place, &beside).map_err(failed)?;
        discard(&beside).map_err(failed)?;
        drop(lock);
        Ok(place)
    }

    /// Says that a skill is right as it is now, whatever was installed; it is scanned like a new one.
    ///
    /// Errors: [`InstallError::Absent`], [`InstallError::Busy`], [`InstallError::Contents`],
    /// [`InstallError::NoSkill`], [`InstallError::Scan`], [`InstallError::Findings`], [`InstallError::Disk`].
    pub fn pin(
        &self,
        name: &str,
        at: String,
        accepts_findings: bool,
        scanner: &Scanner,
    ) -> Result<Installed, InstallError> {
        let path = self.place(name)?;
        let lock = self.lock()?;
        let Looked { manifest, findings, digest } =
            looked_through(&folder::gather(&path)?, name, accepts_findings, scanner)?;
        let here = || From::Folder { path: path.display().to_string() };
        // A record that cannot be read is as good as none.
        let before = Origin::read(&path).ok().flatten();
        let before = before.unwrap_or_else(|| Origin::new(here(), &digest, at.clone(), findings.len()));
        let origin = before.pinned(&digest, at, findings.len());
        origin.replace(&path).map_err(|source| InstallError::Disk { path: path.clone(), source })?;
        drop(lock);
        Ok(Installed { manifest, path, digest, findings, has_replaced: true })
    }

    /// Where the skill of that name lies.
    fn place(&self, name: &str) -> Result<PathBuf, InstallError> {
        let absent = || InstallError::Absent(name.chars().take(80).collect());
        if !is_name(name) {
            return Err(absent());
        }
        let place = self.0.join(name);
        fs::symlink_metadata(&place).map_err(|_| absent())?;
        Ok(place)
    }

    /// Looks at every installed skill again: whether it is what was installed, and what a scan
    /// finds today.
    ///
    /// Errors: the directory cannot be read.
    pub fn check(&self, scanner: &Scanner) -> Result<Vec<Checked>, InstallError> {
        let names = self.names()?;
        Ok(names.into_iter().map(|name| self.check_one(name, scanner)).collect())
    }

    fn check_one(&self, name: String, scanner: &Scanner) -> Checked {
        let path = self.0.join(&name);
        let mut checked =
            Checked { name, state: State::Unknown, origin: None, problems: Vec::new(), findings: Vec::new() };
        let contents = match folder::gather(&path) {
            Ok(contents) => contents,
            Err(error) => {
                checked.problems.push(error.to_string());
                return checked;
            }
        };
        match contents.get(manifest::FILE).map(manifest::parse) {
            None => checked.problems.push(BadContents::NoManifest.to_string()),
            Some(Err(problems)) => checked.problems.extend(problems.iter().map(ToString::to_string)),
            Some(Ok(manifest)) if manifest.name != checked.name => {
                let problem = format!("its name is {:?}, and that of its folder {:?}", manifest.name, checked.name);
                checked.problems.push(problem);
            }
            Some(Ok(_)) => {}
        }
        match scanner.scan(&contents, SCAN_MAX) {
            Ok(findings) => checked.findings = findings,
            Err(error) => {
                checked.problems.push(format!("it could not be scanned: {error}"));
                return checked;
            }
        }
        match Origin::read(&path) {
            Ok(None) => checked.state = State::Unrecorded,
            Ok(Some(origin)) => {
                let is_same = origin.digest == hex::encode(contents.digest());
                checked.state = if is_same { State::Intact } else { State::Changed };
                checked.origin = Some(origin);
            }
            Err(why) => checked.problems.push(format!("the record of where it came from cannot be read: {why}")),
        }
        checked
    }

    /// The folders there are, hidden ones left out, by name.
    fn names(&self) -> Result<Vec<String>, InstallError> {
        let failed = |source| InstallError::Disk { path: self.0.clone(), source };
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let folders = entries.take(ENTRIES_MAX).filter_map(Result::ok).filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    /// Makes the directory, and keeps others out while the file is held.
    fn lock(&self) -> Result<File, InstallError> {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        let path = self.0.join(".lock");
        let failed = |source| InstallError::Disk { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        let opened = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(InstallError::Busy),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Takes away what a process left that died over its work; nobody else works now.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().take(ENTRIES_MAX).filter_map(Result::ok) {
            let name = entry.file_name();
            let is_left = name.to_str().is_some_and(|name| name.starts_with(".new-") || name.starts_with(".old-"));
            if is_left {
                let _next_time = discard(&entry.path());
            }
        }
    }

    /// Puts what is written in its place, in one step.
    fn put(&self, beside: &Path, place: &Path, is_there: bool) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let flags = if is_there { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, beside, CWD, place, flags)?;
        File::open(&self.0)?.sync_all()
    }
}

/// A skill that somebody has looked through.
struct Looked {
    manifest: Manifest,
    findings: Vec<Finding>,
    digest: String,
}

/// Judges and scans what lies in a folder of that name.
fn looked_through(
    contents: &Contents,
    name: &str,
    accepts_findings: bool,
    scanner: &Scanner,
) -> Result<Looked, InstallError> {
    let bytes = contents.get(manifest::FILE).ok_or(BadContents::NoManifest)?;
    let manifest = manifest::parse(bytes).map_err(InstallError::NoSkill)?;
    if manifest.name != name {
        return Err(InstallError::Absent(name.to_owned()));
    }
    let findings = scanner.scan(contents, SCAN_MAX)?;
    if !findings.is_empty() && !accepts_findings {
        return Err(InstallError::Findings(findings));
    }
    Ok(Looked { manifest, findings, digest: hex::encode(contents.digest()) })
}

/// Whether it can be the name of one folder.
fn is_name(name: &str) -> bool {
    let is_plain = crate::contents::plain(name).is_ok_and(|plain| plain.as_deref() == Some(name));
    is_plain && !name.contains('/') && !name.starts_with('.')
}

/// Writes files into a directory of their own, onto the disk.
fn write(path: &Path, contents: &Contents, origin: &Origin) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().mode(0o700).create(path)?;
    }
    let dir = Dir::open_ambient_dir(path, ambient_authority())?;
    let put = |path: &str, bytes: &[u8]| -> io::Result<()> {
        let mut options = OpenOptions::new();
        // Never to be run, whatever the archive said of it.
        options.write(true).create_new(true).mode(0o600);
        let mut file = dir.open_with(path, &options)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    for (path, bytes) in contents.iter() {
        if let Some((above, _)) = path.rsplit_once('/') {
            dir.create_dir_with(above, &builder)?;
        }
        put(path, bytes)?;
    }
    put(origin::FILE, origin.text().as_bytes())?;
    File::open(path)?.sync_all()
}

/// Takes a directory away; a link goes, and what it leads to stays.
fn discard(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
#[path = "install/tests.rs"]
mod tests;

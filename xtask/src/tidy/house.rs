//! What the rules look at: the workspace's files, its crates and their dependencies.
//!
//! Files are those git tracks plus the new ones it does not ignore, so that a breach is
//! found before the commit. Outside a git checkout (an unpacked archive) the tree is walked.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, MetadataCommand};

use super::source::Source;

/// One file of the repository.
#[derive(Debug, Default)]
pub(super) struct File {
    /// From the workspace root, with `/`.
    pub(super) path: String,
    pub(super) size_bytes: u64,
    /// `None` when the file is not UTF-8.
    pub(super) text: Option<String>,
    /// Present for Rust files.
    pub(super) rust: Option<Source>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Dev,
    Build,
}

/// One edge from a crate to a dependency, as its manifest declares it.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// One crate of the workspace.
#[derive(Debug, Default)]
pub(super) struct Member {
    pub(super) name: String,
    /// Folder from the workspace root, with `/`.
    pub(super) dir: String,
    pub(super) dependencies: Vec<Dependency>,
    /// Crate roots (`lib.rs`, `main.rs`, each integration test, …) from the workspace root.
    pub(super) roots: Vec<String>,
    /// Dependencies that no line of Rust names, for a reason written in the manifest
    /// (`[package.metadata.cargo-machete] ignored`, so that machete agrees).
    pub(super) silent: Vec<String>,
}

/// The workspace, read once.
#[derive(Debug, Default)]
pub(super) struct House {
    /// The absolute path of the checkout on this machine.
    pub(super) root: PathBuf,
    pub(super) files: Vec<File>,
    pub(super) members: Vec<Member>,
}

impl House {
    /// Reads the workspace around the current directory.
    pub(super) fn read() -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cannot read `cargo metadata`")?;
        let root = metadata.workspace_root.as_std_path().to_path_buf();
        let inside = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let members = metadata.workspace_packages().into_iter().map(|package| Member {
            name: package.name.to_string(),
            dir: package.manifest_path.parent().map_or_else(String::new, |dir| inside(dir.as_std_path())),
            dependencies: package.dependencies.iter().map(dependency).collect(),
            roots: package.targets.iter().map(|target| inside(target.src_path.as_std_path())).collect(),
            silent: silent(package),
        });
        Ok(Self { members: members.collect(), files: read_files(&root)?, root })
    }

    /// The Rust files with their lexed text.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| file.rust.as_ref().map(|source| (file, source)))
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn dependency(declared: &cargo_metadata::Dependency) -> Dependency {
    let kind = match declared.kind {
        DependencyKind::Development => Kind::Dev,
        DependencyKind::Build => Kind::Build,
        _ => Kind::Normal,
    };
    Dependency { name: declared.name.clone(), kind }
}

fn silent(package: &cargo_metadata::Package) -> Vec<String> {
    let ignored = package.metadata.pointer("/cargo-machete/ignored").and_then(|list| list.as_array());
    ignored.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn read_files(root: &Path) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in listed_by_git(root).unwrap_or_else(|| walked(root)) {
        let full = root.join(&path);
        // A file deleted but not yet committed is still listed, and a link is its target's business.
        let Ok(about) = full.symlink_metadata() else { continue };
        if !about.is_file() {
            continue;
        }
        let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
        files.push(File::new(path, &bytes));
    }
    Ok(files)
}

impl File {
    pub(super) fn new(path: impl Into<String>, bytes: &[u8]) -> Self {
        let path = path.into();
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let is_rust = Path::new(&path).extension().is_some_and(|end| end == "rs");
        let rust = text.as_deref().filter(|_| is_rust).map(Source::new);
        Self { path, size_bytes: bytes.len() as u64, text, rust }
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8_lossy(&listing.stdout);
    let mut paths: Vec<String> = names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Some(paths)
}

fn walked(root: &Path) -> Vec<String> {
    const NOT_OURS: &[&str] = &["target", ".git", ".cache", "node_modules"];
    let mut paths = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                if !NOT_OURS.iter().any(|ours| name.to_str() == Some(ours)) {
                    folders.push(path);
                }
            } else if let Ok(inside) = path.strip_prefix(root) {
                paths.push(inside.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    paths.sort();
    paths
}

#[cfg(test)]
pub(super) mod made_up {
    //! Small houses for the rules' tests.

    use super::{Dependency, File, House, Kind, Member};

    /// A house of the given files, without crates.
    pub(in crate::tidy) fn files(files: &[(&str, &str)]) -> House {
        let files = files.iter().map(|(path, text)| File::new(*path, text.as_bytes())).collect();
        House { files, ..House::default() }
    }

    /// A crate in `crates/<name>` with dependencies of the given kinds.
    pub(in crate::tidy) fn member(name: &str, dependencies: &[(&str, Kind)]) -> Member {
        let dependencies =
            dependencies.iter().map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: *kind }).collect();
        let dir = format!("crates/{name}");
        let roots = vec![format!("{dir}/src/lib.rs")];
        Member { name: name.to_owned(), dir, dependencies, roots, silent: Vec::new() }
    }
}

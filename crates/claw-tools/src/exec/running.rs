//! The commands that run at this moment, and where: what is written there meanwhile they may take up, and what they write
//! there may be read before they end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use claw_core::provenance::Provenance;

use super::carried::{Carried, Look};
use super::{Processes, reach, spoken};

/// The commands that run. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    here: BTreeMap<u64, Here>,
}

/// Where one runs.
struct Here {
    root: PathBuf,
    /// Whether it may take up files by itself.
    takes_up: bool,
    look: Option<Arc<Look>>,
}

/// One command, while this is kept.
pub(super) struct Runs {
    running: Running,
    id: u64,
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.running.table().here.remove(&self.id);
    }
}

impl Running {
    /// One runs, as long as what this gives is kept.
    pub(super) fn enter(&self, command: &str, root: &Path, carried: Option<&Carried>) -> Runs {
        let any = [root.join("Makefile")];
        let takes_up = reach::is_nested(command)
            || spoken::words(command)
                .chunk_by(|_, next| !next.begins)
                .any(|command| reach::takes_up(command, (root, root), &any));
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let mut table = self.table();
        table.last += 1;
        let id = table.last;
        table.here.insert(id, Here { root, takes_up, look: carried.map(Carried::look) });
        Runs { running: self.clone(), id }
    }

    /// Whether one that runs in this workspace may take up a file that is written there.
    fn takes_up(&self, root: &Path) -> bool {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        self.table()
            .here
            .values()
            .any(|here| here.takes_up && (here.root.starts_with(&root) || root.starts_with(&here.root)))
    }

    fn looks(&self) -> Vec<Arc<Look>> {
        self.table().here.values().filter_map(|here| here.look.clone()).collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Processes {
    /// Whether a command that runs in this workspace may run what is written to this file of it. Blocks on the disk.
    pub(crate) fn may_take_up(&self, root: &Path, file: &Path) -> bool {
        !reach::is_document(file) && self.running().takes_up(root)
    }
}

/// Knows also of what commands have written that have not ended yet.
pub struct Followed {
    provenance: Arc<dyn Provenance>,
    processes: Processes,
}

impl Followed {
    /// What `provenance` knows, and what of these commands it would only be told at their end.
    pub fn new(provenance: Arc<dyn Provenance>, processes: Processes) -> Self {
        Self { provenance, processes }
    }
}

#[async_trait]
impl Provenance for Followed {
    async fn note(&self, files: &[String]) -> Result<(), String> {
        self.provenance.note(files).await
    }
    async fn forget(&self, files: &[String]) -> Result<(), String> {
        self.provenance.forget(files).await
    }
    async fn noted(&self, path: &str) -> Result<(Vec<String>, bool), String> {
        for look in self.processes.running().looks() {
            look.again().await;
        }
        self.provenance.noted(path).await
    }
}

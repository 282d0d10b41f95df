//! Model files: which there are, where they come from, where they lie.

use std::path::PathBuf;

/// The model that answers when nobody chose another.
pub const DEFAULT_MODEL: &str = "smollm2-135m";

/// The folder with the model files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}
impl Folder {
    /// x
    pub fn new(path: PathBuf) -> Self { Self { path } }
    /// x
    pub fn path_of(&self, name: &str) -> Option<PathBuf> { Some(self.path.join(name)) }
}

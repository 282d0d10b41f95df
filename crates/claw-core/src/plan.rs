//! The name of what a key may have (K19).

use std::borrow::Borrow;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The name is asked for with every request.
static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| PlanName::DEFAULT.into());

/// The name of a plan. What it stands for says the configuration, and may say nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanName(Arc<str>);

impl PlanName {
    /// The plan of keys that were given no other.
    pub const DEFAULT: &str = "default";

    /// As written in the configuration or stored with a key.
    pub fn new(name: &str) -> Self {
        if name == Self::DEFAULT { Self::default() } else { Self(name.into()) }
    }
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for PlanName {
    fn default() -> Self {
        Self(Arc::clone(&DEFAULT))
    }
}

impl Borrow<str> for PlanName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

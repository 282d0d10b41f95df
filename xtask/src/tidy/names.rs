//! Module names that say nothing, and `mod.rs`.

use std::path::Path;

use super::Finding;
use super::house::House;

const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "manager", "common", "data", "misc"];

/// Checks the path of every Rust file.
pub(super) fn check(house: &House) -> Vec<Finding> {
    house.rust().filter_map(|(file, _)| breach(&file.path)).collect()
}

fn breach(path: &str) -> Option<Finding> {
    let parts = || Path::new(path).iter().filter_map(|part| part.to_str());
    if parts().next_back() == Some("mod.rs") {
        return Some(Finding::new(path, "a module is `name.rs` beside `name/`, never `mod.rs`"));
    }
    let name = parts().map(|part| part.strip_suffix(".rs").unwrap_or(part)).find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::new(path, format!("`{name}` says nothing: name it after what it does")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_breaches_as_file_and_as_folder() {
        assert!(breach("crates/a/src/utils.rs").is_some());
        assert!(breach("crates/a/src/common/clock.rs").is_some());
        assert!(breach("crates/a/src/database.rs").is_none());
    }

    #[test]
    fn mod_rs_is_a_breach() {
        assert!(breach("crates/a/src/ws/mod.rs").is_some());
        assert!(breach("crates/a/src/ws.rs").is_none());
    }
}

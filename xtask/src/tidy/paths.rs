//! Paths of somebody's machine in committed files.
//!
//! Made-up homes in a Rust file's tests module are nobody's and pass; the folder around
//! this checkout never does.

use super::Finding;
use super::house::House;

/// Folders that every machine has: a checkout directly inside one of them says nothing.
const EVERYBODYS: &[&str] = &["", "/tmp", "/var/tmp", "/opt", "/srv", "/mnt", "/usr", "/usr/src", "/var"];

/// Checks every text file for home folders and for the folder this checkout stands in.
pub(super) fn check(house: &House) -> Vec<Finding> {
    let around = house.root.parent().and_then(|parent| parent.to_str()).unwrap_or_default().trim_end_matches('/');
    let around = Some(format!("{around}/")).filter(|_| !EVERYBODYS.contains(&around));
    let mut findings = Vec::new();
    for file in &house.files {
        let in_tests = |index| file.rust.as_ref().is_some_and(|source| source.in_tests(index));
        for (index, line) in file.text.as_deref().unwrap_or_default().lines().enumerate() {
            let home = home(line).filter(|_| !in_tests(index));
            let around = around.clone().filter(|path| places(line, path).next().is_some());
            if let Some(path) = home.or(around) {
                let text = format!("`{path}` is a path of one machine: use a relative one or a variable");
                findings.push(Finding::at(&file.path, index, text));
            }
        }
    }
    findings
}

/// A folder in somebody's home, if the line names one.
fn home(line: &str) -> Option<String> {
    // In halves, so that this file does not accuse itself.
    for start in [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")] {
        for rest in places(line, start) {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || ".-_".contains(*c)).collect();
            if name.starts_with(|c: char| c.is_alphanumeric() || c == '.') {
                return Some(format!("{start}{name}"));
            }
        }
    }
    None
}

/// What follows each place where `start` begins a path, and does not stand within one.
fn places<'line>(line: &'line str, start: &str) -> impl Iterator<Item = &'line str> {
    line.match_indices(start).filter_map(move |(at, found)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let is_within = before.is_some_and(|c| c.is_alphanumeric() || ".}_-~$>)*".contains(c));
        line.get(at + found.len()..).filter(|_| !is_within)
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::house::made_up::files;
    use super::*;

    #[test]
    fn a_home_folder_is_found() {
        assert_eq!(home(concat!("cd /ho", "me/ada/code")).as_deref(), Some(concat!("/ho", "me/ada")));
        assert_eq!(home(concat!("x = \"/ro", "ot/.cargo\"")).as_deref(), Some(concat!("/ro", "ot/.cargo")));
    }

    #[test]
    fn a_route_or_a_placeholder_is_not() {
        assert_eq!(home(concat!("GET /v1/ho", "me/page")), None);
        assert_eq!(home(concat!("/ho", "me/<you>/.openclaw")), None);
    }

    #[test]
    fn a_made_up_home_in_a_tests_module_passes() {
        let line = concat!("let home = \"/ho", "me/ada\";\n");
        let found = check(&files(&[("a.rs", &format!("{line}#[cfg(test)]\nmod tests {{\n{line}}}\n"))]));
        let places: Vec<String> = found.into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["a.rs:1"]);
    }

    #[test]
    fn the_folder_around_the_checkout_is_found() {
        let mut house = files(&[("a.md", "ok\nsee /srv/build/openclaw/x\nof a/srv/build/y\n")]);
        house.root = PathBuf::from("/srv/build/openclaw");
        let places: Vec<String> = check(&house).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["a.md:2"]);
    }

    #[test]
    fn a_checkout_in_a_folder_everybody_has_accuses_nobody() {
        let mut house = files(&[("a.md", "see /tmp/x\n")]);
        house.root = PathBuf::from("/tmp/openclaw");
        assert_eq!(check(&house), []);
    }
}

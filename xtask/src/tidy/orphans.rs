//! Rust files that no `mod` line reaches: they are not compiled, not tested and rot.
//!
//! Starts at every crate root and follows `mod name;` (with `#[path]`). Module blocks
//! that hold further files are not followed; the house has none.

use std::collections::BTreeSet;
use std::path::Path;

use super::Finding;
use super::house::{File, House};

/// Checks that every Rust file of a crate is reachable from one of its roots.
pub(super) fn check(house: &House) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    for root in house.members.iter().flat_map(|member| &member.roots) {
        follow(house, root, true, &mut reached);
    }
    house
        .rust()
        .filter(|(file, _)| !reached.contains(file.path.as_str()))
        .map(|(file, _)| Finding::new(&file.path, "no `mod` line leads here: connect it or delete it"))
        .collect()
}

fn follow<'house>(house: &'house House, path: &str, is_root: bool, reached: &mut BTreeSet<&'house str>) {
    let Some(file) = house.file(path) else { return };
    if !reached.insert(&file.path) {
        return;
    }
    let path = Path::new(path);
    let beside = path.parent().unwrap_or(Path::new(""));
    let below = if is_root { beside.to_path_buf() } else { path.with_extension("") };
    for (name, named_path) in mod_lines(file) {
        let child = match named_path {
            Some(named) => beside.join(named),
            None => below.join(format!("{name}.rs")),
        };
        follow(house, &child.to_string_lossy().replace('\\', "/"), false, reached);
    }
}

/// The modules a file declares, with their `#[path]` if they have one.
fn mod_lines(file: &File) -> Vec<(String, Option<String>)> {
    let Some(source) = &file.rust else { return Vec::new() };
    let raw: Vec<&str> = file.text.as_deref().unwrap_or_default().lines().collect();
    let mut found = Vec::new();
    for (index, line) in source.lines() {
        let words = line.trim().trim_end_matches(';');
        let Some(name) = words.split_whitespace().skip_while(|word| *word != "mod").nth(1) else { continue };
        if !line.trim_end().ends_with(';') {
            continue;
        }
        let before = index.checked_sub(1).and_then(|above| raw.get(above)).copied().unwrap_or_default();
        let named = before.trim().strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]"));
        found.push((name.to_owned(), named.map(str::to_owned)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::house::made_up::{files, member};
    use super::*;

    fn orphans(tree: &[(&str, &str)]) -> Vec<String> {
        let mut house = files(tree);
        house.members.push(member("a", &[]));
        check(&house).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn a_file_without_a_mod_line_is_an_orphan() {
        let tree = [
            ("crates/a/src/lib.rs", "pub mod ws;\n// mod lost;\n"),
            ("crates/a/src/ws.rs", "pub(crate) mod frame;\n"),
            ("crates/a/src/ws/frame.rs", ""),
            ("crates/a/src/frame.rs", ""),
            ("crates/a/src/lost.rs", ""),
        ];
        assert_eq!(orphans(&tree), ["crates/a/src/frame.rs", "crates/a/src/lost.rs"]);
    }

    #[test]
    fn a_named_path_is_followed() {
        let tree =
            [("crates/a/src/lib.rs", "#[path = \"elsewhere.rs\"]\nmod here;\n"), ("crates/a/src/elsewhere.rs", "")];
        assert_eq!(orphans(&tree), [""; 0]);
    }

    #[test]
    fn a_module_block_is_no_file() {
        let tree = [("crates/a/src/lib.rs", "mod tests {\n  use super::x;\n}\n")];
        assert_eq!(orphans(&tree), [""; 0]);
    }
}

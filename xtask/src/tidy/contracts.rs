//! A generated contract has a test that compares it with its source.
//!
//! The comparison itself is that test's: it renders the contract from the types and fails
//! on a difference, or rewrites the file under `UPDATE_CONTRACTS=1`. This rule only sees
//! to it that no file in `contracts/` lies there without one.

use super::Finding;
use super::house::House;

const SWITCH: &str = "UPDATE_CONTRACTS";

/// Checks that each file in `contracts/` is named by a Rust file that obeys the switch.
pub(super) fn check(house: &House) -> Vec<Finding> {
    let generators: Vec<&str> = house
        .rust()
        .filter(|(file, _)| !file.path.starts_with("xtask/"))
        .filter_map(|(file, _)| file.text.as_deref())
        .filter(|text| text.contains(SWITCH))
        .collect();
    house
        .files
        .iter()
        .filter(|file| file.path.strip_prefix("contracts/").is_some_and(|name| name != "README.md"))
        .filter(|file| !generators.iter().any(|text| text.contains(&file.path)))
        .map(|file| {
            let text = format!("no test that obeys {SWITCH}=1 names this file: its drift would go unseen");
            Finding::new(&file.path, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::house::made_up::files;
    use super::*;

    #[test]
    fn a_contract_without_a_generator_is_found() {
        let generator = "let switch = env(\"UPDATE_CONTRACTS\"); compare(\"contracts/a.json\");";
        let house = files(&[("contracts/a.json", "{}"), ("contracts/b.json", "{}"), ("t.rs", generator)]);
        let places: Vec<String> = check(&house).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["contracts/b.json"]);
    }
}

//! The tests that `docs/guarantees.md` names are there.
//!
//! A promise without its test is not made; a renamed test takes its promise along.

use std::collections::BTreeSet;

use super::Finding;
use super::house::House;

const PROMISES: &str = "docs/guarantees.md";

/// Checks every name in back-quotes that looks like a test's: small letters with underscores.
pub(super) fn check(house: &House) -> Vec<Finding> {
    let promises = house.file(PROMISES).and_then(|file| file.text.as_deref()).unwrap_or_default();
    let functions: BTreeSet<&str> =
        house.rust().flat_map(|(_, source)| source.lines()).filter_map(|(_, line)| function(line)).collect();
    promises
        .lines()
        .enumerate()
        .flat_map(|(index, line)| named(line).map(move |name| (index, name)))
        .filter(|(_, name)| !functions.contains(name))
        .map(|(index, name)| Finding::at(PROMISES, index, format!("there is no test `{name}`: a promise needs one")))
        .collect()
}

fn named(line: &str) -> impl Iterator<Item = &str> {
    let is_test = |name: &&str| {
        name.matches('_').count() >= 2 && name.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    line.split('`').skip(1).step_by(2).filter(is_test)
}

/// The name of the function a line begins, if it does.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_start = before.split_whitespace().all(|word| matches!(word, "async" | "pub" | "pub(super)" | "pub(crate)"));
    after.split(['(', '<']).next().filter(|_| is_start)
}

#[cfg(test)]
mod tests {
    use super::super::house::made_up::files;
    use super::*;

    #[test]
    fn a_promise_whose_test_is_gone_is_found() {
        let promises = "| `one_start_wins`, `x-header`, `submit` |\n| `it_was_renamed_since` |";
        let house = files(&[(PROMISES, promises), ("a.rs", "    pub(super) async fn one_start_wins(a: u8) {}")]);
        let places: Vec<String> = check(&house).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["docs/guarantees.md:2"]);
    }
}

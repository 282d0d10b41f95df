//! The house rules as checks: floors, sizes, names, words, orphans, unused dependencies.
//!
//! Each rule is one module with one function from [`House`] to findings, so that its
//! tests can hand it a small made-up house. Rules look at text and at `cargo metadata`
//! only; whatever needs types is clippy's (`clippy.toml`).

mod borders;
mod contracts;
mod floors;
mod house;
mod names;
mod orphans;
mod paths;
mod promises;
mod sizes;
mod source;
mod unused;
mod words;

use std::fmt;
use std::process::ExitCode;

use house::House;

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// Where: a path from the workspace root, with `:line` where a line is to blame.
    place: String,
    /// What is wrong and what to do instead.
    text: String,
}

impl Finding {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }

    /// A finding on the line with index `line_index`, counted from 0.
    fn at(path: &str, line_index: usize, text: impl Into<String>) -> Self {
        Self::new(format!("{path}:{}", line_index + 1), text)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

type Rule = fn(&House) -> Vec<Finding>;

/// Every rule, in the order in which its findings are printed.
const RULES: &[(&str, Rule)] = &[
    ("floors", floors::check),
    ("borders", borders::check),
    ("sizes", sizes::check),
    ("words", words::check),
    ("names", names::check),
    ("orphans", orphans::check),
    ("unused", unused::check),
    ("paths", paths::check),
    ("contracts", contracts::check),
    ("promises", promises::check),
];

/// Reads the workspace around the current directory and checks it against every rule.
///
/// Exit code 0 when nothing was found, 1 otherwise.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let house = House::read()?;
    let mut found = 0_usize;
    for (name, rule) in RULES {
        for finding in rule(&house) {
            println!("tidy/{name}  {finding}");
            found += 1;
        }
    }
    if found > 0 {
        println!("tidy: {found} to mend");
        return Ok(ExitCode::FAILURE);
    }
    println!("tidy: {} rules, {} files, nothing to mend", RULES.len(), house.files.len());
    Ok(ExitCode::SUCCESS)
}

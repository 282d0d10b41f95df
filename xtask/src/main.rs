//! The logic behind the make targets that is better written in Rust than in shell.
//!
//! `cargo run -p xtask -- tidy` checks the house rules and prints every breach with
//! its file, its line and the way out. It knows nothing about running or testing
//! the gateway: those are `scripts/run.sh` and `scripts/test.sh`.

mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- tidy";

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(),
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(64))
        }
    }
}

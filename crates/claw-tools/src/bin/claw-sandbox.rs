//! The sandbox as a program of its own, for the tests of this crate; the gateway is its own.

fn main() {
    std::process::exit(claw_tools::sandbox::enter(&std::env::args().nth(1).unwrap_or_default()));
}

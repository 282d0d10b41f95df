//! OpenClaw: one durable run engine behind one port.
//!
//! The binary alone knows every concrete type and alone reads environment, arguments, files and
//! signals. Here: parse, dispatch, exit code.
//!
//! - [`commands`] the verbs; [`client`] their way to a running gateway
//! - [`compose`] the house put together
//! - [`config`] the one file; [`life`] start, ready, stop; [`exit`] the codes; [`log`] the lines

mod client;
mod commands;
mod compose;
mod config;
mod env;
mod exit;
mod life;
mod log;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::commands::Arguments;
use crate::exit::Fatal;

/// Gives memory back to the system after a burst, where the C library's keeps it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The gateway starts itself again as the box a command runs in; nothing else may happen before.
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(compose::SANDBOX_WORD) {
        std::process::exit(claw_tools::sandbox::enter(&words.next().unwrap_or_default()));
    }
    let result = match Arguments::try_parse() {
        Ok(arguments) => commands::dispatch(arguments),
        Err(error) => return not_parsed(&error),
    };
    match result {
        Ok(code) => code,
        Err(fatal) => {
            // Nobody may be listening; the code still tells.
            let _ = writeln!(std::io::stderr().lock(), "{}", fatal.line());
            ExitCode::from(fatal.code())
        }
    }
}

/// Help and version are answers; anything else is a usage error, which is not clap's own 2.
fn not_parsed(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Fatal::Usage(String::new()).code()),
    }
}

//! `openclaw completions`: what a shell needs to complete our commands.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;
use super::terminal::write;
use crate::exit::Fatal;

/// Arguments of `openclaw completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell to complete in
    shell: Shell,
}

/// Runs `openclaw completions`.
pub(crate) fn run(arguments: &Completions) -> Result<ExitCode, Fatal> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "openclaw", &mut script);
    write(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

//! The verbs of the command line, one file each.

pub(crate) mod config;
pub(crate) mod gateway;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::settings::Flags;
use crate::env::Environment;
use crate::exit::Fatal;

/// OpenClaw: agents behind one port.
#[derive(Debug, Parser)]
#[command(name = "openclaw", version, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
struct Global {
    /// Directory of all state [default: $OPENCLAW_STATE_DIR or ~/.openclaw]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
    /// Configuration file [default: $OPENCLAW_CONFIG_PATH or openclaw.json in the state directory]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Least severe line to log: error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look: human, json
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start, stop and look at the gateway
    Gateway(gateway::Gateway),
    /// Read and change the configuration
    Config(config::Config),
}

/// What a command has to work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) environment: Environment,
    pub(crate) flags: Flags,
}

/// Runs the command that was asked for.
pub(crate) fn dispatch(arguments: Arguments) -> Result<ExitCode, Fatal> {
    let Global { state_dir, config, log_level, log_format } = arguments.global;
    let flags = Flags { state_dir, config, log_level, log_format, ..Flags::default() };
    let context = Context { environment: Environment::capture(), flags };
    match arguments.command {
        Command::Gateway(gateway) => gateway::run(gateway, &context),
        Command::Config(config) => config::run(config, &context),
    }
}

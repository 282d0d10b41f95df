//! The verbs of the command line, one file each.

mod agent;
mod approvals;
mod asking;
mod audit;
mod completions;
pub(crate) mod config;
mod devices;
pub(crate) mod gateway;
mod health;
mod keys;
mod logs;
mod memory;
mod message;
mod models;
mod providers;
mod sessions;
mod skills;
mod status;
mod streamed;
mod system;
mod taken_up;
mod tasks;
mod terminal;
mod tools;

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
    /// Say whether the gateway is well
    Health(health::Health),
    /// Show the gateway's load and counts
    Status(status::Status),
    /// Ask an agent, and print its answer as it comes
    Agent(agent::Agent),
    /// Send messages by the gateway's channels
    Message(message::Message),
    /// Hand in, list, watch, cancel and retry tasks
    Tasks(tasks::Tasks),
    /// List conversations and what was said in them
    Sessions(sessions::Sessions),
    /// List the tools agents have, and call one
    Tools(tools::Tools),
    /// List, install, check and remove what agents are taught
    Skills(skills::Skills),
    /// Print the gateway's log
    Logs(logs::Logs),
    /// Fetch, list and remove models
    Models(models::Models),
    /// List providers of model output, and try them
    Providers(providers::Providers),
    /// Find, add, list and forget what agents remember
    Memory(memory::Memory),
    /// Make, list and revoke API keys
    Keys(keys::Keys),
    /// Decide about calls of agents that wait for leave
    Approvals(approvals::Approvals),
    /// What is written down for good, and whether it still is
    Audit(audit::Audit),
    /// Let devices in, and out again
    Devices(devices::Devices),
    /// Who is connected, what happened outside, heartbeats
    System(system::System),
    /// Print what a shell needs to complete these commands
    Completions(completions::Completions),
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
        Command::Health(health) => health::run(health, &context),
        Command::Status(status) => status::run(status, &context),
        Command::Agent(agent) => agent::run(agent, &context),
        Command::Message(message) => message::run(message, &context),
        Command::Tasks(tasks) => tasks::run(tasks, &context),
        Command::Sessions(sessions) => sessions::run(sessions, &context),
        Command::Tools(tools) => tools::run(tools, &context),
        Command::Skills(skills) => skills::run(skills, &context),
        Command::Logs(logs) => logs::run(logs, &context),
        Command::Models(models) => models::run(models, &context),
        Command::Providers(providers) => providers::run(providers, &context),
        Command::Memory(memory) => memory::run(memory, &context),
        Command::Keys(keys) => keys::run(keys, &context),
        Command::Approvals(approvals) => approvals::run(approvals, &context),
        Command::Audit(audit) => audit::run(audit, &context),
        Command::Devices(devices) => devices::run(devices, &context),
        Command::System(system) => system::run(system, &context),
        Command::Completions(completions) => completions::run(&completions),
    }
}

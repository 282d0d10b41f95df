//! `openclaw health`: whether the gateway is well, in one line.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{Colour, Terminal, cell};
use crate::client::answers;
use crate::exit::Fatal;

/// The gateway answers, but is not well.
const NOT_WELL: u8 = 70;

/// Arguments of `openclaw health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    #[command(flatten)]
    asking: Asking,
}

/// Runs `openclaw health`.
pub(crate) fn run(arguments: Health, context: &Context) -> Result<ExitCode, Fatal> {
    let Health { asking } = arguments;
    let payload = asking.once(context, "health", &json!({}))?;
    let health: answers::Health = payload.read()?;
    if asking.json {
        print(&payload.pretty())?;
    } else {
        print(&line(&health, Terminal::of(&context.environment)))?;
    }
    Ok(if health.ok { ExitCode::SUCCESS } else { ExitCode::from(NOT_WELL) })
}

fn line(health: &answers::Health, terminal: Terminal) -> String {
    let answers::Health { ok, default_agent_id, sessions, tasks } = health;
    let word = match ok {
        true => terminal.paint(Colour::Good, "ok"),
        false => terminal.paint(Colour::Bad, "not ok"),
    };
    format!(
        "{word}: {} tasks run, {} wait; {} sessions; agent {}",
        tasks.running,
        tasks.queued,
        sessions.count,
        cell(default_agent_id)
    )
}

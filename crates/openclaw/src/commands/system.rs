//! `openclaw system`: who is connected, what happened outside, heartbeats (B16, B17).

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{note, table};
use crate::client::answers::{Beat, Present, Woken};
use crate::exit::Fatal;

/// Arguments of `openclaw system`.
#[derive(Debug, Args)]
pub(crate) struct System {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List who is connected
    Presence(Asking),
    /// Tell the main conversation of something; with `--mode now` a turn begins
    Event {
        /// What happened
        #[arg(long, short, value_parser = NonEmptyStringValueParser::new())]
        text: String,
        /// When it is told
        #[arg(long, value_enum, default_value = "next-heartbeat")]
        mode: Mode,
        #[command(flatten)]
        asking: Asking,
    },
    /// The turns that `--mode now` begins
    Heartbeat {
        #[command(subcommand)]
        action: HeartbeatAction,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// In a turn that begins now
    Now,
    /// With the next turn
    NextHeartbeat,
}

#[derive(Debug, Subcommand)]
enum HeartbeatAction {
    /// Show the last one
    Last(Asking),
    /// Let `--mode now` begin turns
    Enable(Asking),
    /// Keep its texts for the next turn instead
    Disable(Asking),
}

/// Runs `openclaw system`.
pub(crate) fn run(system: System, context: &Context) -> Result<ExitCode, Fatal> {
    let set = |asking: Asking, enabled: bool, done: &str| {
        asking.told(context, "set-heartbeats", &json!({"enabled": enabled}), done)
    };
    match system.action {
        Action::Presence(asking) => asking.answered(context, "system-presence", &json!({}), presence),
        Action::Event { text, mode, asking } => {
            let mode = if mode == Mode::Now { "now" } else { "next-heartbeat" };
            asking.answered(context, "wake", &json!({"text": text, "mode": mode}), woken)
        }
        Action::Heartbeat { action: HeartbeatAction::Last(asking) } => {
            asking.answered(context, "last-heartbeat", &json!({}), last)
        }
        Action::Heartbeat { action: HeartbeatAction::Enable(asking) } => set(asking, true, "heartbeats are on"),
        Action::Heartbeat { action: HeartbeatAction::Disable(asking) } => set(asking, false, "heartbeats are off"),
    }
}

fn woken(woken: Woken) -> Result<ExitCode, Fatal> {
    match (woken.run_id, woken.reason) {
        (Some(run), _) => print(&format!("run {run} began")),
        (None, Some(reason)) => print(&reason),
        (None, None) => print("it is told with the next turn"),
    }
}

fn presence(entries: Vec<Present>) -> Result<ExitCode, Fatal> {
    let row = |entry: Present| {
        let Present { host, ip, version, platform, mode, text } = entry;
        [host, mode, ip, platform, version].into_iter().map(Option::unwrap_or_default).chain([text]).collect()
    };
    print(&table(&["WHO", "MODE", "ADDRESS", "PLATFORM", "VERSION", "TEXT"], entries.into_iter().map(row).collect()))
}

fn last(beat: Option<Beat>) -> Result<ExitCode, Fatal> {
    match beat {
        Some(Beat { status, preview, run_id }) => print(&format!("{status}: {preview} ({run_id})")),
        None => {
            note("there was none since the gateway started");
            Ok(ExitCode::SUCCESS)
        }
    }
}

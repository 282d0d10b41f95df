//! `openclaw system`: who is connected, what happened outside, heartbeats (B16, B17).

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Context;
use super::config::print;
use super::health::once;
use super::terminal::{note, table};
use crate::client::answers::{Beat, Present, Woken};
use crate::client::{Reach, Target};
use crate::exit::Fatal;

/// Arguments of `openclaw system`.
#[derive(Debug, Args)]
pub(crate) struct System {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Args)]
struct Common {
    /// Print the gateway's answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List who is connected
    Presence(Common),
    /// Tell the main conversation of something; with `--mode now` a turn begins
    Event {
        /// What happened
        #[arg(long, short, value_parser = NonEmptyStringValueParser::new())]
        text: String,
        /// When it is told
        #[arg(long, value_enum, default_value = "next-heartbeat")]
        mode: Mode,
        #[command(flatten)]
        common: Common,
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
    Last(Common),
    /// Let `--mode now` begin turns
    Enable(Common),
    /// Keep its texts for the next turn instead
    Disable(Common),
}

/// Runs `openclaw system`.
pub(crate) fn run(system: System, context: &Context) -> Result<ExitCode, Fatal> {
    match system.action {
        Action::Presence(Common { json, reach }) => presence(&Target::find(context, &reach)?, json),
        Action::Event { text, mode, common: Common { json, reach } } => {
            let mode = if mode == Mode::Now { "now" } else { "next-heartbeat" };
            let payload = once(&Target::find(context, &reach)?, "wake", &json!({"text": text, "mode": mode}))?;
            if json {
                return print(&payload.pretty());
            }
            let Woken { run_id, reason } = payload.read()?;
            match (run_id, reason) {
                (Some(run), _) => print(&format!("run {run} began")),
                (None, Some(reason)) => print(&reason),
                (None, None) => print("it is told with the next turn"),
            }
        }
        Action::Heartbeat { action: HeartbeatAction::Last(common) } => last(context, common),
        Action::Heartbeat { action: HeartbeatAction::Enable(common) } => set(context, common, true),
        Action::Heartbeat { action: HeartbeatAction::Disable(common) } => set(context, common, false),
    }
}

fn presence(target: &Target, json: bool) -> Result<ExitCode, Fatal> {
    let payload = once(target, "system-presence", &json!({}))?;
    if json {
        return print(&payload.pretty());
    }
    let entries: Vec<Present> = payload.read()?;
    let row = |entry: Present| {
        let Present { host, ip, version, platform, mode, text } = entry;
        [host, mode, ip, platform, version].into_iter().map(Option::unwrap_or_default).chain([text]).collect()
    };
    print(&table(&["WHO", "MODE", "ADDRESS", "PLATFORM", "VERSION", "TEXT"], entries.into_iter().map(row).collect()))
}

fn last(context: &Context, common: Common) -> Result<ExitCode, Fatal> {
    let payload = once(&Target::find(context, &common.reach)?, "last-heartbeat", &json!({}))?;
    if common.json {
        return print(&payload.pretty());
    }
    match payload.read::<Option<Beat>>()? {
        Some(Beat { status, preview, run_id }) => print(&format!("{status}: {preview} ({run_id})")),
        None => {
            note("there was none since the gateway started");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn set(context: &Context, common: Common, enabled: bool) -> Result<ExitCode, Fatal> {
    let payload = once(&Target::find(context, &common.reach)?, "set-heartbeats", &json!({"enabled": enabled}))?;
    let word = if enabled { "heartbeats are on" } else { "heartbeats are off" };
    if common.json { print(&payload.pretty()) } else { print(word) }
}
